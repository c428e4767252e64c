// The roster: what every thread knows about every disk without asking, in shared memory. Each disk's actor alone writes
// its row; gateways read it to choose a geometry, bucket actors to see whether a disk is still in the session that a
// write used. It is a hint, never the truth: a write goes by what the disk answers, and a commit checks the session.
//
//   row (8 × Int32):  state · session · number · set · freeMiB · totalMiB · paceMs · volume
//   behind the rows:  number of the disk that is being drained, 0 for none; below 0 when no commit may name it any more
import type { DiskNumber } from '../base/ids.ts'

const ROW = 8
const STATE = 0
const SESSION = 1
const NUMBER = 2
const SET = 3
const FREE_MIB = 4
const TOTAL_MIB = 5
const PACE_MS = 6
const VOLUME = 7
/**
 * `out`: not there, or not ours. `up`: reads and writes. `full`: reads, deletes. `read-only`: reads.
 * `slow`: reads and writes, but passed over for new shards and segments while its peers are faster.
 */
export const DISK_STATES = ['out', 'up', 'full', 'read-only', 'slow'] as const
const UP = DISK_STATES.indexOf('up')
export type DiskState = (typeof DISK_STATES)[number]

export interface RosterRow {
  /** Position in the configuration; the disk actor's address follows from it. */
  readonly slot: number
  readonly state: DiskState
  /** Grows each time the disk is opened: a write that spans two sessions is not committed. */
  readonly session: number
  readonly number: DiskNumber
  readonly set: number
  /** On its way out of the store: read and deleted from, not written to. */
  readonly isDraining: boolean
  readonly freeMiB: number
  readonly totalMiB: number
  /** What one of its writes takes just now. */
  readonly paceMs: number
}

export interface Roster {
  readonly shared: SharedArrayBuffer
  readonly slots: number
  row(slot: number): RosterRow
  rows(): RosterRow[]
  /** Of the disks that are there. */
  present(): RosterRow[]
  /** Whether every disk of the table is `up`: most often so, and asked by every small write. */
  areAllUp(): boolean
  /** The row of the disk with this number, if it is configured here. */
  find(disk: DiskNumber): RosterRow | undefined
  /** Says which disk belongs into a slot; 0 for none. Before any actor runs, and when the table of disks changes. */
  assign(slot: number, disk: { number: DiskNumber; set: number }): void
  /** Number of the disk that is being drained; 0 for none. Written by the keeper alone, as the table of disks has it. */
  draining(): DiskNumber | 0
  setDraining(disk: DiskNumber | 0): void
  /** Commits that name the disk that is being drained are refused from now on. */
  closeDraining(): void
  /** Whether a commit may name the disk. */
  isOpen(disk: DiskNumber): boolean
  /** The highest number that a volume of any disk was given by this process; 0 for none. */
  highestVolume(): number
  /** Opens a new session of `slot`; returns its number. Only the slot's own disk actor calls these five. */
  enter(slot: number, disk: { number: DiskNumber; set: number; state: DiskState }): number
  setState(slot: number, state: DiskState): void
  setSpace(slot: number, space: { freeMiB: number; totalMiB: number }): void
  setPace(slot: number, paceMs: number): void
  noteVolume(slot: number, volume: number): void
}

const view = (shared: SharedArrayBuffer): Roster => {
  const cells = new Int32Array(shared)
  const slots = Math.floor(cells.length / ROW)
  const drainingAt = slots * ROW
  const draining = (): DiskNumber | 0 => Math.abs(Atomics.load(cells, drainingAt)) as DiskNumber | 0
  const cell = (slot: number, field: number): number => Atomics.load(cells, slot * ROW + field)
  const put = (slot: number, field: number, value: number): void => {
    Atomics.store(cells, slot * ROW + field, value)
  }
  const row = (slot: number): RosterRow => ({
    slot,
    state: DISK_STATES[cell(slot, STATE)] ?? 'out',
    session: cell(slot, SESSION),
    number: cell(slot, NUMBER) as DiskNumber,
    set: cell(slot, SET),
    isDraining: cell(slot, NUMBER) !== 0 && cell(slot, NUMBER) === draining(),
    freeMiB: cell(slot, FREE_MIB),
    totalMiB: cell(slot, TOTAL_MIB),
    paceMs: cell(slot, PACE_MS),
  })
  const rows = (): RosterRow[] => Array.from({ length: slots }, (_, slot) => row(slot))
  return {
    shared,
    slots,
    row,
    rows,
    present: () => rows().filter(({ state }) => state !== 'out'),
    areAllUp() {
      for (let slot = 0; slot < slots; slot++) {
        if (cell(slot, NUMBER) !== 0 && cell(slot, STATE) !== UP) return false
      }
      return true
    },
    find(disk) {
      for (let slot = 0; slot < slots; slot++) if (cell(slot, NUMBER) === disk) return row(slot)
      return undefined
    },
    assign(slot, disk) {
      put(slot, NUMBER, disk.number)
      put(slot, SET, disk.set)
    },
    draining,
    setDraining: (disk) => void Atomics.store(cells, drainingAt, disk),
    closeDraining: () => void Atomics.store(cells, drainingAt, -draining()),
    isOpen: (disk) => Atomics.load(cells, drainingAt) !== -disk,
    enter(slot, disk) {
      const before = cell(slot, NUMBER)
      // Two disks changed places: the other slot waits for the one that was expected here.
      for (let other = 0; other < slots; other++) {
        if (other !== slot && cell(other, NUMBER) === disk.number) put(other, NUMBER, before)
      }
      put(slot, NUMBER, disk.number)
      put(slot, SET, disk.set)
      const session = Atomics.add(cells, slot * ROW + SESSION, 1) + 1
      put(slot, STATE, DISK_STATES.indexOf(disk.state))
      return session
    },
    setState: (slot, state) => put(slot, STATE, DISK_STATES.indexOf(state)),
    setSpace(slot, { freeMiB, totalMiB }) {
      put(slot, FREE_MIB, freeMiB)
      put(slot, TOTAL_MIB, totalMiB)
    },
    setPace: (slot, paceMs) => put(slot, PACE_MS, Math.round(paceMs)),
    noteVolume: (slot, volume) => put(slot, VOLUME, volume),
    highestVolume() {
      let highest = 0
      for (let slot = 0; slot < slots; slot++) highest = Math.max(highest, cell(slot, VOLUME) >>> 0)
      return highest
    },
  }
}

/** A roster with every slot out. Disk numbers start at 1, so 0 is nobody. */
export const createRoster = (slots: number): Roster => view(new SharedArrayBuffer((slots * ROW + 1) * 4))

/** The same roster from another thread. */
export const attachRoster = (shared: SharedArrayBuffer): Roster => view(shared)
