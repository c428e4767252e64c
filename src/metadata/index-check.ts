// The check of the indexes against each other and against the journal. LevelDB checks nothing when it is read here and hides
// what it dropped, so an index may lack or contradict what was committed, and nobody hears of it before a look-up does.
//
//   the files     of each: what is not what was written
//   the pair      row by row, both as of the same frame: what one has and the other has not, or has otherwise
//   the journal   frame by frame: what was put last must be in the index; what both lack no comparison of the two would show
//
// In pieces, so that whoever runs it decides how fast it reads. An index that is found wrong is made anew from the journal.
import type { FrameContent } from './frame.ts'
import { decodeRow } from './index-row.ts'
import { type IndexIterator, type IndexSlot, keepsAlive } from './index-slot.ts'
import { type BinaryKey, SPACE } from './keys.ts'
import type { Ledger } from './ledger.ts'

export interface CheckedPiece {
  /** What was read, roughly. */
  readonly bytes: number
  /** The check is at its end. */
  readonly isLast: boolean
  /** Rows of indexes that were found wrong, in all. */
  readonly wrong: number
  /** It could not be done as a whole: an index was missing, or went meanwhile. */
  readonly isPartial: boolean
}

const ROWS_PER_PIECE = 1000
const PIECE_BYTES = 1024 * 1024
/** Keys that were put and are not there, until the delete comes that explains it. */
const UNEXPLAINED_MAX = 200_000
const TRIES_MAX = 20

/** One walk through an index. */
interface Walk {
  readonly slot: IndexSlot
  readonly rows: IndexIterator
  ahead: [Buffer, Buffer][]
  isAtEnd: boolean
}

export class IndexCheck {
  readonly #ledger: Ledger
  readonly #pieces: AsyncGenerator<number>
  #wrong = 0
  #isPartial = false

  constructor(ledger: Ledger) {
    this.#ledger = ledger
    this.#pieces = this.#run()
  }

  /** Some of it. After the last piece, or a failure, the check is over. */
  async next(): Promise<CheckedPiece> {
    const { value, done } = await this.#pieces.next()
    return { bytes: value ?? 0, isLast: done === true, wrong: this.#wrong, isPartial: this.#isPartial }
  }

  /** Lets go of what it reads. */
  async end(): Promise<void> {
    await this.#pieces.return(undefined)
  }

  async *#run(): AsyncGenerator<number> {
    // First of all: a row of a damaged file may end the process.
    for (const slot of [...this.#ledger.indexes.slots()]) yield* this.#files(slot)
    yield* this.#pair()
    const first = this.#ledger.journal.firstSequence()
    try {
      yield* this.#journal()
    } catch (error) {
      // What is compacted meanwhile cannot be read to its end; the next check begins behind it.
      if (first === this.#ledger.journal.firstSequence()) throw error
      this.#isPartial = true
    }
  }

  async *#files(slot: IndexSlot): AsyncGenerator<number> {
    const { indexes, log } = this.#ledger
    try {
      for await (const { file, bytes, damagedAt } of slot.verifyFiles() ?? []) {
        yield bytes
        if (!indexes.slots().includes(slot)) return
        if (damagedAt === undefined) continue
        this.#wrong++
        log.warn('index-file-damaged', { ...slot.where, file, offset: damagedAt, isFatal: true })
        indexes.noteDamage(slot)
        return
      }
    } catch (error) {
      // It went meanwhile, or its disk did; what is wrong with that disk others say.
      log.info('index-check-broken-off', { ...slot.where, message: (error as Error).message })
      this.#isPartial = true
    }
  }

  async *#pair(): AsyncGenerator<number> {
    const walks = await this.#walks()
    if (!walks) {
      this.#isPartial = true
      return
    }
    const [one, other] = walks
    try {
      while (!(one.isAtEnd && other.isAtEnd)) {
        await Promise.all([fill(one), fill(other)])
        yield this.#compare(one, other)
      }
    } catch (error) {
      // An index that went is made anew, from the journal.
      this.#ledger.log.info('index-check-broken-off', {
        ...one.slot.where,
        message: (error as Error).message,
      })
      this.#isPartial = true
    } finally {
      await Promise.allSettled([one.rows.close(), other.rows.close()])
    }
  }

  /** Both indexes as of the same frame. Undefined when there are no two, or they do not come to rest. */
  async #walks(): Promise<[Walk, Walk] | undefined> {
    const { indexes } = this.#ledger
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      if (!indexes.isComplete) return undefined
      await indexes.drain()
      // Nothing is awaited between this and the snapshots that iterators are.
      const [one, other] = indexes.restingSlots()
      if (one && other) return [walkOf(one), walkOf(other)]
    }
    return undefined
  }

  /** Everything before the end of what both have read; returns the bytes. */
  #compare(one: Walk, other: Walk): number {
    const ends = [one, other].flatMap(({ ahead, isAtEnd }) => (isAtEnd ? [] : [ahead.at(-1)![0]]))
    const end = ends.sort(Buffer.compare)[0]
    const [a, b] = [takeThrough(one, end), takeThrough(other, end)]
    let bytes = 0
    for (let i = 0, j = 0; i < a.length || j < b.length; ) {
      const order = i === a.length ? 1 : j === b.length ? -1 : Buffer.compare(a[i]![0], b[j]![0])
      const [key] = order <= 0 ? a[i]! : b[j]!
      const [mine, its] = [order <= 0 ? a[i]![1] : undefined, order >= 0 ? b[j]![1] : undefined]
      if (order <= 0) i++
      if (order >= 0) j++
      bytes += 2 * (key.length + (mine ?? its)!.length)
      if (!mine || !its || !mine.equals(its)) this.#judge(key, [one.slot, mine], [other.slot, its])
    }
    return bytes
  }

  #judge(key: Buffer, ...rows: [IndexSlot, Buffer | undefined][]): void {
    const { indexes, log } = this.#ledger
    const damaged = rows.filter(([, value]) => value && isDamaged(key, value))
    this.#wrong++
    for (const [slot] of damaged) {
      log.warn('index-wrong', { ...slot.where, how: 'damaged' })
      indexes.noteDamage(slot)
    }
    if (damaged.length > 0) return
    log.warn('index-wrong', {
      ...rows[0]![0].where,
      how: 'the two differ',
      space: String.fromCharCode(key[0]!),
    })
    // Only the journal knows which of the two is right: both are made anew from it, one by one.
    indexes.dispute(key.toString('latin1'), rows[1]![0])
  }

  /** Puts that no index knows any more and no later delete explains. */
  async *#journal(): AsyncGenerator<number> {
    const { journal, table } = this.#ledger
    const unexplained = new Map<BinaryKey, number>()
    const through = yield* this.#replay((journal.firstSequence() ?? 1) - 1, unexplained)
    if (unexplained.size === 0) return
    // What was deleted meanwhile: a short way, behind which the table keeps all there is.
    const pin = table.pin()
    try {
      yield* this.#replay(through, unexplained)
      for (const [key, sequence] of unexplained) {
        if (table.get(key) !== undefined || this.#sequenceOf(key) >= sequence) continue
        this.#wrong++
        const [one, other] = this.#ledger.indexes.slots()
        this.#ledger.log.warn('index-wrong', {
          ...one?.where,
          how: 'not what the journal says',
          space: key[0],
        })
        if (one) this.#ledger.indexes.dispute(key, other ?? one)
        // All of them are made anew.
        break
      }
    } finally {
      table.unpin(pin)
    }
  }

  /** Looks at every frame after `sequence`; returns the sequence of the last. */
  async *#replay(sequence: number, unexplained: Map<BinaryKey, number>): AsyncGenerator<number, number> {
    let bytes = 0
    let through = sequence
    for await (const frame of this.#ledger.journal.replay(sequence)) {
      bytes += this.#look(frame, unexplained)
      through = frame.firstSequence + frame.commits.length - 1
      if (bytes < PIECE_BYTES) continue
      yield bytes
      bytes = 0
    }
    yield bytes
    return through
  }

  #look(frame: FrameContent, unexplained: Map<BinaryKey, number>): number {
    let bytes = 0
    for (const { key, payload, sequence } of frame.commits.flat()) {
      bytes += key.length + (payload?.length ?? 0)
      if (!keepsAlive(key)) continue
      if (payload === undefined || this.#sequenceOf(key) >= sequence) unexplained.delete(key)
      else if (unexplained.size < UNEXPLAINED_MAX) unexplained.set(key, sequence)
      else this.#isPartial = true
    }
    return bytes
  }

  /** Of what is under the key now, in the table or in an index; −1 for nothing. A dispute that is being settled says enough. */
  #sequenceOf(key: BinaryKey): number {
    try {
      this.#ledger.indexes.forget([{ key }])
      return this.#ledger.get(key)?.sequence ?? -1
    } catch {
      this.#isPartial = true
      return Number.POSITIVE_INFINITY
    }
  }
}

const walkOf = (slot: IndexSlot): Walk => ({
  slot,
  rows: slot.iterator(SPACE.bucket, undefined),
  ahead: [],
  isAtEnd: false,
})

const fill = async (walk: Walk): Promise<void> => {
  while (walk.ahead.length === 0 && !walk.isAtEnd) {
    const rows = await walk.rows.nextv(ROWS_PER_PIECE)
    walk.isAtEnd = rows.length === 0
    // Each frame says anew what the counters it changed are: an index that lacked one would have it by the next.
    walk.ahead = rows.filter(([key]) => keepsAlive(key.toString('latin1', 0, 1)))
  }
}

/** Takes the rows up to `end`, or all. */
const takeThrough = (walk: Walk, end: Buffer | undefined): [Buffer, Buffer][] => {
  const count = end === undefined ? -1 : walk.ahead.findIndex(([key]) => Buffer.compare(key, end) > 0)
  const rows = walk.ahead
  walk.ahead = count < 0 ? [] : rows.splice(count)
  return rows
}

const isDamaged = (key: Buffer, value: Buffer): boolean => {
  try {
    return decodeRow(key, value) === undefined
  } catch {
    return true
  }
}
