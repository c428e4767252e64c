// Two indexes of one partition as real LevelDBs on a real file system, filled by a real partition, and kept as the bytes of
// their files. Their write buffers are as small as LevelDB allows, so that a few hundred commits make several tables.
//
// Each is kept twice: with one live log, as it mostly is, and with two, as a kill leaves it between the beginning of a new log
// and the table that the one before becomes: the manifest and the tables from before, both logs as long as they got.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { createPrng } from '../../src/base/prng.ts'
import { KiB } from '../../src/base/units.ts'
import { decodeEnvelope, encodeEnvelope } from '../../src/metadata/entry.ts'
import type { IndexOperation, IndexStore } from '../../src/metadata/index-slot.ts'
import { keyBytes, SPACE } from '../../src/metadata/keys.ts'
import type { Partition } from '../../src/metadata/partition.ts'
import { LEVEL_ENCODING } from '../../src/storage/level-index.ts'
import { factsOf, kill, openPartition, putText } from './partitions.ts'
import { createSegmentDisks, type MemorySegmentDisk } from './segment-disks.ts'
import { SimulatedClock } from './simulated-clock.ts'

/** The files of one database, by name. */
export type LevelImage = ReadonlyMap<string, Buffer>

export interface IndexImages {
  readonly one: LevelImage
  readonly two: LevelImage
  /** Where in the last log its last batch begins; the same for both. */
  readonly lastBatchAt: number
}

export interface FilledPartition {
  readonly disks: readonly MemorySegmentDisk[]
  readonly images: readonly [IndexImages, IndexImages]
  /** What is under each key of `BUCKET`. */
  readonly expected: ReadonlyMap<string, string | undefined>
}

export const BUCKET = 'b'
const KEYS = 110
const GROUPS = 13
const COMMITS_PER_GROUP = 10
/** What makes records long: a journal of few commits is soon read, and they fill several tables all the same. */
const PADDING_BYTES = 900
/** As small as LevelDB takes them. */
const SMALL = { writeBufferSize: 64 * KiB, blockSize: KiB, maxFileSize: 1024 * KiB }
const FLUSH_DELAY_MS = 250
const KEPT_NAMES = /^(CURRENT|MANIFEST-\d+|\d+\.(ldb|log))$/

export const logsOf = (image: LevelImage): string[] =>
  [...image.keys()].filter((name) => name.endsWith('.log')).sort()
export const tablesOf = (image: LevelImage): string[] =>
  [...image.keys()].filter((name) => name.endsWith('.ldb')).sort()
export const manifestOf = (image: LevelImage): string =>
  [...image.keys()].find((name) => name.startsWith('MANIFEST'))!

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))

const readOnce = (directory: string): LevelImage | undefined => {
  try {
    const names = readdirSync(directory).filter((name) => KEPT_NAMES.test(name))
    return new Map(names.sort().map((name) => [name, readFileSync(join(directory, name))]))
  } catch {
    // LevelDB has just removed one of them.
    return undefined
  }
}

/** As they are when LevelDB does nothing in the background: one live log, and the same twice. */
const readAtRest = async (directory: string): Promise<LevelImage> => {
  let before = readOnce(directory)
  for (;;) {
    await pause(1)
    const now = readOnce(directory)
    const isSame =
      now &&
      before &&
      now.size === before.size &&
      [...now].every(([name, bytes]) => before?.get(name)?.equals(bytes))
    if (isSame && logsOf(now).length === 1) return now
    before = now
  }
}

export const writeImage = (image: LevelImage, directory: string): void => {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  for (const [name, bytes] of image) writeFileSync(join(directory, name), bytes)
}

const MARK_KEY = `${SPACE.mark}applied`
const MARK_BYTES = keyBytes(MARK_KEY)

/** One that keeps what its directory held before each batch, and after the last. */
class ImagedLevel implements IndexStore {
  readonly directory: string
  readonly #level: ClassicLevel<Buffer, Buffer>
  #before: LevelImage = new Map()
  /** As it was before the batch that the newest log begins with. */
  #beforeNewest: LevelImage = new Map()
  #newest = ''
  /** The last commit before the newest log, and before the one that was newest before it. */
  #starts: readonly [older: number, newer: number] = [0, 0]
  #sequence = 0
  batchesInNewest = 0

  constructor(directory: string) {
    this.directory = directory
    this.#level = new ClassicLevel(directory, { ...LEVEL_ENCODING, ...SMALL, multithreading: false })
  }

  open = (): Promise<void> => this.#level.open()
  close = (): Promise<void> => this.#level.close()
  getSync = (key: Buffer): Buffer | undefined => this.#level.getSync(key)
  iterator = (range: { gte: Buffer; lt?: Buffer }) => this.#level.iterator(range)
  clear = (): Promise<void> => this.#level.clear()

  async batch(operations: IndexOperation[], options: { sync: boolean }): Promise<void> {
    this.#before = await readAtRest(this.directory)
    let sequence = this.#sequence
    const marked = operations.map((operation) => {
      if (!operation.key.equals(MARK_BYTES)) return operation
      const entry = decodeEnvelope(MARK_KEY, MARK_BYTES, operation.value)!
      const record = { ...(entry.record as object), settled: this.#starts[0] }
      sequence = (entry.record as { sequence: number }).sequence
      return {
        ...operation,
        value: encodeEnvelope({ ...entry, record, payload: Buffer.from(JSON.stringify(record)) }),
      }
    })
    await this.#level.batch(marked, options)
    const newest = readdirSync(this.directory)
      .filter((name) => name.endsWith('.log'))
      .sort()
      .at(-1)!
    this.batchesInNewest++
    if (newest !== this.#newest) {
      this.#newest = newest
      this.#beforeNewest = this.#before
      this.#starts = [this.#starts[1], this.#sequence]
      this.batchesInNewest = 1
    }
    this.#sequence = sequence
  }

  async images(): Promise<IndexImages> {
    const one = await readAtRest(this.directory)
    const newest = one.get(this.#newest)!
    return {
      one,
      two: new Map([...this.#beforeNewest, [this.#newest, newest]]),
      lastBatchAt: this.#before.get(this.#newest)!.length,
    }
  }
}

const follow = async (partition: Partition, clock: SimulatedClock): Promise<void> => {
  while (partition.isIndexing) {
    await clock.advance(FLUSH_DELAY_MS)
    await pause(1)
  }
}

const random = createPrng(1)
const putPadded = (partition: Partition, key: string, text: string): Promise<unknown> => {
  const padding = Buffer.from(random.bytes(PADDING_BYTES)).toString('base64')
  const bytes = Buffer.from(text)
  return partition.putVersion({
    ...{ bucket: BUCKET, key, data: { kind: 'inline', bytes } },
    facts: { ...factsOf(bytes.length, text), metadata: [['padding', padding]] },
  })
}

/** Writes, overwrites and deletes until both indexes have tables and a log with several batches. */
export const fillPartition = async (directory: string): Promise<FilledPartition> => {
  const disks = createSegmentDisks(6)
  const levels = [0, 1].map((position) => new ImagedLevel(join(directory, `made-${position}`)))
  for (const level of levels) await level.open()
  const clock = new SimulatedClock()
  const partition = await openPartition({ disks, indexes: levels }, { clock })
  await partition.createBucket(BUCKET, { owner: 'me', region: 'r' })
  const expected = new Map<string, string | undefined>()
  for (
    let group = 0;
    group < GROUPS || levels.some(({ batchesInNewest }) => batchesInNewest !== 2);
    group++
  ) {
    const commits = Array.from({ length: COMMITS_PER_GROUP }, (_, i) => {
      const number = group * COMMITS_PER_GROUP + i
      // Numbers that share no factor: each key is written and deleted at other times than its neighbors.
      const key = `key ${(number * 37) % KEYS}`
      const text = number % 7 === 3 ? undefined : `text ${number}`
      expected.set(key, text)
      return text === undefined
        ? partition.deleteVersion({ bucket: BUCKET, key })
        : putPadded(partition, key, text)
    })
    await Promise.all(commits)
    await follow(partition, clock)
  }
  // The last batch is to be short.
  expected.set('last', 'text')
  await putText(partition, BUCKET, 'last', 'text')
  await follow(partition, clock)
  kill(partition)
  const [first, second] = await Promise.all(levels.map((level) => level.images()))
  for (const level of levels) await level.close()
  return { disks, images: [first!, second!], expected }
}
