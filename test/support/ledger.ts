// The client's own book of what a store has acknowledged. Lanes write, overwrite, delete and upload in parts, each on keys
// of its own; a request whose answer never came leaves a doubt: before or after, both are right, anything else is not.
// After a restart the store is read against the book, and what it shows settles each doubt for good.
import { createHash } from 'node:crypto'
import { createSigner } from '../../bench/load/presign.ts'
import { createStoreClient, type StoreClient } from '../../bench/load/store-client.ts'
import type { Random } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { bodyOf, type Target } from './s3-client.ts'

/** A body is known by its seed and size; undefined: no object. */
interface Version {
  readonly seed: number
  readonly size: number
  /** A multipart upload of two parts: the first of 5 MiB, then `size` bytes. */
  readonly isParts: boolean
}

interface Entry {
  acknowledged: Version | undefined
  doubtful: { readonly version: Version | undefined } | undefined
}

export interface Ledger {
  /** Loads the store until `isOver` or until it answers no more. Resolves to the number of acknowledged writes. */
  load(target: Target, isOver: () => boolean): Promise<number>
  /** Every key reads as the book says, and the listing shows exactly these. Throws with the first that does not. */
  verify(target: Target): Promise<void>
}

const BUCKET = 'ledger'
const LANES = 6
const KEYS_PER_LANE = 8
const FIRST_PART_BYTES = 5 * MiB
/** Inline, at its edge, packed, one large shard file, several stripes. */
const SIZES = [0, 100, 4 * KiB, 16 * KiB, 16 * KiB + 1, 300 * KiB, MiB + 1, 5 * MiB]
const WEIGHTED_SIZES = [...SIZES.slice(0, 6), ...SIZES.slice(0, 6), ...SIZES]

export const createLedger = (random: Random): Ledger => {
  const entries = new Map<string, Entry>()
  let seed = random.below(2 ** 30)
  const keyOf = (lane: number): string => `lane-${lane}/${random.below(KEYS_PER_LANE)}`

  const write = async (hand: Hand, key: string): Promise<void> => {
    const entry = entries.get(key) ?? { acknowledged: undefined, doubtful: undefined }
    entries.set(key, entry)
    const choice = random.below(20)
    const size = WEIGHTED_SIZES[random.below(WEIGHTED_SIZES.length)] ?? 0
    const version = choice < 4 ? undefined : { seed: seed++, size, isParts: choice === 19 }
    entry.doubtful = { version }
    if (!version) await hand.remove(key)
    else if (version.isParts) await hand.putParts(key, bodiesOf(version))
    else await hand.put(key, bodyOf(version.seed, version.size))
    entry.acknowledged = version
    entry.doubtful = undefined
  }

  return {
    async load(target, isOver) {
      const hand = createHand(target)
      let acknowledged = 0
      const lane = async (number: number): Promise<void> => {
        while (!isOver()) {
          try {
            await write(hand, keyOf(number))
            acknowledged++
          } catch (error) {
            // An answer that is an error would leave a doubt too, but a store that runs must not give one.
            if (error instanceof UnexpectedAnswer && !isOver()) throw error
            return
          }
        }
      }
      try {
        await hand.makeBucket()
        await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)))
      } finally {
        hand.close()
      }
      return acknowledged
    },
    async verify(target) {
      const hand = createHand(target)
      try {
        await hand.makeBucket()
        const present: string[] = []
        for (const [key, entry] of entries) {
          const found = await hand.get(key)
          const candidates = [entry.acknowledged, ...(entry.doubtful ? [entry.doubtful.version] : [])]
          const match = candidates.find((version) => isSame(version, found))
          if (match === undefined && !(found === undefined && candidates.includes(undefined))) {
            throw new Error(
              `${key} is ${describe(found)}, but must be ${candidates.map(describeVersion).join(' or ')}`,
            )
          }
          entry.acknowledged = match
          entry.doubtful = undefined
          if (found) present.push(key)
        }
        const listed = await hand.list()
        if (listed.join('\n') !== present.sort().join('\n')) {
          throw new Error(`the listing shows ${listed.length} keys, the book has ${present.length}`)
        }
      } finally {
        hand.close()
      }
    },
  }
}

const bodiesOf = (version: Version): readonly Uint8Array[] => [
  bodyOf(version.seed, FIRST_PART_BYTES),
  bodyOf(version.seed + 1, version.size + 1),
]

const wholeOf = (version: Version): Uint8Array =>
  version.isParts ? Buffer.concat(bodiesOf(version)) : bodyOf(version.seed, version.size)

const isSame = (version: Version | undefined, found: Buffer | undefined): boolean =>
  version !== undefined && found?.equals(wholeOf(version)) === true

const describe = (found: Buffer | undefined): string =>
  found === undefined
    ? 'not there'
    : `${found.length} bytes with SHA-256 ${createHash('sha256').update(found).digest('hex').slice(0, 12)}`

const describeVersion = (version: Version | undefined): string =>
  version === undefined ? 'not there' : describe(Buffer.from(wholeOf(version)))

class UnexpectedAnswer extends Error {}

interface Hand {
  makeBucket(): Promise<void>
  put(key: string, body: Uint8Array): Promise<void>
  putParts(key: string, bodies: readonly Uint8Array[]): Promise<void>
  remove(key: string): Promise<void>
  get(key: string): Promise<Buffer | undefined>
  list(): Promise<string[]>
  close(): void
}

const createHand = (target: Target): Hand => {
  const signer = createSigner({ ...target, nowMs: Date.now() })
  const client: StoreClient = createStoreClient(target.endpoint, signer)
  const ask = async (
    method: string,
    path: string,
    query: readonly (readonly [string, string])[],
    allowed: readonly number[],
    body?: Uint8Array,
  ): Promise<{ status: number; body: Buffer }> => {
    const answer = await client.send(method, signer.presign(method, path, query), body)
    if (!allowed.includes(answer.status)) {
      throw new UnexpectedAnswer(
        `${method} ${path} was answered ${answer.status}: ${answer.body.subarray(0, 300)}`,
      )
    }
    return answer
  }
  const pathOf = (key: string): string => `/${BUCKET}/${key}`
  return {
    async makeBucket() {
      await ask('PUT', `/${BUCKET}`, [], [200, 409])
    },
    async put(key, body) {
      await ask('PUT', pathOf(key), [], [200], body)
    },
    async putParts(key, bodies) {
      const created = await ask('POST', pathOf(key), [['uploads', '']], [200])
      const upload = /<UploadId>([^<]+)</.exec(String(created.body))?.[1] ?? ''
      for (const [index, body] of bodies.entries()) {
        const query = [
          ['partNumber', String(index + 1)],
          ['uploadId', upload],
        ] as const
        await ask('PUT', pathOf(key), query, [200], body)
      }
      const parts = bodies.map((body, index) => {
        const etag = createHash('md5').update(body).digest('hex')
        return `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`
      })
      const document = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`
      const answer = await ask('POST', pathOf(key), [['uploadId', upload]], [200], Buffer.from(document))
      // A completion that takes long is answered 200 before it is decided; the document has the last word.
      if (!answer.body.includes('<ETag>')) throw new UnexpectedAnswer(`completing ${key}: ${answer.body}`)
    },
    async remove(key) {
      await ask('DELETE', pathOf(key), [], [204])
    },
    async get(key) {
      const { status, body } = await ask('GET', pathOf(key), [], [200, 404])
      return status === 200 ? body : undefined
    },
    async list() {
      const { body } = await ask('GET', `/${BUCKET}`, [['list-type', '2']], [200])
      return [...String(body).matchAll(/<Key>([^<]*)<\/Key>/g)].map((match) => match[1] ?? '')
    },
    close: () => client.close(),
  }
}
