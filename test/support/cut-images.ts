// What a recorded log leaves on the disks when it is cut off: walked record by record, so that what is durable is applied once
// for all later cuts, and each image differs from its neighbours by what is chosen of the few records that are not.
import { type Content, EMPTY, type Tear, withBytes, withSize, withTorn } from './contents.ts'
import type { LogRecord } from './faulty-files.ts'
import { Inodes, isDirectory } from './image-files.ts'

/** Of one record: dropped, or kept; of a write also which of its sectors are kept. */
export type Choice = 'keep' | 'drop' | NamedTear
export interface NamedTear extends Tear {
  /** No other tear of the same write has it. */
  readonly name: string
}
export type Choices = ReadonlyMap<number, Choice>

/** What a record changes: the inodes whose sync makes it durable. */
const nodesOf = (record: LogRecord): number[] => {
  switch (record.kind) {
    case 'write':
    case 'truncate':
      return [record.node]
    case 'rename':
      return record.in === record.toIn ? [record.in] : [record.in, record.toIn]
    case 'make':
    case 'remove':
      return [record.in]
    default:
      return []
  }
}

/** Neighbouring images write the same to the same: they get the same content, and what is known of it. */
const written = new WeakMap<LogRecord, WeakMap<Content, Map<string, Content>>>()
const knownOf = (record: LogRecord, content: Content): Map<string, Content> => {
  const ofRecord = written.get(record) ?? new WeakMap<Content, Map<string, Content>>()
  written.set(record, ofRecord)
  const known = ofRecord.get(content) ?? new Map<string, Content>()
  ofRecord.set(content, known)
  return known
}

const contentAfter = (content: Content, record: LogRecord & { kind: 'write' }, choice: Choice): Content => {
  const { position, bytes } = record
  return choice === 'keep'
    ? withBytes(content, position, bytes)
    : withTorn(content, position, bytes, choice as NamedTear)
}

const applyWrite = (inodes: Inodes, record: LogRecord & { kind: 'write' }, choice: Choice): void => {
  const content = inodes.get(record.node)
  if (choice === 'drop' || content === undefined || isDirectory(content)) return
  const key = choice === 'keep' ? '' : choice.name
  const known = knownOf(record, content)
  const after = known.get(key) ?? contentAfter(content, record, choice)
  known.set(key, after)
  inodes.set(record.node, after)
}

/** A rename of what was lost moves nothing; what a lost entry would have led to cannot be reached. */
const applyEntry = (inodes: Inodes, record: LogRecord): void => {
  if (record.kind === 'make') inodes.enter(record.in, record.name, record.node)
  if (record.kind !== 'remove' && record.kind !== 'rename') return
  const parent = inodes.get(record.in)
  const moved = isDirectory(parent) ? parent.get(record.name) : undefined
  inodes.enter(record.in, record.name, undefined)
  if (record.kind === 'rename' && moved !== undefined) inodes.enter(record.toIn, record.toName, moved)
}

const apply = (inodes: Inodes, record: LogRecord, choice: Choice): void => {
  if (record.kind === 'write') applyWrite(inodes, record, choice)
  else if (choice === 'keep' && record.kind !== 'truncate') applyEntry(inodes, record)
  else if (choice === 'keep' && record.kind === 'truncate') {
    const content = inodes.get(record.node)
    if (content && !isDirectory(content)) inodes.set(record.node, withSize(content, record.size))
  }
}

interface Waiting {
  readonly record: LogRecord
  isDurable: boolean
  /** A sync of it failed: the pages count as clean, no later one writes them. */
  isLost: boolean
}

/** A walk along a log; images are of the point that it has come to, and are used before it goes on. */
export class CutImages {
  readonly #log: readonly LogRecord[]
  readonly #durable: Inodes
  /** Records that are not applied to what is durable, in their order. */
  readonly #waiting = new Map<number, Waiting>()
  #point = 0

  /** `below` is what was there before the log began. */
  constructor(log: readonly LogRecord[], below: Inodes) {
    this.#log = log
    this.#durable = new Inodes(below)
  }

  /** How many records have happened. */
  get point(): number {
    return this.#point
  }

  /** Goes on by one record, and returns it. */
  next(): LogRecord {
    const i = this.#point++
    const record = this.#log[i]!
    if (record.kind === 'sync') this.#sync(record)
    else if (record.kind !== 'mark') {
      // The file itself is there as soon as anything can be written to it; its name may be lost.
      if (record.kind === 'make') this.#durable.set(record.node, record.isFile ? EMPTY : new Map())
      this.#waiting.set(i, { record, isDurable: false, isLost: false })
    }
    return record
  }

  /** Indexes of the records that a power cut here may lose. */
  volatile(): number[] {
    return [...this.#waiting].filter(([, { isDurable }]) => !isDurable).map(([i]) => i)
  }

  /** All that is durable, and of the rest what is chosen; all of it where nothing is said. */
  image(choices: Choices): Inodes {
    const inodes = new Inodes(this.#durable)
    for (const [i, { record, isDurable }] of this.#waiting) {
      apply(inodes, record, isDurable ? 'keep' : (choices.get(i) ?? 'keep'))
    }
    return inodes
  }

  #sync({ node, upTo, hasFailed }: LogRecord & { kind: 'sync' }): void {
    for (const [i, waiting] of this.#waiting) {
      if (i >= upTo || waiting.isDurable || waiting.isLost || !nodesOf(waiting.record).includes(node))
        continue
      if (hasFailed) waiting.isLost = true
      else waiting.isDurable = true
    }
    // What is durable is applied for good, unless something before it in the same file or directory may still be lost.
    const held = new Set<number>()
    for (const [i, { record, isDurable }] of this.#waiting) {
      const nodes = nodesOf(record)
      if (isDurable && !nodes.some((one) => held.has(one))) {
        apply(this.#durable, record, 'keep')
        this.#waiting.delete(i)
      } else for (const one of nodes) held.add(one)
    }
  }
}
