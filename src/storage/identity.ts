// Which disks are there, and what a start does with them: a pure function from what lies in the configured directories to a
// plan. A plan that refuses has touched nothing, and its message says which directory is wrong and why.
//
// A store is formed only where nothing is. A disk is what its disk.json says it is, wherever it is mounted. The highest
// version of the table of disks counts. An empty directory may be a mount point whose disk is absent, so it
// is taken in by itself only when it lies on the device of a disk of this store that is present.
import { assert, type FaultCode, fault, type MoraineError, unavailable } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { identify, isVacant, whyNotFormable, whyOut } from './directory-role.ts'
import { isReadable, parityOf, setDisksOf } from './geometry.ts'
import type { DiskIdentity, DiskTable, StoreKey, TableDisk } from './identity-file.ts'
import type { DirectoryState } from './inspect.ts'
import { planReplacement, type TableChange } from './table-change.ts'
import { isWidening } from './widen.ts'

export interface StartOptions {
  /** In the order of the configuration: their positions. */
  readonly directories: readonly DirectoryState[]
  /** What the operator asked for; undefined: whatever the store has, or the default. */
  readonly parity?: number
  /** Of a new store. */
  readonly partitions: number
  /** 32 hex digits, never the same twice. */
  newId(): string
  /** 32 bytes fit for a key. */
  newKey(): Uint8Array
}

/** A directory and what it is or becomes. */
export interface PlannedDisk {
  readonly root: string
  readonly identity: DiskIdentity
}

export interface OutDirectory {
  readonly root: string
  readonly reason: string
}

/** Makes a store, or goes on making one: every directory gets its key and its identity, then all become members. */
export interface FormPlan {
  readonly kind: 'form'
  readonly storeId: string
  readonly key: Uint8Array
  readonly table: DiskTable
  /** In the phase `forming`; `isMade` when the directory itself has to be made. */
  readonly disks: readonly (PlannedDisk & { readonly isMade: boolean })[]
}

export interface OpenPlan {
  readonly kind: 'open'
  readonly storeId: string
  readonly key: Uint8Array
  readonly table: DiskTable
  /** Members that are present, as members of `table`. `isStale`: disk.json or store.key is to be written anew. */
  readonly disks: readonly (PlannedDisk & { readonly isStale: boolean })[]
  /** Members that are not. */
  readonly missing: readonly TableDisk[]
  /** Directories that are not used, and why: one line each for the operator. */
  readonly out: readonly OutDirectory[]
  /** Sets that have lost more than m disks: nothing of them can be trusted to be the newest. */
  readonly unreadableSets: readonly number[]
  /** Empty directories that take the place of missing disks, if any: a change of the table that has to be committed first. */
  readonly change?: TableChange
}

export interface RefusePlan {
  readonly kind: 'refuse'
  readonly error: MoraineError
}

export type StartPlan = FormPlan | OpenPlan | RefusePlan

const refuse = (code: FaultCode, message: string): RefusePlan => ({
  kind: 'refuse',
  error: fault(code, message),
})

interface Found {
  readonly state: DirectoryState
  readonly position: number
  readonly identity: DiskIdentity
}

const foundDisks = (directories: readonly DirectoryState[]): Found[] =>
  directories.flatMap((state, position) =>
    state.content.kind === 'disk' ? [{ state, position, identity: state.content.identity }] : [],
  )

const keyOf = (state: DirectoryState): StoreKey | undefined =>
  state.content.kind === 'disk' || state.content.kind === 'bare' ? state.content.key : undefined

const findKey = (directories: readonly DirectoryState[], storeId: string): Uint8Array | undefined =>
  directories.map(keyOf).find((key) => key?.storeId === storeId)?.key

/** What makes any plan impossible, whatever else is there. */
const findObstacle = (directories: readonly DirectoryState[]): RefusePlan | undefined => {
  const inodes = new Map<string, string>()
  for (const { root, content, device, inode } of directories) {
    if (content.kind === 'newer') {
      const message = `${root} was written by a newer release (format ${content.format}): use that release`
      return refuse('RECORD_VERSION', message)
    }
    if (inode === undefined) continue
    const other = inodes.get(`${device}:${inode}`)
    if (other !== undefined) return refuse('CONFIG_INVALID', `${other} and ${root} are the same directory`)
    inodes.set(`${device}:${inode}`, root)
  }
  return undefined
}

const findMixture = (found: readonly Found[]): RefusePlan | undefined => {
  const first = found[0]
  const stranger = found.find(({ identity }) => identity.storeId !== first?.identity.storeId)
  if (first !== undefined && stranger !== undefined) {
    return refuse(
      'DISK_FORMAT',
      `${first.state.root} and ${stranger.state.root} belong to two different stores: start each with its own directories`,
    )
  }
  const roots = new Map<string, string>()
  for (const { state, identity } of found) {
    const other = roots.get(identity.diskId)
    if (other !== undefined) {
      return refuse('DISK_FORMAT', `${other} and ${state.root} hold the same disk: one is a copy, remove it`)
    }
    roots.set(identity.diskId, state.root)
  }
  return undefined
}

const newTable = (options: StartOptions): DiskTable => {
  const { directories, partitions } = options
  const size = setDisksOf(directories.length)
  return {
    version: 1,
    partitions,
    m: parityOf(directories.length, options.parity),
    nextDiskNumber: (directories.length + 1) as DiskNumber,
    disks: directories.map((_, position) => ({
      id: options.newId(),
      number: (position + 1) as DiskNumber,
      position,
      set: Math.floor(position / size),
      state: 'active',
    })),
  }
}

const planForming = (
  options: StartOptions,
  store: { storeId: string; key: Uint8Array; table: DiskTable },
): StartPlan => {
  const { storeId, table } = store
  const disks = options.directories.map(({ root, content }, position) => {
    const member = table.disks[position]
    assert(member !== undefined, 'a store is formed in as many directories as its table names')
    const { id, number } = member
    const identity: DiskIdentity = { storeId, diskId: id, number, phase: 'forming', table }
    return { root, identity, isMade: content.kind === 'absent' }
  })
  return { kind: 'form', ...store, disks }
}

const planNewStore = (options: StartOptions): StartPlan => {
  const reasons = options.directories.flatMap((state) => whyNotFormable(state) ?? [])
  if (reasons.length > 0) return refuse('DISK_FORMAT', reasons.join('; '))
  try {
    const table = newTable(options)
    return planForming(options, { storeId: options.newId(), key: options.newKey(), table })
  } catch (error) {
    return { kind: 'refuse', error: error as MoraineError }
  }
}

/** Some directories carry the identity of a store that not all of its disks have got yet. */
const planUnfinished = (options: StartOptions, found: readonly Found[]): StartPlan => {
  const { storeId, table } = found[0]!.identity
  const { directories } = options
  const where = found.map(({ state }) => state.root).join(', ')
  if (directories.length !== table.disks.length) {
    return refuse(
      'DISK_FORMAT',
      `the first start of a store with ${table.disks.length} directories did not finish (${where}), but ${directories.length} are given: give the same again, or empty them`,
    )
  }
  if (options.parity !== undefined && options.parity !== table.m) return wrongParity(options.parity, table)
  for (const [position, state] of directories.entries()) {
    const { content, root } = state
    const reason = content.kind === 'bare' && !content.hasData ? undefined : whyNotFormable(state)
    if (reason !== undefined) return refuse('DISK_FORMAT', reason)
    if (content.kind === 'disk' && content.identity.diskId !== table.disks[position]?.id) {
      const message = `the first start of a store did not finish (${where}), and ${root} has moved: give its directories in the same order`
      return refuse('DISK_FORMAT', message)
    }
  }
  // Nothing can have been sealed with the key before all disks had it, so another one does no harm.
  return planForming(options, { storeId, key: findKey(directories, storeId) ?? options.newKey(), table })
}

const wrongParity = (parity: number, table: DiskTable): RefusePlan =>
  refuse(
    'CONFIG_INVALID',
    `the store has parity ${table.m}, which was fixed when it was made: parity ${parity} is impossible`,
  )

const newestTable = (found: readonly Found[]): DiskTable | RefusePlan => {
  const counting = found.filter(({ identity }) => identity.phase !== 'joining')
  const newest = counting.reduce((a, b) => (b.identity.table.version > a.identity.table.version ? b : a))
  const { table } = newest.identity
  const rival = counting.find(
    ({ identity }) =>
      identity.table.version === table.version && JSON.stringify(identity.table) !== JSON.stringify(table),
  )
  if (rival === undefined) return table
  return refuse(
    'DISK_FORMAT',
    `${newest.state.root} and ${rival.state.root} disagree about the disks of the store: take out the one that was used elsewhere`,
  )
}

const isCurrent = (state: DirectoryState, identity: DiskIdentity): boolean =>
  state.content.kind === 'disk' &&
  state.content.key !== undefined &&
  state.content.identity.phase === 'member' &&
  JSON.stringify(state.content.identity.table) === JSON.stringify(identity.table)

interface Vacancy {
  readonly state: DirectoryState
  readonly position: number
  /** An add prepared it, and was cut off. */
  readonly isWidening?: boolean
}

/** Which vacant directories replace which missing disks, and why others do not. */
const planAdoptions = (
  vacancies: readonly Vacancy[],
  missing: readonly TableDisk[],
  devices: ReadonlySet<number>,
  hasEnough: boolean,
): { adopt: { root: string; lost: DiskNumber }[]; out: OutDirectory[] } => {
  const left = [...missing]
  const adopt: { root: string; lost: DiskNumber }[] = []
  const out: OutDirectory[] = []
  for (const { state, position, isWidening = false } of vacancies) {
    const { root, device, content } = state
    if (isWidening) {
      const reason = `${root} was to be added to the store, and that was cut off: it stays out; 'moraine disk add' adds it`
      out.push({ root, reason })
      continue
    }
    const index = Math.max(
      0,
      left.findIndex((disk) => disk.position === position),
    )
    const lost = left[index]
    // A replacement that was under way was asked for, by the operator or by this rule.
    const isJoining = content.kind === 'disk' && content.identity.phase === 'joining'
    const isWanted = isJoining || (device !== undefined && devices.has(device))
    if (!hasEnough) {
      const reason = `${root} is empty, and too few disks of this store are present to take in another: it stays out`
      out.push({ root, reason })
    } else if (lost === undefined) {
      out.push({ root, reason: `${root} is empty and no disk is missing: it stays out` })
    } else if (!isWanted) {
      const reason = `${root} is empty and lies on another device than the disks of this store, it may be the mount point of a disk that is not mounted: it stays out; 'moraine disk replace' takes it in`
      out.push({ root, reason })
    } else {
      left.splice(index, 1)
      adopt.push({ root, lost: lost.number })
    }
  }
  return { adopt, out }
}

/** Sets of which fewer than n − m disks are in `present`, by their ids. */
export const unreadableSetsOf = (table: DiskTable, present: ReadonlySet<string>): number[] => {
  const sets = [...new Set(table.disks.map((disk) => disk.set))]
  return sets.filter((set) => {
    const members = table.disks.filter((disk) => disk.set === set)
    const count = members.filter((disk) => present.has(disk.id)).length
    return !isReadable(members.length, table.m, count)
  })
}

/** The same without disks that were found, and could not be used after all. */
export const planWithout = (plan: OpenPlan, failed: readonly OutDirectory[]): OpenPlan => {
  const isFailed = (root: string): boolean => failed.some((directory) => directory.root === root)
  const disks = plan.disks.filter(({ root }) => !isFailed(root))
  const present = new Set<string>(disks.map(({ identity }) => identity.diskId))
  return {
    ...plan,
    disks,
    missing: plan.table.disks.filter((disk) => !present.has(disk.id)),
    out: [...plan.out, ...failed],
    unreadableSets: unreadableSetsOf(plan.table, present),
  }
}

/** Of a disk that was added, and that a start is not given. */
export const whyNotGiven = (
  { number, directory }: TableDisk,
  roots: readonly string[],
): string | undefined =>
  directory === undefined || roots.includes(directory)
    ? undefined
    : `disk ${number} was added as ${directory}, and that directory is not among those that were given: give it, too`

/**
 * With more than m disks of a set away nothing in it can be trusted to be the newest: throws TOO_FEW_DISKS, with the positions that
 * are missing and what is wrong with each directory.
 */
export const requireReadable = ({ table, disks, missing, out, unreadableSets }: OpenPlan): void => {
  if (unreadableSets.length === 0) return
  const isLacking = ({ set }: TableDisk): boolean => unreadableSets.includes(set)
  const size = table.disks.filter(({ set }) => set === unreadableSets[0]).length
  const given = [...out, ...disks].map(({ root }) => root)
  const positions = missing.filter(isLacking).map(({ position }) => position + 1)
  const ofEach = unreadableSets.length === 1 ? '' : ' in each set'
  const needed = `${size - table.m} of ${size}${ofEach} must be there`
  const notGiven = missing.filter(isLacking).flatMap((disk) => whyNotGiven(disk, given) ?? [])
  const causes = [...out.map(({ reason }) => reason), ...notGiven].map((reason) => `; ${reason}`).join('')
  throw unavailable(
    'TOO_FEW_DISKS',
    `the store cannot start without its disks at positions ${positions.join(', ')}: ${needed}${causes}`,
    { sets: unreadableSets.join(','), missing: positions.join(',') },
  )
}

/** Nothing sealed can be read, and no disk is known by its key. */
export const NO_KEY =
  "store.key is missing or damaged on every disk: 'moraine key import' puts back one that was exported"

const planOpening = (options: StartOptions, found: readonly Found[]): StartPlan => {
  const table = newestTable(found)
  if ('kind' in table) return table
  if (options.parity !== undefined && options.parity !== table.m) return wrongParity(options.parity, table)
  const storeId = found[0]!.identity.storeId
  const key = findKey(options.directories, storeId)
  if (key === undefined) return refuse('DISK_FORMAT', NO_KEY)

  const members = new Map(table.disks.map((disk) => [disk.id, disk]))
  const disks: (PlannedDisk & { isStale: boolean })[] = []
  const out: OutDirectory[] = []
  const vacancies: Vacancy[] = []
  const others: DirectoryState[] = []
  const devices = new Set<number>()
  const present = new Set<string>()
  for (const [position, state] of options.directories.entries()) {
    const member = members.get(identify(state, storeId)?.diskId ?? '')
    if (member !== undefined && !present.has(member.id)) {
      const { id, number } = member
      const identity: DiskIdentity = { storeId, diskId: id, number, phase: 'member', table }
      disks.push({ root: state.root, identity, isStale: !isCurrent(state, identity) })
      present.add(id)
      if (state.device !== undefined) devices.add(state.device)
    } else if (isVacant(state)) vacancies.push({ state, position, isWidening: isWidening(state, table) })
    else others.push(state)
  }
  const missing = table.disks.filter((disk) => !present.has(disk.id))
  const unreadableSets = unreadableSetsOf(table, present)
  // One that is being drained is on its way out: nothing takes its place.
  const lost = missing.filter(({ state }) => state === 'active')
  for (const state of others) {
    const isNeeded = state.content.kind !== 'absent' || missing.length > 0
    const reason = isNeeded
      ? whyOut(state, storeId)
      : `${state.root} does not exist, and no disk is missing: it is not needed`
    out.push({ root: state.root, reason })
  }
  const adoptions = planAdoptions(vacancies, lost, devices, unreadableSets.length === 0)
  const change =
    adoptions.adopt.length === 0
      ? {}
      : { change: planReplacement({ storeId, table }, adoptions.adopt, options.newId) }
  out.push(...adoptions.out)
  return { kind: 'open', storeId, key, table, disks, missing, out, unreadableSets, ...change }
}

/** What a start does with the configured directories. Pure: it has looked at nothing but its argument. */
export const planStart = (options: StartOptions): StartPlan => {
  const { directories } = options
  const obstacle = findObstacle(directories)
  if (obstacle !== undefined) return obstacle
  const found = foundDisks(directories)
  const mixture = findMixture(found)
  if (mixture !== undefined) return mixture
  const counting = found.filter(({ identity }) => identity.phase !== 'joining')
  if (counting.length === 0) {
    const joining = found[0]
    if (joining === undefined) return planNewStore(options)
    return refuse('DISK_FORMAT', `${joining.state.root} was to replace a disk of a store that is not there`)
  }
  const isFormed = counting.some(({ identity }) => identity.phase === 'member')
  return isFormed ? planOpening(options, found) : planUnfinished(options, found)
}

/**
 * Whether a running store may take in a directory by itself in place of a lost disk: `present` are the devices of its disks
 * that are there now. The reason when not.
 */
export const whyNotAdoptable = (
  state: DirectoryState,
  lost: TableDisk,
  devices: ReadonlySet<number>,
  { storeId, table }: { readonly storeId: string; readonly table: DiskTable },
): string | undefined => {
  if (!isVacant(state)) {
    const found = identify(state, storeId)
    const isMember = found?.storeId === storeId && table.disks.some(({ id }) => id === found.diskId)
    return isMember ? `${state.root} holds disk ${found.number} of this store` : whyOut(state, storeId)
  }
  const vacancy = { state, position: lost.position, isWidening: isWidening(state, table) }
  return planAdoptions([vacancy], [lost], devices, true).out[0]?.reason
}
