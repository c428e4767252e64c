// The upkeep of segments: dropping the oldest ones when nothing in them is alive, at once or after a compaction, making lost
// copies anew, and knowing which copies there are.
import { createHash } from 'node:crypto'
import { codeOf, fault, unavailable } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { LiveSegment } from './journal.ts'
import type { MemberDisk } from './members.ts'
import type { Room } from './room.ts'
import { type JournalWeight, SegmentCompaction } from './segment-compaction.ts'
import type { SegmentDisk } from './segment-disk.ts'
import { type CopyDamage, RESTORE_PIECE_BYTES, wholePieces } from './segment-reader.ts'

/** A sealed segment that has fewer than m + 1 copies. */
export interface SegmentDamage {
  readonly segment: number
  readonly length: number
  readonly copies: readonly DiskNumber[]
  readonly missing: number
  /** Whole copies on disks that are being drained: they do not count, and nothing lacks them yet. */
  readonly leaving: number
}

/** `gone`: there is no such copy any more. `unreadable`: for another reason than a bad sector, and it counts as before. */
export interface VerifiedCopy {
  readonly how: 'whole' | 'corrupt' | 'unreadable' | 'gone'
  /** Of what kept it from being read. */
  readonly code?: string
}

/** What a disk that is to leave still holds of a partition, and others do not. */
export interface LeftOnDisk {
  /** Of versions and parts, and of what waits to be reclaimed. */
  readonly shards: number
  readonly bytes: number
  readonly segments: number
  readonly segmentBytes: number
}

/** An eighth of a segment must become free, for at most an eighth of that written again. */
const GAIN = 8

export class SegmentUpkeep {
  readonly #room: Room
  /** Last commit when a segment was first seen without anything alive: readers from before may still read it. */
  readonly #deadSince = new Map<number, number>()
  readonly #compaction: SegmentCompaction
  /** Dropped since a segment was begun for it: the newest may still list them. */
  #listed = 0
  #isDropping = false
  #goesOn = false

  constructor(room: Room) {
    this.#room = room
    this.#compaction = new SegmentCompaction(room)
  }

  /** Bytes of journal, one copy of each segment, the open one excluded. */
  get sealedBytes(): number {
    return this.#room.ledger.journal.live().reduce((sum, { sealed }) => sum + sealed.length, 0)
  }

  /** What of that is alive, as far as the indexes know. */
  weigh(): JournalWeight {
    return this.#compaction.weigh()
  }

  /** Another call of `dropOldest` has more to do at once. */
  get goesOn(): boolean {
    return this.#goesOn
  }

  /** A call of `dropOldest` is at work. */
  get isDropping(): boolean {
    return this.#isDropping
  }

  get count(): number {
    return this.#room.ledger.journal.live().length
  }

  /** Whether `dropOldest` might find anything. */
  get mayDrop(): boolean {
    const { journal } = this.#room.ledger
    return this.count > 0 || journal.openBytes * GAIN >= journal.segmentBytes
  }

  /** Sealed segments, oldest first, with the members whose copies are whole as far as is known. */
  list(): { segment: number; length: number; disks: DiskNumber[] }[] {
    const { journal, members } = this.#room.ledger
    const known = new Set(members.all().map(({ number }) => number))
    return journal.live().map(({ sealed, copies }) => ({
      segment: sealed.segment,
      length: sealed.length,
      // A disk that was replaced takes its copies with it.
      disks: [...copies].filter((disk) => known.has(disk)),
    }))
  }

  #isDead(segment: LiveSegment, following: number): boolean {
    const slots = this.#room.ledger.indexes.slots()
    const number = segment.sealed.segment
    // Both indexes must have passed it, and both must say that nothing in it is alive.
    return (
      slots.length > 0 && slots.every(({ sequence, live }) => sequence >= following - 1 && !live.has(number))
    )
  }

  /**
   * Drops the oldest segments in which nothing is alive, and those whose little that is alive pays to be committed
   * again; when the journal is past its bound, what is alive in one segment goes on, however much it is. Resolves to how many
   * went. A new segment that does not list them is begun, and when it counts they are removed. Without a gain nothing is
   * written, so it may be called as often as one likes.
   */
  async dropOldest(): Promise<number> {
    if (this.#isDropping) return 0
    this.#isDropping = true
    this.#goesOn = false
    try {
      return await this.#drop()
    } finally {
      this.#isDropping = false
    }
  }

  async #drop(): Promise<number> {
    let dropped = this.#dropDead()
    if (!this.#mayDrop()) return dropped
    if (await this.#carryPoor()) dropped += await this.#dropCarried()
    if (await this.#compaction.step()) {
      dropped += await this.#dropCarried()
      this.#goesOn = this.#compaction.isDue
    }
    // In a run of compactions what goes on fills segments by itself, and each of these says what was dropped.
    if (this.#listed > 0 && !this.#goesOn) {
      await this.#compaction.beginSegment()
      this.#listed = 0
    }
    return dropped
  }

  async #carryPoor(): Promise<boolean> {
    const { journal } = this.#room.ledger
    const planned = this.#plan()
    if (planned > journal.live().length) await this.#compaction.beginSegment()
    const carried = journal.live().slice(0, planned)
    for (const { sealed } of carried) await this.#compaction.carry(sealed)
    return carried.length > 0
  }

  async #dropCarried(): Promise<number> {
    await this.#room.ledger.indexes.drain()
    return this.#dropDead()
  }

  /** An index that is made anew reads segments, and nothing goes on the word of one. */
  #mayDrop(): boolean {
    const { ledger } = this.#room
    return !ledger.isRebuilding && ledger.indexes.isComplete
  }

  #dropDead(): number {
    const { ledger, leases } = this.#room
    const { journal } = ledger
    let dropped = 0
    for (;;) {
      if (!this.#mayDrop()) return dropped
      const [oldest, second] = journal.live()
      const following = second?.sealed.firstSequence ?? journal.openFirstSequence
      if (!oldest || following === undefined || !this.#isDead(oldest, following)) return dropped
      const { segment } = oldest.sealed
      const since = this.#deadSince.get(segment) ?? ledger.durableSequence
      this.#deadSince.set(segment, since)
      if (leases.releasedThrough() < since) return dropped
      this.#deadSince.delete(segment)
      journal.dropOldest(segment)
      this.#listed++
      dropped++
    }
  }

  /**
   * How many of the oldest segments are worth it, the shortest run: much is dead in them and little alive. One more than
   * there are: the open one, too, which on a small disk would otherwise keep what is dead in it for good.
   */
  #plan(): number {
    const { journal, indexes } = this.#room.ledger
    const sealed = journal.live().map(({ sealed, header }) => ({
      segment: sealed.segment,
      bytes: sealed.length - header.length,
    }))
    const open = indexes.isBehind ? [] : [{ segment: journal.openSegment, bytes: journal.openBytes }]
    let dead = 0
    let alive = 0
    for (const [i, { segment, bytes }] of [...sealed, ...open].entries()) {
      const live = Math.max(...indexes.slots().map((slot) => slot.live.get(segment)?.bytes ?? 0))
      alive += live
      dead += Math.max(0, bytes - live)
      if (dead * GAIN >= journal.segmentBytes && alive * GAIN <= dead) return i + 1
      if (alive * GAIN > journal.segmentBytes) return 0
    }
    return 0
  }

  /** Sealed segments with fewer than m + 1 copies on disks that are members, and stay so. */
  damaged(): SegmentDamage[] {
    const { journal, members } = this.#room.ledger
    const staying = new Set(members.staying().map(({ number }) => number))
    return journal.live().flatMap(({ sealed, copies }) => {
      const whole = [...copies].filter((disk) => staying.has(disk))
      const missing = members.copies - whole.length
      const leaving = [...copies].filter((disk) => members.io(disk) && !staying.has(disk)).length
      const { segment, length } = sealed
      return missing > 0 ? [{ segment, length, copies: whole, missing, leaving }] : []
    })
  }

  /** Segments that lie on `disk`, and have too few copies elsewhere; the open one is sealed for that. */
  async onlyOn(disk: DiskNumber): Promise<Pick<LeftOnDisk, 'segments' | 'segmentBytes'>> {
    const { ledger } = this.#room
    if (ledger.journal.isOpenOn(disk)) await this.#compaction.beginSegment()
    // One of which nothing is left elsewhere is not given up with a disk that is out.
    const missing = this.damaged().filter(({ leaving, copies }) => leaving > 0 || copies.length === 0)
    return {
      segments: missing.length,
      segmentBytes: missing.reduce((sum, { length }) => sum + length, 0),
    }
  }

  /**
   * Makes one copy of a sealed segment anew, on `disk` or the first that has none, verified frame by frame from any
   * copy and as a whole by its hash. Resolves to the disk when the copy is synced; undefined when nothing was missing.
   */
  async repair(segment: number, disk?: DiskNumber): Promise<DiskNumber | undefined> {
    const { journal, members } = this.#room.ledger
    const live = journal.live().find(({ sealed }) => sealed.segment === segment)
    if (!live) return undefined
    const target = disk === undefined ? this.#targetFor(live) : members.io(disk)
    if (!target) throw unavailable('TOO_FEW_DISKS', 'no disk can take a copy of the segment', { segment })
    if (live.copies.has(target.disk)) return undefined
    await this.#restore(live, target)
    journal.noteRestored(live, target.disk)
    return target.disk
  }

  #targetFor(live: LiveSegment): SegmentDisk | undefined {
    const { members, journal } = this.#room.ledger
    const holder = members.all().find(({ number }) => live.copies.has(number))
    const free = members
      .staying()
      .filter(({ number, set }) => set === (holder?.set ?? set) && !live.copies.has(number))
      .filter(({ number, io }) => io && !members.isPassedOver(number))
    // In place of a damaged copy, where there is one: it takes room, and is good for nothing else.
    const damaged = free.find(({ number }) => journal.damaged.has(live.sealed.segment, number))
    return (damaged ?? free[0])?.io
  }

  async #restore(live: LiveSegment, target: SegmentDisk): Promise<void> {
    const { journal } = this.#room.ledger
    const { sealed, header } = live
    const readable = journal.readable(sealed.segment)
    if (!readable) throw unavailable('QUORUM_READ', 'the segment is not alive', { segment: sealed.segment })
    const hash = createHash('sha256')
    let offset = 0
    let waiting: Buffer[] = []
    let waitingBytes = 0
    const write = async (isLast: boolean): Promise<void> => {
      await target.restore(header.partition, sealed.segment, offset, Buffer.concat(waiting), isLast)
      offset += waitingBytes
      waiting = []
      waitingBytes = 0
    }
    const damaged = (damage: CopyDamage): void => journal.noteDamage(sealed.segment, damage)
    for await (const { bytes: piece } of wholePieces(readable, sealed.length, damaged)) {
      if (waitingBytes + piece.length > RESTORE_PIECE_BYTES && waitingBytes > 0) await write(false)
      hash.update(piece)
      waiting.push(piece)
      waitingBytes += piece.length
    }
    if (!hash.digest().equals(sealed.hash)) {
      throw fault('METADATA_CORRUPT', 'a segment does not have its hash', { segment: sealed.segment })
    }
    await write(true)
  }

  /** Reads a whole copy from the medium and compares its hash. A copy that does not hold no longer counts. */
  async verify(segment: number, disk: DiskNumber): Promise<VerifiedCopy> {
    const { journal, members } = this.#room.ledger
    const live = journal.live().find(({ sealed }) => sealed.segment === segment)
    const io = members.io(disk)
    // It may have been dropped, moved or opened anew while it was read.
    const isStill = (): boolean =>
      live !== undefined && journal.live().includes(live) && live.copies.has(disk) && members.io(disk) === io
    if (!live || !io || !isStill()) return { how: 'gone' }
    const hash = createHash('sha256')
    try {
      for (let offset = 0; offset < live.sealed.length; ) {
        const size = Math.min(RESTORE_PIECE_BYTES, live.sealed.length - offset)
        const piece = await io.readMedium(live.header.partition, segment, offset, size)
        if (piece.length === 0) break
        hash.update(piece)
        offset += piece.length
      }
    } catch (error) {
      return isStill() ? { how: 'unreadable', code: codeOf(error) } : { how: 'gone' }
    }
    if (hash.digest().equals(live.sealed.hash)) return { how: 'whole' }
    if (!isStill()) return { how: 'gone' }
    journal.noteDamage(segment, { disk, reason: 'hash' })
    return { how: 'corrupt' }
  }

  /** A disk came (back) or went; what it brings counts only as far as the journal lists it. */
  async setDisk(disk: DiskNumber, io: SegmentDisk | undefined): Promise<void> {
    const { ledger } = this.#room
    ledger.members.setDisk(disk, io)
    if (io) await ledger.journal.adoptCopies(io)
  }

  async setMembers(members: readonly MemberDisk[]): Promise<void> {
    const { ledger } = this.#room
    const came = ledger.members.replace(members)
    ledger.journal.reopened(new Set(came.map(({ disk }) => disk)))
    for (const io of came) await ledger.journal.adoptCopies(io)
    const leaving = members.filter(({ isDraining }) => isDraining)
    // What is open there is sealed, and copied like all that was.
    ledger.journal.reopened(new Set(leaving.map(({ number }) => number)))
    ledger.expectIndexes()
  }
}
