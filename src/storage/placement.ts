// Placement: which erasure set and which disks a write goes to. Weighted rendezvous hashing: every candidate draws a
// number from the write id, the largest wins, and a disk with twice the capacity wins twice as often. Nothing
// depends on the answer being the same tomorrow: the places of every shard are kept in its version's record.
import { crc32 } from 'node:zlib'
import { assert, type MoraineError } from '../base/errors.ts'
import type { DiskNumber, WriteId } from '../base/ids.ts'
import { geometryOf, isWritable, whyNotWritable } from './geometry.ts'

/** A disk as a writer sees it now. */
export interface DiskView {
  readonly number: DiskNumber
  readonly set: number
  /** Bytes of the whole disk: its weight. */
  readonly capacityBytes: number
  readonly isReachable: boolean
  /** Lags far behind its peers: passed over, as long as the set can be written without it. */
  readonly isSlow: boolean
  /** Above its reserve. Of no meaning for a disk that cannot be reached. */
  readonly hasRoom: boolean
}

export interface Placement {
  readonly set: number
  readonly k: number
  readonly m: number
  /** `disks[i]` gets shard `i`. */
  readonly disks: readonly DiskNumber[]
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

/**
 * Where a write of `size` bytes goes. `disks` are all disks of the store's table, also those that are out. When the set the
 * write prefers cannot take it, the next one does. Throws TOO_FEW_DISKS when no set has enough disks, DISK_FULL when
 * one has but they lack room.
 */
export const placeWrite = (
  write: WriteId,
  size: number,
  m: number,
  disks: readonly DiskView[],
): Placement => {
  assert(disks.length > 0, 'a store has disks')
  const sets = new Map<number, DiskView[]>()
  for (const disk of disks) sets.set(disk.set, [...(sets.get(disk.set) ?? []), disk])
  const ranked = rank([...sets], ([set, members]) => ({
    draw: draw(write, 'set', set),
    weight: sum(members.map((disk) => disk.capacityBytes)),
  }))
  let reason: MoraineError | undefined
  for (const [set, members] of ranked) {
    const reachable = members.filter((disk) => disk.isReachable)
    const roomy = reachable.filter((disk) => disk.hasRoom)
    const state = { disks: members.length, reachable: reachable.length, roomy: roomy.length }
    const refusal = whyNotWritable(state, m)
    if (refusal === undefined) {
      const quick = roomy.filter((disk) => !disk.isSlow)
      const usable = isWritable(members.length, m, quick.length) ? quick : roomy
      const { k } = geometryOf(size, usable.length, m)
      const chosen = rankDisks(write, usable).slice(0, k + m)
      return { set, k, m, disks: chosen.map((disk) => disk.number) }
    }
    if (reason === undefined || refusal.code === 'DISK_FULL') reason = refusal
  }
  throw reason as MoraineError
}
