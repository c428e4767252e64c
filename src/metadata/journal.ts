// The journal of one partition: the truth about what exists. It appends frames to the open segment on m + 1 disks and
// opens the next segment when that one is full, or when a copy of it fails or lags.
//
// Invariants: a frame is written only when the one before is synced on all copies, so only the last can be in doubt. A
// sealed segment is never appended to. A segment is sealed before the frame in doubt, which becomes the first of the
// next one. A segment is removed only when a newer one that does not list it counts.
import { createHash, type Hash } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { asMoraineError, assert, codeOf, MoraineError, unavailable } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/prng.ts'
import { createReadPace, type ReadPace } from '../base/read-pace.ts'
import { KiB } from '../base/units.ts'
import { DamagedCopies } from './damaged-copies.ts'
import type { BodyPlace } from './entry.ts'
import { encodeFrame, type FrameContent, placeEntries } from './frame.ts'
import { readBody } from './inline-body.ts'
import { findJournal, type JournalStart } from './journal-start.ts'
import type { Members } from './members.ts'
import { encodeSegmentHeader, SEGMENT_BYTES, type SealedSegment, type SegmentHeader } from './segment.ts'
import type { SegmentDisk } from './segment-disk.ts'
import { type CopyDamage, FrameWalk, findStale, hasHeader, type ReadableSegment } from './segment-reader.ts'
import { writeCopies } from './write-copies.ts'

export interface JournalOptions {
  readonly partition: number
  readonly members: Members
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** 64 MiB unless a test says otherwise. */
  readonly segmentBytes?: number
  /** A copy of a sealed segment turned out to be damaged, or not to be there. */
  readonly onSegmentDamaged?: () => void
}

/** A sealed segment that is alive. */
export interface LiveSegment {
  readonly sealed: SealedSegment
  readonly header: SegmentHeader
  /** Disks with a copy that is whole as far as is known. */
  readonly copies: Set<DiskNumber>
}

interface OpenSegment {
  readonly header: SegmentHeader
  readonly disks: readonly SegmentDisk[]
  /** Synced on all copies. */
  length: number
  frameCount: number
  /** Checksum of the last synced frame. */
  previous: number
  readonly hash: Hash
}

const sealedOf = (header: SegmentHeader, length: number, hash: Uint8Array): SealedSegment => ({
  segment: header.segment,
  id: header.id,
  length,
  hash,
  firstSequence: header.firstSequence,
  disks: header.disks,
})

/** Bodies of such a stretch of a segment are read from one disk. */
const BODY_TURN_BYTES = KiB

/** The same error, of a frame of which a copy may lie on some disk. */
const inDoubt = (error: unknown): MoraineError => {
  const { kind, code, message, detail } = asMoraineError(error)
  return new MoraineError(kind, code, message, { ...detail, isInDoubt: true }, error)
}

/** What a segment listed when it was begun is history; a thousand such lists would be megabytes. */
const withoutList = (header: SegmentHeader): SegmentHeader => ({ ...header, live: [] })

export class Journal {
  readonly #options: JournalOptions
  readonly segmentBytes: number
  readonly damaged: DamagedCopies
  /** Of the bodies that are read. */
  readonly #pace: ReadPace
  #start: JournalStart | undefined
  #live: LiveSegment[] = []
  #open: OpenSegment | undefined
  /** The segment that is being made: on some disks it is there already. */
  #making = 0
  #nextNumber = 1
  #lastDisks: readonly DiskNumber[] = []
  #wanted: { only?: ReadonlySet<DiskNumber> } | undefined
  /** Of the open segment's. */
  readonly #openedAnew = new Set<DiskNumber>()
  /** Files that are void as soon as the open segment counts. */
  #void: { disk: DiskNumber; segment: number }[] = []

  private constructor(options: JournalOptions, start: JournalStart) {
    this.#options = options
    this.segmentBytes = options.segmentBytes ?? SEGMENT_BYTES
    this.#pace = createReadPace(options.clock)
    this.damaged = new DamagedCopies(options.partition, options.log)
    this.#start = start
    this.#nextNumber = start.nextNumber
    this.#live = start.sealed.map(({ sealed, header, copies }) => ({
      sealed,
      header: withoutList(header),
      copies: new Set(copies.map(({ disk }) => disk)),
    }))
    const { newest } = start
    if (newest && newest.content.frameCount > 1) {
      // Sealed before its last frame: that one may be in doubt and is written anew.
      const { header, copies } = newest.readable
      this.#live.push({
        sealed: sealedOf(header, newest.content.length, newest.content.hash),
        header: withoutList(header),
        copies: new Set(copies.map(({ disk }) => disk)),
      })
    }
    for (const { segment, damage, isOnlyTold } of start.damage) {
      if (isOnlyTold) this.damaged.tell(segment, damage)
      else this.noteDamage(segment, damage)
    }
    const alive = new Set(this.#live.map(({ sealed }) => sealed.segment))
    this.#void = start.files
      .filter(({ segment }) => !alive.has(segment))
      .map(({ disk, segment }) => ({ disk: disk.disk, segment }))
    this.#lastDisks = newest?.readable.header.disks ?? []
  }

  /** Reads only. Serve nothing before `append` of the last frame (see `lastFrame`) has resolved. */
  static async find(options: JournalOptions): Promise<Journal> {
    return new Journal(options, await findJournal(options.members, options.partition))
  }

  /** The last whole frame of the newest segment, with its bodies: it is written anew at each start. */
  lastFrame(): FrameContent | undefined {
    return this.#start?.newest?.content.last.content
  }

  /** Disks that the start asked and that answered. */
  listed(): ReadonlySet<DiskNumber> {
    return this.#start?.listed ?? new Set()
  }

  /** Forgets what only the start needed. */
  endStart(): void {
    this.#start = undefined
  }

  get openSegment(): number {
    return this.#open?.header.segment ?? 0
  }

  isOpenOn(disk: DiskNumber): boolean {
    return this.#open?.header.disks.includes(disk) ?? false
  }

  get openFirstSequence(): number | undefined {
    return this.#open?.header.firstSequence
  }

  /** Frames of the open segment, its header excluded. */
  get openBytes(): number {
    return this.#open ? this.#open.length - this.#open.header.length : 0
  }

  /** Oldest first, the open one excluded. */
  live(): readonly LiveSegment[] {
    return this.#live
  }

  /** Sequence of the first commit of the oldest segment; undefined in an empty journal. */
  firstSequence(): number | undefined {
    return (this.#live[0]?.sealed ?? this.#open?.header ?? this.#start?.newest?.readable.header)
      ?.firstSequence
  }

  /** These disks were opened anew: what they had open is never appended to again. */
  reopened(disks: ReadonlySet<DiskNumber>): void {
    const here = this.#open?.header.disks.filter((disk) => disks.has(disk)) ?? []
    if (here.length > 0) this.#wanted ??= {}
    for (const disk of here) this.#openedAnew.add(disk)
  }

  /** The next frame begins a new segment, on `only` these disks when given. */
  wantSegment(only?: ReadonlySet<DiskNumber>): void {
    this.#wanted = only ? { only } : {}
  }

  /**
   * Appends one frame; when it resolves it is synced on m + 1 disks and its entries know their places. `content` is
   * asked again for each attempt: the first frame of a segment carries all counters. Rejects with `TOO_FEW_DISKS` or
   * `DISK_FULL`; then nothing of the frame will ever count once another frame is acknowledged. Before that it may, when
   * the error says `isInDoubt`: a copy of it may lie on a disk, and a start would show it.
   */
  async append(content: (isFirst: boolean) => FrameContent): Promise<void> {
    let isInDoubt = false
    for (;;) {
      const first = content(false)
      if (this.#wanted && this.#open) this.#seal()
      if (!this.#open) {
        await this.#openNext(first.firstSequence).catch((error: unknown) => {
          throw isInDoubt ? inDoubt(error) : error
        })
      }
      const open = this.#open!
      const built = open.frameCount === 0 ? content(true) : first
      const { partition } = this.#options
      const frame = encodeFrame(
        {
          partition,
          segment: open.header.segment,
          segmentId: open.header.id,
          previous: open.previous,
          index: open.frameCount,
        },
        built,
      )
      if (open.frameCount > 0 && open.length + frame.length > this.segmentBytes) {
        this.#seal()
        continue
      }
      const isSynced = await writeCopies(this.#options, open.disks, (disk) =>
        disk.append(partition, open.header.segment, open.length, frame.pieces),
      )
      if (!isSynced) {
        isInDoubt = true
        this.#seal()
        continue
      }
      placeEntries(open.header.segment, open.length, frame.recordsLength, built)
      for (const piece of frame.pieces) open.hash.update(piece)
      open.length += frame.length
      open.previous = frame.checksum
      open.frameCount++
      if (open.frameCount === 1) void this.#removeVoid()
      return
    }
  }

  /** Nothing is appended to it from here on. */
  #seal(): void {
    const open = this.#open
    this.#open = undefined
    if (!open) return
    if (open.frameCount === 0) {
      // It never counted; its number stays taken.
      for (const { disk } of open.disks) this.#void.push({ disk, segment: open.header.segment })
      return
    }
    this.#live.push({
      sealed: sealedOf(open.header, open.length, open.hash.digest()),
      header: withoutList(open.header),
      copies: new Set(open.header.disks.filter((disk) => !this.damaged.has(open.header.segment, disk))),
    })
    const again = [...this.#openedAnew]
    this.#openedAnew.clear()
    if (again.length > 0) void this.#lookAgain(again)
    // While it was written to nothing could be made anew.
    if (this.damaged.of(open.header.segment).length > 0) this.#options.onSegmentDamaged?.()
  }

  /** What came back may be older than what was open on it: only what is sealed can be compared. */
  async #lookAgain(disks: readonly DiskNumber[]): Promise<void> {
    for (const disk of disks) {
      const io = this.#options.members.io(disk)
      if (io) await this.adoptCopies(io)
    }
    this.#options.onSegmentDamaged?.()
  }

  async #openNext(firstSequence: number): Promise<void> {
    const { partition, members, random, log } = this.#options
    for (;;) {
      const only = this.#wanted?.only
      // Asked once: when these disks cannot take it, the commit that wanted them fails and the next goes anywhere.
      this.#wanted = undefined
      const disks = members.choose(this.#lastDisks, only)
      const segment = this.#nextNumber++
      this.#making = segment
      const { bytes, header } = encodeSegmentHeader({
        partition,
        segment,
        id: random.bytes(16),
        firstSequence,
        disks: disks.map(({ disk }) => disk),
        live: this.#live.map(({ sealed, copies }) => ({ ...sealed, disks: [...copies] })),
      })
      const isMade = await writeCopies(this.#options, disks, (disk) => disk.create(partition, segment, bytes))
      this.#making = 0
      if (isMade) {
        this.#open = {
          header,
          disks,
          length: header.length,
          frameCount: 0,
          previous: header.checksum,
          hash: createHash('sha256').update(bytes),
        }
        this.#lastDisks = header.disks
        log.debug('segment-opened', { partition, segment, disks: header.disks })
        return
      }
      for (const { disk } of disks) this.#void.push({ disk, segment })
      if (only) this.#wanted = { only }
    }
  }

  /** What no header lists any more is removed; what cannot be removed now is void all the same, and tried again. */
  async #removeVoid(): Promise<void> {
    const { members, partition } = this.#options
    const batch = this.#void.splice(0)
    for (const file of batch) {
      if (this.#isKnown(file.segment)) continue
      try {
        const io = members.io(file.disk)
        if (io) await io.remove(partition, file.segment)
      } catch {
        // Void files cost space and nothing else; the next segment tries again.
        this.#void.push(file)
      }
    }
  }

  /** Alive, or about to be. */
  #isKnown(segment: number): boolean {
    const isOpen = segment === this.#making || segment === this.openSegment
    return isOpen || this.#live.some(({ sealed }) => sealed.segment === segment)
  }

  /** Takes the oldest sealed segment out of the journal: the next segment does not list it, and then it is removed. */
  dropOldest(segment: number): void {
    const oldest = this.#live[0]
    assert(oldest?.sealed.segment === segment, 'only the oldest segment is ever dropped')
    this.#live.shift()
    this.damaged.forget(segment)
    for (const { number } of this.#options.members.all()) this.#void.push({ disk: number, segment })
  }

  /**
   * Frames from the oldest that may hold a commit after `sequence` on, in order, records only. At a start the last
   * frame of the newest segment is left out: it is given by `lastFrame`.
   */
  async *replay(sequence: number): AsyncGenerator<FrameContent> {
    // What is open now may be sealed, and more appended, while this reads: the end is where it is now.
    const segments = [...this.#live]
    const open = this.#open
    const openLength = open?.length ?? 0
    for (let i = 0; i < segments.length; i++) {
      const following = (segments[i + 1]?.sealed ?? open?.header)?.firstSequence
      if (following !== undefined && following <= sequence + 1) continue
      yield* this.#frames(segments[i]!.header, segments[i]!.sealed.length)
    }
    if (open) yield* this.#frames(open.header, openLength)
  }

  async *#frames(header: SegmentHeader, length: number): AsyncGenerator<FrameContent> {
    const readable = this.readable(header.segment)
    if (!readable) throw unavailable('QUORUM_READ', `segment ${header.segment} was dropped meanwhile`)
    const walk = new FrameWalk(readable, false)
    try {
      while (walk.offset < length) {
        const frame = await walk.next()
        if (!frame) {
          throw unavailable('TOO_FEW_DISKS', `segment ${header.segment} cannot be read at ${walk.offset}`, {
            partition: this.#options.partition,
            segment: header.segment,
            needs: header.disks.join(' or '),
          })
        }
        yield frame.content
      }
    } finally {
      for (const damage of walk.damage(true)) this.noteDamage(header.segment, damage)
    }
  }

  /** A segment with the disks to read it from, equally good ones in turn; undefined when it is not alive. */
  readable(segment: number, turn = 0): ReadableSegment | undefined {
    const { members } = this.#options
    if (this.#open?.header.segment === segment) {
      return { header: this.#open.header, copies: this.#present(segment, this.#open.header.disks, turn) }
    }
    // The newest segment of before, read only for the last frame while that could not be written anew.
    const newest = this.#start?.newest?.readable
    const live = this.#live.find(({ sealed }) => sealed.segment === segment)
    if (live) {
      const disks = new Set([...live.copies, ...this.damaged.of(segment)])
      return { header: live.header, copies: this.#present(segment, [...disks], turn) }
    }
    return newest?.header.segment === segment
      ? { ...newest, copies: newest.copies.filter((disk) => members.io(disk.disk)) }
      : undefined
  }

  /** Disks that are there, those that are not passed over first, and those whose copies are damaged last. */
  #present(segment: number, disks: readonly DiskNumber[], turn: number): SegmentDisk[] {
    const { members } = this.#options
    const first = turn % Math.max(1, disks.length)
    const rank = ({ disk }: SegmentDisk): number =>
      2 * Number(this.damaged.has(segment, disk)) + Number(members.isPassedOver(disk))
    const turned = [...disks.slice(first), ...disks.slice(0, first)]
    return turned.flatMap((disk) => members.io(disk) ?? []).sort((a, b) => rank(a) - rank(b))
  }

  /** Disks with a copy of `segment`; none when it is not alive. */
  copiesOf(segment: number): DiskNumber[] {
    return (this.readable(segment)?.copies ?? []).map(({ disk }) => disk)
  }

  /** A verified inline body. `QUORUM_READ` when a copy did not answer and none verified, `OBJECT_LOST` when all answered. */
  async readBody(segment: number, body: BodyPlace): Promise<Uint8Array> {
    // All its disks take part, so that each is known, and a body is always looked for where it is in memory.
    const readable = this.readable(segment, Math.floor(body.offset / BODY_TURN_BYTES))
    if (!readable) throw unavailable('QUORUM_READ', 'the segment of an inline body is not alive', { segment })
    const damaged = { reason: 'body', offset: body.offset } as const
    return readBody(readable, body, {
      clock: this.#options.clock,
      pace: this.#pace,
      damaged: ({ disk }) => this.noteDamage(segment, { disk, ...damaged }),
    })
  }

  /** A disk is there that was not: its copies of living segments count again, everything else on it is void. */
  async adoptCopies(disk: SegmentDisk): Promise<void> {
    const { partition, log, onSegmentDamaged } = this.#options
    try {
      let hasLost = false
      const files = await disk.list(partition)
      const lengths = new Map(files.map(({ segment, length }) => [segment, length]))
      for (const segment of lengths.keys()) {
        if (segment >= this.#nextNumber) this.#nextNumber = segment + 1
        if (!this.#isKnown(segment)) this.#void.push({ disk: disk.disk, segment })
      }
      // A copy counts until it is known not to be whole: all disks may come at once, and their bodies are verified anyway.
      for (const { sealed, header, copies } of [...this.#live]) {
        const length = lengths.get(sealed.segment) ?? 0
        const isLong = length >= sealed.length && (await hasHeader(disk, header))
        const others = [...copies].filter((other) => other !== disk.disk)
        const peers = this.#present(sealed.segment, others, 0)
        const stale = isLong && (await findStale({ header, copies: [disk, ...peers] }, sealed.length))
        const isWhole = stale && !stale.has(disk.disk) && !this.damaged.has(sealed.segment, disk.disk)
        if (isWhole) copies.add(disk.disk)
        else if (copies.delete(disk.disk)) hasLost = true
      }
      // Whoever repairs was told of the disk before, and may have looked when these copies still counted.
      if (hasLost) onSegmentDamaged?.()
    } catch (error) {
      log.warn('journal-disk-failed', { partition, disk: disk.disk, code: codeOf(error) })
      this.#options.members.passOver(disk.disk, 'failing')
    }
  }

  /** The copy no longer counts as whole; `repair` makes it anew. */
  noteDamage(segment: number, damage: CopyDamage): void {
    if (!this.damaged.note(segment, damage)) return
    this.#live.find(({ sealed }) => sealed.segment === segment)?.copies.delete(damage.disk)
    this.#options.onSegmentDamaged?.()
  }

  /** A copy was made anew, and is whole. */
  noteRestored({ sealed, copies }: LiveSegment, disk: DiskNumber): void {
    this.damaged.restored(sealed.segment, disk)
    copies.add(disk)
  }
}
