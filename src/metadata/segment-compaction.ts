// Compaction of the journal. Only its oldest segment can ever go, because what deletes something lies behind what put it: so
// what is alive there is committed again, and then nothing needs it. Deletes are not carried on: nothing older is left.
//
//   oldest … newest | open          bytes of the sealed ones ≤ 1.3 × what is alive in them + one segment
//      └── alive ───────▶ records, and small bodies with them
//              └────────▶ larger bodies, into shards with k = 1: they are copied once, and never again
//
// One segment at a time, at a bandwidth budget, until the bound holds. Garbage need not be in the oldest segments, so it may take
// a pass through all there are; what is left of the excess after a pass in which nobody else committed anything is what frames
// cost, and no reason to begin another.
import { sleep } from '../base/clock.ts'
import { KiB, MINUTE, MiB, SECOND } from '../base/units.ts'
import type { Decision } from './decision.ts'
import type { Entry } from './entry.ts'
import type { LiveSegment } from './journal.ts'
import { SPACE } from './keys.ts'
import type { Lookup, Room } from './room.ts'
import { type CopyDamage, wholePieces } from './segment-reader.ts'
import { addShards, type ShardsData, type StoredPart, type StoredVersion } from './stored.ts'

/** A body that left the journal: its shards are synced, and nobody knows of them yet. */
export interface MovedBody {
  readonly data: ShardsData
  /** Whether the disks that hold it are in the sessions in which they were written to. */
  isValid(): boolean
}

/** Where bodies go that leave the journal: into packed shards with k = 1. */
export interface BodyMover {
  /** One answer for each, undefined where too few disks could take it. Never rejects. */
  write(bodies: readonly Uint8Array[]): Promise<readonly (MovedBody | undefined)[]>
  /** No record names these, and none will. */
  free(moved: readonly MovedBody[]): void
}

/** Of what is alive, so much may be dead beside it … */
const DEAD_SHARE_MAX = 0.3
/** … and so many segments: below that, to write is dearer than to keep. */
const DEAD_SEGMENTS_MAX = 1
/**
 * Smaller bodies stay with their records. What is left of a larger one in the journal, its places and the entry that finds them, is
 * some 400 bytes: at most a fifth of what no later compaction has to copy.
 */
export const MOVED_BYTES_MIN = 2 * KiB
/** What an entry takes in a frame besides its key, its record and its body. */
const ENTRY_HEAD_BYTES = 16
/** One commit: long enough that its frame costs nothing, short enough not to hold up those of others. */
const BATCH_BYTES = 256 * KiB
const BATCH_ENTRIES = 256
/** What may be committed again in a second, of each partition. */
const BYTES_PER_SECOND = 64 * MiB
/** Shorter pauses are gathered. */
const PAUSE_MS_MIN = 5
/** From before the shards are written until their commit is numbered: far less than the grace that the scrub gives to orphans. */
const MOVE_WITHIN_MS = 5 * MINUTE

/** Whether this very entry, where it lies, is what its key holds. */
const isAlive = (from: Lookup, entry: Entry): boolean => {
  if (entry.payload === undefined) return false
  const now = from.get(entry.key)
  return now !== undefined && now.segment === entry.segment && now.sequence === entry.sequence
}

const isMovable = ({ key, record, body }: Entry): boolean => {
  if (body?.bytes === undefined || body.length < MOVED_BYTES_MIN) return false
  if (key[0] !== SPACE.current && key[0] !== SPACE.part) return false
  return (record as StoredVersion | StoredPart).data.kind === 'inline'
}

/** The order of versions is that of their first commits. */
const keptRecord = ({ key, record, sequence }: Entry): unknown =>
  key[0] === SPACE.current ? { sequence, ...(record as StoredVersion) } : record

const carry = (decision: Decision, entry: Entry): void => {
  const { key, body } = entry
  decision.put(key, keptRecord(entry), body?.bytes && Uint8Array.from(body.bytes))
}

const move = (decision: Decision, entry: Entry, data: ShardsData): void => {
  const kept = keptRecord(entry) as StoredVersion | StoredPart
  decision.put(entry.key, { ...kept, data })
  addShards(decision, entry.key, data)
}

/** What sealed segments hold, their headers left out. */
export interface JournalWeight {
  readonly aliveBytes: number
  readonly deadBytes: number
}

/** The segments there were when a pass began, and what was committed since. */
interface Pass {
  readonly through: number
  readonly sequence: number
  ownCommits: number
}

export class SegmentCompaction {
  readonly #room: Room
  #pass: Pass | undefined
  /** What was dead after a pass that could not make it less. */
  #restBytes = 0
  #pauseMs = 0

  constructor(room: Room) {
    this.#room = room
  }

  /** Of one segment, by the index that has more. */
  aliveIn(segment: number): number {
    const { indexes } = this.#room.ledger
    const bytes = indexes.slots().map(({ live }) => {
      const alive = live.get(segment)
      return alive ? alive.bytes + alive.entries * ENTRY_HEAD_BYTES : 0
    })
    return Math.max(0, ...bytes)
  }

  /** Of a segment that an index has not passed nothing is known: all of it counts as alive. */
  weigh(): JournalWeight {
    const { journal, indexes } = this.#room.ledger
    const passed = Math.min(...indexes.slots().map(({ sequence }) => sequence))
    const segments = journal.live()
    let aliveBytes = 0
    let deadBytes = 0
    for (const [i, { sealed, header }] of segments.entries()) {
      const bytes = sealed.length - header.length
      const following = segments[i + 1]?.sealed.firstSequence ?? journal.openFirstSequence
      const isPassed = following !== undefined && following - 1 <= passed
      const alive = isPassed ? Math.min(bytes, this.aliveIn(sealed.segment)) : bytes
      aliveBytes += alive
      deadBytes += bytes - alive
    }
    return { aliveBytes, deadBytes }
  }

  /** Whether more is dead than the bound allows. */
  get isDue(): boolean {
    const { journal, indexes } = this.#room.ledger
    if (indexes.slots().length === 0) return false
    const { aliveBytes, deadBytes } = this.weigh()
    this.#restBytes = Math.min(this.#restBytes, deadBytes)
    const allowed = DEAD_SHARE_MAX * aliveBytes + DEAD_SEGMENTS_MAX * journal.segmentBytes
    return deadBytes - this.#restBytes > allowed
  }

  /** Commits what is alive in the oldest segment again, when the bound is passed; false when there is nothing to be done now. */
  async step(): Promise<boolean> {
    const { ledger } = this.#room
    if (!this.isDue) {
      this.#pass = undefined
      return false
    }
    const oldest = ledger.journal.live()[0]
    // What holds back a segment in which nothing is alive, a reader or an index, holds back all behind it.
    if (!oldest || this.aliveIn(oldest.sealed.segment) === 0) return false
    this.#pass ??= { through: ledger.journal.openSegment, sequence: ledger.durableSequence, ownCommits: 0 }
    if (oldest.sealed.segment <= this.#pass.through) await this.carry(oldest.sealed)
    else this.#endPass(this.#pass)
    return true
  }

  #endPass({ sequence, ownCommits }: Pass): void {
    const isAlone = this.#room.ledger.durableSequence === sequence + ownCommits
    if (isAlone) this.#restBytes = this.weigh().deadBytes
    this.#pass = undefined
  }

  /** Begins a segment that does not list what was dropped; when it counts, that is removed. */
  async beginSegment(): Promise<void> {
    const { ledger } = this.#room
    ledger.journal.wantSegment()
    await ledger.appendNothing()
    if (this.#pass) this.#pass.ownCommits++
  }

  /** An entry that is replaced meanwhile stays so: whether it is alive is asked again when its commit is numbered. */
  async carry({ segment, length }: LiveSegment['sealed']): Promise<void> {
    const { ledger } = this.#room
    const readable = ledger.journal.readable(segment)
    if (!readable) return
    let batch: Entry[] = []
    let bytes = 0
    const commit = async (): Promise<void> => {
      await this.#commit(batch)
      await this.#pause(bytes)
      batch = []
      bytes = 0
    }
    const damaged = (damage: CopyDamage): void => ledger.journal.noteDamage(segment, damage)
    for await (const { content } of wholePieces(readable, length, damaged)) {
      for (const entry of content?.commits.flat() ?? []) {
        if (!isAlive(ledger, entry)) continue
        batch.push(entry)
        bytes += entry.key.length + entry.payload!.length + (entry.body?.length ?? 0)
        if (bytes >= BATCH_BYTES || batch.length === BATCH_ENTRIES) await commit()
      }
    }
    if (batch.length > 0) await commit()
    ledger.log.debug('segment-compacted', { segment })
  }

  async #commit(entries: readonly Entry[]): Promise<void> {
    const { ledger, bodies, clock } = this.#room
    const deadlineMs = clock.monotonicMs() + MOVE_WITHIN_MS
    const moved = await this.#move(entries)
    /** Named by the commit. When that fails nobody knows whether it will be found synced: they are the scrub's to judge. */
    const used = new Set<MovedBody>()
    const decide = (decision: Decision): boolean => {
      for (const entry of entries) {
        if (!isAlive(decision, entry)) continue
        const to = moved.get(entry)
        if (to?.isValid()) {
          used.add(to)
          move(decision, entry, to.data)
        } else {
          carry(decision, entry)
        }
      }
      return decision.changes.size > 0
    }
    try {
      const hasCommitted = await ledger.decide(decide, moved.size > 0 ? { deadlineMs } : {})
      if (hasCommitted && this.#pass) this.#pass.ownCommits++
    } finally {
      bodies?.free([...moved.values()].filter((body) => !used.has(body)))
    }
  }

  /** Writes the larger bodies where they are to go; those that cannot be written stay with their records. */
  async #move(entries: readonly Entry[]): Promise<ReadonlyMap<Entry, MovedBody>> {
    const moved = new Map<Entry, MovedBody>()
    const leaving = entries.filter(isMovable)
    const { bodies } = this.#room
    if (!bodies || leaving.length === 0) return moved
    const written = await bodies.write(leaving.map(({ body }) => body!.bytes!))
    for (const [i, body] of written.entries()) if (body) moved.set(leaving[i]!, body)
    this.#room.ledger.log.debug('bodies-moved', { bodies: moved.size, of: leaving.length })
    return moved
  }

  async #pause(bytes: number): Promise<void> {
    this.#pauseMs += (bytes / BYTES_PER_SECOND) * SECOND
    if (this.#pauseMs < PAUSE_MS_MIN) return
    const pauseMs = this.#pauseMs
    this.#pauseMs = 0
    await sleep(this.#room.clock, pauseMs)
  }
}
