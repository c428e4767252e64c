// Placement: which erasure set and which disks a write goes to. Weighted rendezvous hashing: every candidate draws a
// number from the write id, the largest wins, and a disk with twice the capacity wins twice as often. Nothing
// depends on the answer being the same tomorrow: the places of every shard are kept in its version's record.
import { crc32 } from 'node:zlib'
import { assert, codeOf, type MoraineError } from '../base/errors.ts'
import type { DiskNumber, WriteId } from '../base/ids.ts'
import { geometryOf, isReadable, whyNotWritable } from './geometry.ts'
import { planStripes } from './stripes.ts'

/** A disk as a writer sees it now. */
export interface DiskView {
  readonly number: DiskNumber
  readonly set: number
  /** Bytes of the whole disk: its weight. */
  readonly capacityBytes: number
  readonly isReachable: boolean
  /** On its way out of the store: nothing is placed on it, and its set counts as one disk less. */
  readonly isDraining: boolean
  /** Lags far behind its peers: passed over, as long as the set can be written without it. */
  readonly isSlow: boolean
  /** Whether it takes new data at all, and how many bytes above its reserve. Of no meaning for one that cannot be reached. */
  readonly hasRoom: boolean
  readonly freeBytes: number
}

export interface Placement {
  readonly set: number
  readonly k: number
  readonly m: number
  /** `disks[i]` gets shard `i`. */
  readonly disks: readonly DiskNumber[]
  /** Fewer data shards than there would be if every disk of the set could take one. */
  readonly isReduced: boolean
}

/** A number in (0, 1), the same for the same write and candidate. */
const draw = (write: WriteId, kind: 'set' | 'disk', candidate: number): number => {
  const high = crc32(`${write}/${kind}/${candidate}`)
  // CRC is linear: neighbours differ in few bits. One multiplicative round spreads them over the whole word.
  const mixed = Math.imul(high ^ (high >>> 15), 0x2c1b3c6d) >>> 0
  return ((mixed ^ (mixed >>> 13)) >>> 0) / 2 ** 32 + 2 ** -33
}

/** Rendezvous: highest score first. −weight / ln(u) makes the chance of winning proportional to the weight. */
const rank = <T>(candidates: readonly T[], score: (candidate: T) => { draw: number; weight: number }): T[] =>
  candidates
    .map((candidate) => {
      const { draw: drawn, weight } = score(candidate)
      return { candidate, score: -Math.max(1, weight) / Math.log(drawn) }
    })
    .sort((a, b) => b.score - a.score)
    .map(({ candidate }) => candidate)

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** The disks of a set in the order this write prefers them. */
export const rankDisks = (write: WriteId, disks: readonly DiskView[]): DiskView[] =>
  rank(disks, (disk) => ({ draw: draw(write, 'disk', disk.number), weight: disk.capacityBytes }))

const staying = (disks: readonly DiskView[]): DiskView[] => disks.filter(({ isDraining }) => !isDraining)

const bySet = (disks: readonly DiskView[]): [set: number, members: DiskView[]][] => {
  const sets = new Map<number, DiskView[]>()
  for (const disk of disks) sets.set(disk.set, [...(sets.get(disk.set) ?? []), disk])
  return [...sets]
}

interface Writable {
  readonly set: number
  readonly k: number
  /** Disks that can take a shard of it, k + m or more. */
  readonly usable: readonly DiskView[]
}

/** The members of a set that can take their shards of `size` bytes, without those that are slow if it goes without them. */
const usableOf = (
  set: number,
  members: readonly DiskView[],
  size: number,
  m: number,
): Writable | MoraineError => {
  const reachable = members.filter((disk) => disk.isReachable)
  const roomy = reachable.filter((disk) => disk.hasRoom)
  /** With fewer disks the shards are larger, and may fit on fewer still. */
  const fit = (candidates: readonly DiskView[]): Writable | MoraineError => {
    const state = { disks: members.length, reachable: reachable.length, roomy: candidates.length }
    const refusal = whyNotWritable(state, m)
    if (refusal) return refusal
    const { k } = geometryOf(size, candidates.length, m)
    const bytes = size === 0 ? 0 : planStripes(size, k).diskBytes
    const fitting = candidates.filter(({ freeBytes }) => freeBytes >= bytes)
    return fitting.length === candidates.length ? { set, k, usable: candidates } : fit(fitting)
  }
  const quick = fit(roomy.filter((disk) => !disk.isSlow))
  return quick instanceof Error ? fit(roomy) : quick
}

/** The first of `sets` that can take a write, or the reason that is the nearest to a remedy. */
const firstWritable = (
  sets: readonly (readonly [set: number, members: readonly DiskView[]])[],
  size: number,
  m: number,
): Writable => {
  let reason: MoraineError | undefined
  for (const [set, members] of sets) {
    const found = usableOf(set, members, size, m)
    if (!(found instanceof Error)) return found
    if (reason === undefined || found.code === 'DISK_FULL') reason = found
  }
  throw reason as MoraineError
}

/**
 * Where a write of `size` bytes goes. `disks` are all disks of the store's table, also those that are out. When the set the
 * write prefers cannot take it, the next one does. Throws TOO_FEW_DISKS when no set has enough disks, DISK_FULL when
 * one has but they lack room for all of it.
 */
export const placeWrite = (
  write: WriteId,
  size: number,
  m: number,
  disks: readonly DiskView[],
): Placement => {
  assert(disks.length > 0, 'a store has disks')
  const ranked = rank(bySet(staying(disks)), ([set, members]) => ({
    draw: draw(write, 'set', set),
    weight: sum(members.map((disk) => disk.capacityBytes)),
  }))
  const { set, k, usable } = firstWritable(ranked, size, m)
  const chosen = rankDisks(write, usable).slice(0, k + m)
  const members = staying(disks).filter((disk) => disk.set === set).length
  const isReduced = k < geometryOf(size, members, m).k
  return { set, k, m, disks: chosen.map((disk) => disk.number), isReduced }
}

/** Throws as `placeWrite` does, for what is written to no shard but to the journal: its reserve is not for bodies. */
export const requireWritable = (m: number, disks: readonly DiskView[]): void => {
  firstWritable(bySet(staying(disks)), 0, m)
}

/**
 * Why a store with these disks does not serve, in a few words for anyone; undefined when everything can be read and new versions
 * can be written. A lack of room is no such reason: reads are answered, and so is the DELETE that makes room.
 */
export const whyNotServing = (m: number, disks: readonly DiskView[]): string | undefined => {
  const isReadableSet = ([, members]: [number, DiskView[]]): boolean =>
    isReadable(members.length, m, members.filter((disk) => disk.isReachable).length)
  if (!bySet(disks).every(isReadableSet)) return 'too few disks can be reached to read everything'
  try {
    requireWritable(m, disks)
    return undefined
  } catch (error) {
    if (codeOf(error) === 'DISK_FULL') return undefined
    if (codeOf(error) === 'TOO_FEW_DISKS') return 'too few disks can be reached to write'
    throw error
  }
}
