// Orphans: what lies on a disk and no record names. A write puts its shards there before its commit names them, so what is
// unknown may only be new: it belongs to a write that runs on some gateway, or to one that has ended with its commit still on its
// way. So it is removed when it was nobody's twice, further apart than a commit's deadline.
import { codeOf } from '../base/errors.ts'
import type { DiskNumber, WriteId } from '../base/ids.ts'
import { MINUTE, SECOND } from '../base/units.ts'
import type { WriteFate } from '../metadata/held.ts'
import { isSamePlace } from '../metadata/relocation.ts'
import type { ActorRef, Context } from '../runtime/actor.ts'
import type { BucketProtocol } from './bucket-protocol.ts'
import type { DiskProtocol } from './disk-protocol.ts'
import type { RunningWritesProtocol } from './gateway-parts.ts'
import type { RosterRow } from './roster.ts'

/** Longer than any commit waits for its decision after its shards are durable. */
export const GRACE_MS = 15 * MINUTE
/** What does not fit is found by the next tour. */
const CANDIDATES_MAX = 65_536
const WRITES_PER_ASK = 256
const LIMIT = { withinMs: 60 * SECOND }

/** Something that was found on a disk in one of its sessions. */
export type Candidate = {
  readonly slot: number
  readonly disk: DiskNumber
  readonly session: number
} & (
  | { readonly kind: 'file'; readonly write: WriteId }
  | {
      readonly kind: 'entry'
      readonly write: WriteId
      readonly index: number
      readonly volume: number
      readonly offset: number
      readonly bytes: number
    }
  /** What a repair that was cut off left. */
  | { readonly kind: 'rest'; readonly directory: number; readonly name: string }
)

export interface OrphanSearch {
  readonly buckets: readonly ActorRef<BucketProtocol>[]
  readonly gateways: readonly ActorRef<RunningWritesProtocol>[]
  disk(slot: number): ActorRef<DiskProtocol>
  readonly log: Context<never>['log']
}

const UNFINISHED_REPAIR = /^[0-9a-f]{32}\.new$/

/** Large shards of one directory that no record names. */
export const findFiles = async (
  search: OrphanSearch,
  { slot, number: disk, session }: RosterRow,
  directory: number,
): Promise<Candidate[]> => {
  const { writes, strays } = await search.disk(slot).ask('listShards', { directory }, LIMIT)
  const at = { slot, disk, session }
  const files = writes.map((write): Candidate => ({ kind: 'file', write, ...at }))
  const rests = strays
    .filter((name) => UNFINISHED_REPAIR.test(name))
    .map((name): Candidate => ({ kind: 'rest', directory, name, ...at }))
  return [...(await unknownOf(search, files)), ...rests]
}

/** Packed shards of a piece of a volume that no record names; `next`: where to go on. */
export const findEntries = async (
  search: OrphanSearch,
  { slot, number: disk, session }: RosterRow,
  volume: number,
  offset: number,
): Promise<{ found: Candidate[]; next?: number }> => {
  const { entries, next } = await search.disk(slot).ask('looseEntries', { volume, offset }, LIMIT)
  const candidates = entries.map(
    (entry): Candidate => ({ kind: 'entry', ...entry, volume, slot, disk, session }),
  )
  return { found: await unknownOf(search, candidates), ...(next !== undefined && { next }) }
}

type Named = Exclude<Candidate, { kind: 'rest' }>

/** Those that no gateway writes and no partition counts there. Rejects when one does not answer: it may be the one that does. */
const unknownOf = async <C extends Candidate>(
  { buckets, gateways }: OrphanSearch,
  all: readonly C[],
): Promise<C[]> => {
  if (all.length === 0) return []
  const found: C[] = []
  // Asked first: what ends meanwhile was committed before the partitions are asked, or is so soon after.
  const asked = await Promise.all(gateways.map((gateway) => gateway.ask('runningWrites', {}, LIMIT)))
  const running = new Set(asked.flat())
  for (let at = 0; at < all.length; at += WRITES_PER_ASK) {
    const some = all.slice(at, at + WRITES_PER_ASK) as readonly (C & Named)[]
    const writes = some.map(({ write }) => write)
    const fates = await Promise.all(buckets.map((bucket) => bucket.ask('fatesOf', { writes }, LIMIT)))
    found.push(
      ...some.filter(
        (candidate, i) =>
          !running.has(candidate.write) &&
          fates.every((ofPartition) => isNobodys(candidate, ofPartition[i]!)),
      ),
    )
  }
  return found
}

const isNobodys = (candidate: Named, fate: WriteFate): boolean => {
  if (fate.kind !== 'held') return fate.kind === 'unknown'
  const { disk } = candidate
  // A file is named by its write alone, whichever shard of it is there.
  if (candidate.kind === 'file') return !fate.data.places.some((place) => isSamePlace(place, { disk }))
  const { index, volume, offset } = candidate
  return !isSamePlace(fate.data.places[index], { disk, volume, offset })
}

/** What was found once, until it is looked at again. */
export class Orphans {
  readonly #search: OrphanSearch
  readonly #candidates: Candidate[] = []

  constructor(search: OrphanSearch) {
    this.#search = search
  }

  add(found: readonly Candidate[]): void {
    const room = CANDIDATES_MAX - this.#candidates.length
    this.#candidates.push(...found.slice(0, Math.max(0, room)))
  }

  get count(): number {
    return this.#candidates.length
  }

  /** Looks at some again, and removes those that are still nobody's from disks that are in the same session. Resolves to how many went. */
  async confirm(sessionIn: (slot: number) => number | undefined): Promise<number> {
    const some = this.#candidates.splice(0, WRITES_PER_ASK)
    const same = some.filter(({ slot, session }) => sessionIn(slot) === session)
    const rests = same.filter((candidate) => candidate.kind === 'rest')
    const named = await unknownOf(
      this.#search,
      same.filter((candidate) => candidate.kind !== 'rest'),
    )
    const bySlot = groupBySlot([...named, ...rests])
    let removed = 0
    for (const [slot, candidates] of bySlot) removed += await this.#remove(slot, candidates)
    return removed
  }

  async #remove(slot: number, candidates: readonly Candidate[]): Promise<number> {
    const disk = this.#search.disk(slot)
    const writes = candidates.flatMap((found) => (found.kind === 'file' ? [found.write] : []))
    const entries = candidates.flatMap((found) =>
      found.kind === 'entry' ? [{ volume: found.volume, offset: found.offset, bytes: found.bytes }] : [],
    )
    for (const found of candidates) {
      const what = found.kind === 'rest' ? { file: found.name } : { write: found.write }
      this.#search.log.info('orphan-removed', { disk: found.disk, kind: found.kind, ...what })
    }
    try {
      if (writes.length > 0) await disk.ask('removeShards', { writes }, LIMIT)
      if (entries.length > 0) await disk.ask('freePacked', { entries }, LIMIT)
      for (const found of candidates) {
        if (found.kind !== 'rest') continue
        const { directory, name } = found
        // Written to again by now: it is no longer among the strays.
        const { strays } = await disk.ask('listShards', { directory }, LIMIT)
        if (strays.includes(name)) await disk.ask('removeStrays', { directory, names: [name] }, LIMIT)
      }
      return candidates.length
    } catch (error) {
      // They are found again by the next tour.
      this.#search.log.info('orphans-left', { slot, code: codeOf(error) })
      return 0
    }
  }
}

const groupBySlot = (candidates: readonly Candidate[]): Map<number, Candidate[]> => {
  const groups = new Map<number, Candidate[]>()
  for (const candidate of candidates) {
    const known = groups.get(candidate.slot)
    if (known) known.push(candidate)
    else groups.set(candidate.slot, [candidate])
  }
  return groups
}
