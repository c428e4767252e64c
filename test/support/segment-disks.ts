// Disks of segments in memory, for tests of the journal. Each keeps what was written and what was synced apart, can
// fail, hang and lose its unsynced tail, and can record its operations so that a crash can be played at any point.
//
// Fault model: an append is written piece by piece and then synced; a crash keeps any prefix of what was not synced (a
// torn frame), also all of it. `create` and `remove` are atomic or did not happen. A disk may be out, come back with old
// content, fail every operation, or never answer.
import { FileError } from '../../src/base/files.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import type { SegmentDisk, SegmentFile } from '../../src/metadata/segment-disk.ts'
import { digestOf } from './contents.ts'

export type DiskOperation =
  | { readonly kind: 'create'; readonly segment: number; readonly bytes: Uint8Array }
  | { readonly kind: 'append'; readonly segment: number; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'remove'; readonly segment: number }

const concat = (pieces: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(pieces))

export class MemorySegmentDisk implements SegmentDisk {
  readonly disk: DiskNumber
  readonly files = new Map<number, Uint8Array>()
  readonly #restoring = new Map<number, Uint8Array[]>()
  /** Thrown by every operation that writes. */
  failure: string | undefined
  /** Appends and creates wait until it resolves. */
  hang: Promise<void> | undefined
  /** Told of each operation when it begins and when it is synced; for recording. */
  recorder: { begin(disk: MemorySegmentDisk, operation: DiskOperation): () => void } | undefined

  constructor(number: number, files: Iterable<readonly [number, Uint8Array]> = []) {
    this.disk = number as DiskNumber
    for (const [segment, bytes] of files) this.files.set(segment, Uint8Array.from(bytes))
  }

  /** The same content under the same number. */
  copy(): MemorySegmentDisk {
    return new MemorySegmentDisk(this.disk, this.files)
  }

  async #run(operation: DiskOperation): Promise<void> {
    if (this.failure) throw new FileError(operation.kind, `disk-${this.disk}`, this.failure)
    const end = this.recorder?.begin(this, operation)
    if (this.hang) await this.hang
    this.apply(operation)
    end?.()
  }

  apply(operation: DiskOperation, bytesMax = Number.POSITIVE_INFINITY): void {
    if (operation.kind === 'remove') {
      this.files.delete(operation.segment)
      return
    }
    const start = operation.kind === 'create' ? 0 : operation.offset
    const before = (this.files.get(operation.segment) ?? new Uint8Array()).subarray(0, start)
    this.files.set(operation.segment, concat([before, operation.bytes.subarray(0, bytesMax)]))
  }

  async list(): Promise<SegmentFile[]> {
    return [...this.files].map(([segment, bytes]) => ({ segment, length: bytes.length }))
  }

  async create(_partition: number, segment: number, header: Uint8Array): Promise<void> {
    if (this.files.has(segment)) throw new FileError('create', `${segment}`, 'EEXIST')
    const operation = { kind: 'create', segment, bytes: Uint8Array.from(header) } as const
    await this.#run(operation)
  }

  async append(
    _partition: number,
    segment: number,
    offset: number,
    pieces: readonly Uint8Array[],
  ): Promise<void> {
    if (this.files.get(segment)?.length !== offset) throw new FileError('append', `${segment}`, 'EIO')
    const operation = { kind: 'append', segment, offset, bytes: concat(pieces) } as const
    await this.#run(operation)
  }

  readMedium(partition: number, segment: number, offset: number, length: number): Promise<Uint8Array> {
    return this.read(partition, segment, offset, length)
  }

  async read(_partition: number, segment: number, offset: number, length: number): Promise<Uint8Array> {
    const file = this.files.get(segment)
    if (!file) throw new FileError('read', `${segment}`, 'ENOENT')
    return Uint8Array.from(file.subarray(offset, offset + length))
  }

  async restore(
    _partition: number,
    segment: number,
    offset: number,
    piece: Uint8Array,
    isLast: boolean,
  ): Promise<void> {
    const pieces = offset === 0 ? [] : (this.#restoring.get(segment) ?? [])
    pieces.push(Uint8Array.from(piece))
    this.#restoring.set(segment, pieces)
    if (!isLast) return
    this.files.set(segment, concat(pieces))
    this.#restoring.delete(segment)
  }

  async remove(_partition: number, segment: number): Promise<void> {
    const operation = { kind: 'remove', segment } as const
    await this.#run(operation)
  }
}

/** Of all that is on them. */
export const digestOfDisks = (disks: readonly MemorySegmentDisk[]): string =>
  digestOf(
    Buffer.concat(
      disks.flatMap(({ disk, files }) =>
        [...files]
          .sort(([a], [b]) => a - b)
          .flatMap(([segment, bytes]) => [Buffer.from(`${disk} ${segment} ${bytes.length} `), bytes]),
      ),
    ),
  )

export const createSegmentDisks = (count: number): MemorySegmentDisk[] =>
  Array.from({ length: count }, (_, i) => new MemorySegmentDisk(i + 1))

type CrashEvent =
  | { readonly kind: 'begin'; readonly disk: number; readonly operation: DiskOperation; readonly id: number }
  | { readonly kind: 'end'; readonly id: number }
  | { readonly kind: 'note'; readonly note: () => void }

/** What becomes of an operation that was under way: nothing, a part, all of it. */
export type Fate = 'lost' | 'torn' | 'short' | 'whole'

/** The log of everything that was written to a set of disks, to be cut anywhere. */
export class CrashLog {
  readonly events: CrashEvent[] = []
  readonly #disks: readonly MemorySegmentDisk[]

  constructor(disks: readonly MemorySegmentDisk[]) {
    this.#disks = disks
    for (const disk of disks) disk.recorder = this
  }

  begin(disk: MemorySegmentDisk, operation: DiskOperation): () => void {
    const id = this.events.length
    this.events.push({ kind: 'begin', disk: disk.disk, operation, id })
    return () => void this.events.push({ kind: 'end', id })
  }

  /** Something the test has to know when it cuts the log after this point: an acknowledgement. */
  note(note: () => void): void {
    this.events.push({ kind: 'note', note })
  }

  /** Operations that were under way at event `cut`. */
  inDoubt(cut: number): number[] {
    const open = new Set<number>()
    for (const event of this.events.slice(0, cut)) {
      if (event.kind === 'begin') open.add(event.id)
      if (event.kind === 'end') open.delete(event.id)
    }
    return [...open]
  }

  /** The disks as a crash at event `cut` leaves them; runs the notes before it. */
  disksAt(cut: number, fates: readonly Fate[]): MemorySegmentDisk[] {
    const disks = this.#disks.map(({ disk }) => new MemorySegmentDisk(disk))
    const doubt = this.inDoubt(cut)
    for (const event of this.events.slice(0, cut)) {
      if (event.kind === 'note') event.note()
      if (event.kind !== 'begin') continue
      const position = doubt.indexOf(event.id)
      const fate = position === -1 ? 'whole' : fates[position % fates.length]!
      if (fate === 'lost') continue
      const { operation } = event
      const length = operation.kind === 'remove' ? 0 : operation.bytes.length
      const kept = fate === 'whole' ? length : fate === 'torn' ? Math.floor(length / 2) : length - 1
      disks.find(({ disk }) => disk === event.disk)!.apply(operation, kept)
    }
    return disks
  }
}
