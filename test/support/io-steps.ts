// Every I/O step that a store takes on its disks and on its indexes, counted, and one of them met by a fault. Without a fault
// it is a recording: which steps there are, and so which faults each can meet.
//
//   EIO     the step rejects and did nothing; a sync rejects, and what it was to make durable is lost with the next power cut
//   ENOSPC  the same, where room is needed
//   short   a read ends half way; half of a write is written, and then there is no room
//   torn    every other sector of a write is written, then EIO
//   slow    the step takes five seconds
//   hang    from this step on nothing on this disk comes to its end, for ninety seconds
import type { MemoryIndexes } from '../../src/actors/store-facts.ts'
import { type Clock, sleep } from '../../src/base/clock.ts'
import { FileError, type FileSystem, type OpenFile } from '../../src/base/files.ts'
import { SECOND } from '../../src/base/units.ts'
import type { IndexIterator } from '../../src/metadata/index-slot.ts'
import type { FaultyFiles, Operation } from './faulty-files.ts'

export const STEP_FAULTS = ['EIO', 'ENOSPC', 'short', 'torn', 'slow', 'hang'] as const
export type StepFault = (typeof STEP_FAULTS)[number]
export type StepKind = Operation | 'create' | 'index read' | 'index walk' | 'index batch' | 'index clear'

export interface Step {
  readonly kind: StepKind
  readonly path: string
}

const ROOMLESS = ['EIO', 'slow', 'hang'] as const
const NEEDS_ROOM = ['EIO', 'ENOSPC', 'slow', 'hang'] as const

/** What a step of each kind can meet. */
export const FAULTS_OF: Readonly<Record<StepKind, readonly StepFault[]>> = {
  open: ROOMLESS,
  create: NEEDS_ROOM,
  makeDirectory: NEEDS_ROOM,
  list: ROOMLESS,
  remove: ROOMLESS,
  rename: NEEDS_ROOM,
  stat: ROOMLESS,
  space: ROOMLESS,
  syncDirectory: NEEDS_ROOM,
  read: ['EIO', 'short', 'slow', 'hang'],
  write: STEP_FAULTS,
  sync: NEEDS_ROOM,
  truncate: NEEDS_ROOM,
  // Nothing waits for it: it is answered in the same turn.
  'index read': ['EIO'],
  'index walk': ROOMLESS,
  'index batch': NEEDS_ROOM,
  'index clear': ROOMLESS,
}

const SLOW_MS = 5 * SECOND
export const HANG_MS = 90 * SECOND
const PAGE = 4096
const SECTOR = 512

/** A disk by its directory, an index by its place. */
const deviceOf = (path: string): string => path.split('/')[1] ?? ''

export interface PlannedFault {
  readonly at: number
  readonly fault: StepFault
}

export class IoSteps {
  readonly steps: Step[] = []
  /** Of files that were opened and not closed. */
  openFiles = 0
  wasMet = false
  readonly files: FileSystem
  get fault(): StepFault | undefined {
    return this.wasMet ? this.#plan?.fault : undefined
  }

  readonly #below: FaultyFiles
  readonly #clock: Clock
  #isArmed = false
  #plan: PlannedFault | undefined
  readonly #hanging = new Map<string, Promise<void>>()

  constructor(below: FaultyFiles, clock: Clock) {
    this.#below = below
    this.#clock = clock
    this.files = this.#wrapFiles()
  }

  /** From now on steps count, and one of them may be met. */
  arm(plan?: PlannedFault): void {
    this.#isArmed = true
    this.#plan = plan
  }

  /** No further step counts; what hangs goes on to do so. */
  disarm(): void {
    this.#isArmed = false
  }

  /** Counts the step; the fault that it meets, if it does. */
  #take(kind: StepKind, path: string): StepFault | undefined {
    if (!this.#isArmed) return undefined
    const number = this.steps.push({ kind, path }) - 1
    if (this.#plan?.at !== number || !FAULTS_OF[kind].includes(this.#plan.fault)) return undefined
    this.wasMet = true
    return this.#plan.fault
  }

  async #meet(kind: StepKind, path: string): Promise<StepFault | undefined> {
    const fault = this.#take(kind, path)
    const device = deviceOf(path)
    if (fault === 'hang') {
      const hang = sleep(this.#clock, HANG_MS).then(() => void this.#hanging.delete(device))
      this.#hanging.set(device, hang)
    }
    if (fault === 'slow') await sleep(this.#clock, SLOW_MS)
    await this.#hanging.get(device)
    if (fault !== 'EIO' && fault !== 'ENOSPC') return fault
    // A sync fails below, where it is known what it was to make durable.
    if (kind === 'sync' || kind === 'syncDirectory') {
      this.#below.inject({ operation: kind, path, effect: { kind: 'error', code: fault } })
      return undefined
    }
    throw new FileError(kind, path, fault)
  }

  async #writeInPart(
    file: OpenFile,
    from: readonly Uint8Array[],
    at: number,
    fault: StepFault,
  ): Promise<void> {
    const whole = Buffer.concat(from)
    // In memory of its own: what is written past the cache has to be aligned.
    const bytes = new Uint8Array(whole)
    const unit = file.isDirect ? PAGE : SECTOR
    if (fault === 'short') {
      const half = Math.floor(bytes.length / 2 / unit) * unit
      if (half > 0) await file.write([bytes.slice(0, half)], at)
      throw new FileError('write', file.path, 'ENOSPC')
    }
    for (let start = 0; start < bytes.length; start += 2 * unit) {
      await file.write([bytes.slice(start, start + unit)], at + start)
    }
    throw new FileError('write', file.path, 'EIO')
  }

  #wrapFile(file: OpenFile): OpenFile {
    const { path } = file
    let isOpen = true
    this.openFiles++
    return {
      ...{ path, isDirect: file.isDirect },
      read: async (into, position) => {
        const fault = await this.#meet('read', path)
        if (fault !== 'short') return file.read(into, position)
        const scratch = new Uint8Array(into.length)
        const half = (await file.read(scratch, position)) >> 1
        into.set(scratch.subarray(0, half))
        return half
      },
      write: async (from, position) => {
        const fault = await this.#meet('write', path)
        if (fault === 'short' || fault === 'torn') return this.#writeInPart(file, from, position, fault)
        return file.write(from, position)
      },
      sync: async () => {
        await this.#meet('sync', path)
        return file.sync()
      },
      truncate: async (size) => {
        await this.#meet('truncate', path)
        return file.truncate(size)
      },
      stat: async () => {
        await this.#meet('stat', path)
        return file.stat()
      },
      close: () => {
        if (isOpen) this.openFiles--
        isOpen = false
        return file.close()
      },
    }
  }

  #wrapFiles(): FileSystem {
    const below = this.#below
    const after = async <T>(kind: StepKind, path: string, action: () => Promise<T>): Promise<T> => {
      await this.#meet(kind, path)
      return action()
    }
    return {
      open: async (path, mode, options) => {
        await this.#meet(mode === 'create' ? 'create' : 'open', path)
        return this.#wrapFile(await below.open(path, mode, options))
      },
      makeDirectory: (path) => after('makeDirectory', path, () => below.makeDirectory(path)),
      list: (path) => after('list', path, () => below.list(path)),
      remove: (path) => after('remove', path, () => below.remove(path)),
      rename: (from, to) => after('rename', from, () => below.rename(from, to)),
      stat: (path) => after('stat', path, () => below.stat(path)),
      checkWritable: (path, kind) => after('stat', path, () => below.checkWritable(path, kind)),
      space: (path) => after('space', path, () => below.space(path)),
      syncDirectory: (path) => after('syncDirectory', path, () => below.syncDirectory(path)),
    }
  }

  /** The same indexes, whose every access is a step. */
  indexes(give: MemoryIndexes): MemoryIndexes {
    return (partition, position) => {
      const index = give(partition, position)
      const path = `/index-${partition}-${position}`
      return {
        ...index,
        getSync: (key) => {
          if (this.#take('index read', path)) throw new FileError('read', path, 'EIO')
          return index.getSync(key)
        },
        batch: async (operations, options) => {
          await this.#meet('index batch', path)
          return index.batch(operations, options)
        },
        iterator: (range) => this.#wrapIterator(index.iterator(range), path),
        clear: async () => {
          await this.#meet('index clear', path)
          return index.clear()
        },
      }
    }
  }

  #wrapIterator(iterator: IndexIterator, path: string): IndexIterator {
    return {
      nextv: async (size) => {
        await this.#meet('index walk', path)
        return iterator.nextv(size)
      },
      seek: (target) => iterator.seek(target),
      close: () => iterator.close(),
    }
  }
}
