// The client's own book of what a store has acknowledged. Lanes write, overwrite, copy, delete and upload in parts, each on
// keys of its own; a request whose answer never came leaves a doubt: before or after, both are right, anything else is not. A
// key in doubt is left alone until, after a restart, the store is read against the book and shows which it is, for good.
import { createHash } from 'node:crypto'
import type { Random } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { createLedgerHand, type Hand, UnexpectedAnswer } from './ledger-hand.ts'
import { bodyOf, type Target } from './s3-client.ts'

/** A body is known by its seed and size; undefined: no object. */
interface Version {
  readonly seed: number
  readonly size: number
  /** A multipart upload of two parts: the first of 5 MiB, then `size` bytes. */
  readonly isParts: boolean
  /** What the store said it is; undefined as long as the answer never came. */
  readonly etag?: string | undefined
}

interface Entry {
  readonly key: string
  acknowledged: Version | undefined
  doubtful: { readonly version: Version | undefined } | undefined
}

/** `doubtful`: a completion or an abortion was asked for. */
interface Upload {
  readonly key: string
  readonly id: string
  state: 'open' | 'doubtful'
}

export interface Ledger {
  /** Loads the store until `isOver` or until it answers no more. Resolves to the number of acknowledged writes. */
  load(target: Target, isOver: () => boolean): Promise<number>
  /** Every key reads as the book says, and the listings show exactly these and the open uploads. Throws with the first that does not. */
  verify(target: Target): Promise<void>
  /** How often each kind of operation was acknowledged. */
  readonly tally: ReadonlyMap<string, number>
}

export const LEDGER_BUCKET = 'ledger'
const LANES = 6
const KEYS_PER_LANE = 8
const FIRST_PART_BYTES = 5 * MiB
/** Inline, at its edge, packed, one large shard file, several stripes. */
const SIZES = [0, 100, 4 * KiB, 16 * KiB, 16 * KiB + 1, 300 * KiB, MiB + 1, 5 * MiB]
const WEIGHTED_SIZES = [...SIZES.slice(0, 6), ...SIZES.slice(0, 6), ...SIZES]
const REMOVED_AT_ONCE = 3
const PAUSE_MS = 50
/** Of the operations, in their order below. */
const WEIGHTS = {
  put: 9,
  conditional: 3,
  refused: 1,
  copy: 2,
  remove: 2,
  removeMany: 1,
  parts: 1,
  abandon: 1,
  abort: 1,
}

type Operation = keyof typeof WEIGHTS
const OPERATIONS = Object.entries(WEIGHTS).flatMap(([name, weight]) =>
  Array<Operation>(weight).fill(name as Operation),
)

const kindOf = (version: Version): string => {
  if (version.isParts) return 'multipart'
  if (version.size <= 16 * KiB) return 'inline'
  return version.size <= MiB ? 'packed' : 'large'
}

class Book implements Ledger {
  readonly #random: Random
  readonly #entries = new Map<string, Entry>()
  #uploads: Upload[] = []
  /** Keys of uploads that were asked for and not answered. */
  readonly #begun = new Set<string>()
  readonly tally = new Map<string, number>()
  #seed: number

  constructor(random: Random) {
    this.#random = random
    this.#seed = random.below(2 ** 30)
  }

  #count(what: string): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + 1)
  }

  /** Of the lane's keys without a doubt a random one; undefined when there is none. */
  #pick(lane: number, isWanted: (entry: Entry) => boolean = () => true): Entry | undefined {
    const keys = Array.from({ length: KEYS_PER_LANE }, (_, number) => `lane-${lane}/${number}`)
    const entries = keys.map((key): Entry => {
      const entry = this.#entries.get(key) ?? { key, acknowledged: undefined, doubtful: undefined }
      this.#entries.set(key, entry)
      return entry
    })
    const free = entries.filter((entry) => !entry.doubtful && isWanted(entry))
    return free[this.#random.below(Math.max(1, free.length))]
  }

  #newVersion(isParts: boolean): Version {
    const size = WEIGHTED_SIZES[this.#random.below(WEIGHTED_SIZES.length)] ?? 0
    this.#seed += 2
    return { seed: this.#seed, size, isParts }
  }

  /** The doubt stands from the request to its answer. */
  async #write(
    entry: Entry,
    version: Version | undefined,
    send: () => Promise<string | undefined>,
  ): Promise<void> {
    const replaced = entry.acknowledged
    entry.doubtful = { version }
    const etag = await send()
    entry.acknowledged = version && { ...version, etag }
    entry.doubtful = undefined
    if (version && replaced) this.#count('overwrite')
  }

  /** One operation; returns what was acknowledged, or undefined when there was nothing to do it to. */
  async #step(hand: Hand, lane: number): Promise<string | undefined> {
    const operation = OPERATIONS[this.#random.below(OPERATIONS.length)]!
    if (operation === 'abort') return this.#abort(hand, lane)
    const entry = this.#pick(lane)
    if (!entry) return undefined
    const { key } = entry
    const version = this.#newVersion(operation === 'parts')
    const body = (): Uint8Array => bodyOf(version.seed, version.size)
    switch (operation) {
      case 'put':
        await this.#write(entry, version, () => hand.put(key, body()))
        return kindOf(version)
      case 'conditional':
        await this.#write(entry, version, () => hand.put(key, body(), conditionOn(entry.acknowledged)))
        return 'conditional'
      case 'refused':
        await hand.putRefused(key, body(), conditionAgainst(entry.acknowledged))
        return 'refused'
      case 'copy': {
        const source = this.#pick(lane, ({ acknowledged }) => acknowledged !== undefined)
        if (!source || source === entry) return undefined
        const { seed, size, isParts } = source.acknowledged!
        await this.#write(entry, { seed, size, isParts }, () => hand.copy(source.key, key))
        return 'copy'
      }
      case 'remove':
        await this.#write(entry, undefined, () => hand.remove(key))
        return 'delete'
      case 'removeMany':
        return this.#removeMany(hand, lane)
      case 'parts':
        await this.#putParts(hand, entry, version)
        return 'multipart'
      case 'abandon':
        await this.#beginUpload(hand, key, [body()])
        return 'upload'
    }
  }

  async #removeMany(hand: Hand, lane: number): Promise<string> {
    const chosen: Entry[] = []
    for (let left = REMOVED_AT_ONCE; left > 0; left--) {
      const entry = this.#pick(lane)
      if (!entry) break
      entry.doubtful = { version: undefined }
      chosen.push(entry)
    }
    await hand.removeMany(chosen.map(({ key }) => key))
    for (const entry of chosen) {
      entry.acknowledged = undefined
      entry.doubtful = undefined
    }
    return 'delete-objects'
  }

  async #beginUpload(hand: Hand, key: string, bodies: readonly Uint8Array[]): Promise<Upload> {
    this.#begun.add(key)
    const upload: Upload = { key, id: await hand.createUpload(key), state: 'open' }
    this.#begun.delete(key)
    this.#uploads.push(upload)
    for (const [index, body] of bodies.entries()) await hand.putPart(upload, index + 1, body)
    return upload
  }

  async #putParts(hand: Hand, entry: Entry, version: Version): Promise<void> {
    const bodies = bodiesOf(version)
    const upload = await this.#beginUpload(hand, entry.key, bodies)
    upload.state = 'doubtful'
    await this.#write(entry, version, () => hand.completeUpload(upload, bodies))
    this.#uploads = this.#uploads.filter((other) => other !== upload)
  }

  async #abort(hand: Hand, lane: number): Promise<string | undefined> {
    const upload = this.#uploads.find(({ key, state }) => state === 'open' && key.startsWith(`lane-${lane}/`))
    if (!upload) return undefined
    upload.state = 'doubtful'
    await hand.abortUpload(upload)
    this.#uploads = this.#uploads.filter((other) => other !== upload)
    return 'abort'
  }

  async load(target: Target, isOver: () => boolean): Promise<number> {
    const hand = createLedgerHand(target, LEDGER_BUCKET)
    let acknowledged = 0
    const lane = async (number: number): Promise<void> => {
      while (!isOver()) {
        try {
          const done = await this.#step(hand, number)
          if (done === undefined) {
            // Every key of the lane may be in doubt: then it waits for the end.
            await pause(1)
            continue
          }
          this.#count(done)
          acknowledged++
        } catch (error) {
          // "Later" leaves a doubt; any other error that a store gives while it runs is one too many.
          if (error instanceof UnexpectedAnswer && !isOver()) {
            if (error.status !== 503) throw error
            this.#count('503')
            await pause(PAUSE_MS)
          } else return
        }
      }
    }
    try {
      // A server that is killed at once is gone before that is answered.
      const isThere = await hand.makeBucket().then(
        () => true,
        (error: unknown) => {
          if (error instanceof UnexpectedAnswer) throw error
          return false
        },
      )
      if (isThere) await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)))
    } finally {
      hand.close()
    }
    return acknowledged
  }

  async verify(target: Target): Promise<void> {
    const hand = createLedgerHand(target, LEDGER_BUCKET)
    try {
      await hand.makeBucket()
      const present: string[] = []
      for (const entry of this.#entries.values()) {
        const version = await this.#settle(hand, entry)
        if (version) present.push(`${entry.key} ${sizeOf(version)}`)
      }
      const listed = await hand.list()
      if (listed.join('\n') !== present.sort().join('\n')) {
        throw new Error(
          `the listing shows ${listed.length} keys, the book has ${present.length}: ${differenceOf(listed, present)}`,
        )
      }
      await this.#verifyUploads(hand)
    } finally {
      hand.close()
    }
  }

  async #settle(hand: Hand, entry: Entry): Promise<Version | undefined> {
    const { key } = entry
    const found = await hand.get(key)
    const candidates = [entry.acknowledged, ...(entry.doubtful ? [entry.doubtful.version] : [])]
    const match = candidates.find((version) => isSame(version, found?.body))
    if (match === undefined && !(found === undefined && candidates.includes(undefined))) {
      throw new Error(
        `${key} is ${describe(found?.body)}, but must be ${candidates.map(describeVersion).join(' or ')}`,
      )
    }
    const head = await hand.head(key)
    if (head?.etag !== found?.etag || head?.size !== found?.body.length) {
      throw new Error(
        `HEAD ${key} says ${JSON.stringify(head)}, GET ${found?.etag} and ${describe(found?.body)}`,
      )
    }
    if (match?.etag !== undefined && match.etag !== found?.etag) {
      throw new Error(`${key} has the ETag ${found?.etag}, and was acknowledged with ${match.etag}`)
    }
    entry.acknowledged = match && { ...match, etag: found?.etag }
    entry.doubtful = undefined
    return match
  }

  async #verifyUploads(hand: Hand): Promise<void> {
    const listed = await hand.listUploads()
    for (const { key, id, state } of this.#uploads) {
      if (state === 'open' && !listed.some((other) => other.id === id)) {
        throw new Error(`the upload ${id} of ${key} was acknowledged and never ended, and is gone`)
      }
    }
    for (const { key, id } of listed) {
      if (!this.#uploads.some((other) => other.id === id) && !this.#begun.has(key)) {
        throw new Error(`there is an upload ${id} of ${key} that ended, or that nobody began`)
      }
    }
    this.#uploads = listed.map((upload) => ({ ...upload, state: 'open' }))
    this.#begun.clear()
  }
}

export const createLedger = (random: Random): Ledger => new Book(random)

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))

/** A condition that holds. */
const conditionOn = (version: Version | undefined): readonly [string, string] =>
  version?.etag === undefined ? ['If-None-Match', '*'] : ['If-Match', version.etag]

/** One that does not: the store answers 412, or 404 where there is nothing to match. */
const conditionAgainst = (version: Version | undefined): readonly [string, string] =>
  version === undefined ? ['If-Match', '"0123456789abcdef0123456789abcdef"'] : ['If-None-Match', '*']

const bodiesOf = (version: Version): readonly Uint8Array[] => [
  bodyOf(version.seed, FIRST_PART_BYTES),
  bodyOf(version.seed + 1, version.size + 1),
]

const wholeOf = (version: Version): Uint8Array =>
  version.isParts ? Buffer.concat(bodiesOf(version)) : bodyOf(version.seed, version.size)

const sizeOf = ({ isParts, size }: Version): number => (isParts ? FIRST_PART_BYTES + size + 1 : size)

const isSame = (version: Version | undefined, found: Buffer | undefined): boolean =>
  version !== undefined && found?.length === sizeOf(version) && found.equals(wholeOf(version))

const describe = (found: Uint8Array | undefined): string =>
  found === undefined
    ? 'not there'
    : `${found.length} bytes with SHA-256 ${createHash('sha256').update(found).digest('hex').slice(0, 12)}`

const describeVersion = (version: Version | undefined): string =>
  version === undefined ? 'not there' : describe(wholeOf(version))

const differenceOf = (listed: readonly string[], present: readonly string[]): string => {
  const [shown, kept] = [new Set(listed), new Set(present)]
  const extra = listed.filter((line) => !kept.has(line)).map((line) => `+${line}`)
  return [...extra, ...present.filter((line) => !shown.has(line)).map((line) => `-${line}`)].join(', ')
}
