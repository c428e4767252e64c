// What clients ask for, drawn by chance: the same operation for the reference store and for the engine that is compared with it. What
// an engine chooses itself (ids, times, where bytes lie) is left out of what an operation answers.
import { createHash } from 'node:crypto'
import type { Engine, WriteConditions } from '../../src/actors/engine.ts'
import type { UploadId } from '../../src/base/ids.ts'
import type { Random } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import type {
  ChecksumAlgorithm,
  ListedVersion,
  PartRecord,
  VersionRecord,
} from '../../src/metadata/records.ts'
import { drawContent, pick, weighted } from '../support/drawing.ts'
import { bodyOf, readBytes } from './engine-contract.ts'

/** Entries of the store's own configuration. */
export interface Configs {
  put(name: string, value: unknown): Promise<void>
  get(name: string): Promise<unknown>
}

/** An engine, and what is not of a bucket. */
export interface Store extends Engine {
  readonly configs?: Configs
}

/** The model (0) or what is compared with it (1). */
export type Side = 0 | 1

/** One operation; those of a list are asked for at once, and each is about a place of its own. */
export interface Step {
  readonly name: string
  readonly bucket: string
  /** Undefined: it is about the bucket, or about all there is. */
  readonly key?: string
  run(store: Store, side: Side): Promise<unknown>
}

/** An upload under both its ids, and the parts that were put. */
export interface KnownUpload {
  readonly bucket: string
  readonly key: string
  readonly ids: readonly [model: UploadId, subject: UploadId]
  readonly parts: Map<number, string>
}

export const OWNER = 'a'.repeat(64)
export const BUCKETS = ['first-bucket', 'second-bucket'] as const
export const CONFIGS = ['alpha', 'beta'] as const
// Few keys, so that they meet; neighbors in every order that matters to a listing.
export const KEYS = [
  ...['a', 'a/', 'a/1', 'a/2', 'a/b/3', 'a0', 'b', 'b//c', '../x', 'z', 'é', '\uFF5E', '\u{1F600}'],
  'a\u0001',
]
const ALGORITHMS: readonly ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']
/** Later ones are asked for again, and those that are long gone now and then. */
const RECENT_UPLOADS = 6

export const versionView = ({ sequence: _s, modifiedMs: _m, data: _d, ...facts }: VersionRecord) => facts
export const listedView = ({ modifiedMs: _m, ...facts }: ListedVersion) => facts
export const partView = ({ modifiedMs: _m, data: _d, ...facts }: PartRecord) => facts
export const etagOf = (content: Uint8Array): string => createHash('md5').update(content).digest('hex')

/** Of each way a body may be kept; most are small, so that a history is long rather than heavy. */
const SIZES: readonly (readonly [number, (random: Random) => number])[] = [
  [1400, (random) => random.below(200)],
  [40, (random) => pick(random, [0, 1, 16 * KiB - 1, 16 * KiB, 16 * KiB + 1])],
  [300, (random) => 2 * KiB + random.below(12 * KiB)],
  [180, (random) => 17 * KiB + random.below(60 * KiB)],
  [40, (random) => 100 * KiB + random.below(200 * KiB)],
  [1, () => MiB + 7],
  [2, (random) => 2 * MiB + random.below(100 * KiB)],
]

export type OperationKind = keyof typeof KINDS

const KINDS = {
  put: 24,
  'put many': 3,
  remove: 8,
  'remove many': 2,
  head: 8,
  read: 15,
  list: 10,
  copy: 3,
  begin: 4,
  'put part': 8,
  complete: 5,
  abort: 2,
  'list parts': 2,
  'list uploads': 4,
  'create bucket': 1,
  'delete bucket': 1,
  'list buckets': 1,
  configure: 2,
} as const

export const OPERATION_WEIGHTS = Object.entries(KINDS).map(
  ([kind, weight]) => [weight, kind as OperationKind] as const,
)

type Draw = (random: Random) => Step

export class Operations {
  readonly uploads: KnownUpload[] = []
  #lastEtag = 'none'

  draw(kind: OperationKind, random: Random): Step[] {
    if (kind === 'put many' || kind === 'remove many') {
      const one = kind === 'put many' ? this.#put : this.#remove
      const steps = Array.from({ length: 2 + random.below(5) }, () => one(random))
      const placeOf = ({ bucket, key }: Step): string => JSON.stringify([bucket, key])
      return [...new Map(steps.map((step) => [placeOf(step), step])).values()]
    }
    return [this.#draws[kind](random)]
  }

  /** An upload that is open on both sides and that nobody knew of yet. */
  noteUpload(upload: Omit<KnownUpload, 'parts'>): void {
    this.uploads.push({ ...upload, parts: new Map() })
  }

  readonly #where = (random: Random): { bucket: string; key: string } => ({
    bucket: BUCKETS[random.below(10) === 0 ? 1 : 0],
    key: pick(random, KEYS),
  })

  #conditions(random: Random): { conditions?: WriteConditions } {
    const kind = random.below(8)
    if (kind === 0) return { conditions: { ifNoneMatch: ['*'] } }
    if (kind > 1) return {}
    return { conditions: { ifMatch: [pick(random, ['*', this.#lastEtag, 'other'])] } }
  }

  readonly #put: Draw = (random) => {
    const content = drawContent(random, weighted(random, SIZES)(random))
    const checksum = algorithmOf(random)
    const metadata = random.below(3) === 0 ? ([['color', 'grün']] as const) : []
    const headers = random.below(4) === 0 ? ([['content-type', 'text/plain']] as const) : []
    const where = this.#where(random)
    const request = { ...where, owner: OWNER, headers, metadata, ...this.#conditions(random) }
    this.#lastEtag = etagOf(content)
    return {
      name: `put ${content.length}`,
      ...where,
      run: async (store) => versionView(await store.objects.put(request, bodyOf(content, checksum))),
    }
  }

  readonly #remove: Draw = (random) => {
    const where = this.#where(random)
    const address = { ...where, ...versionOf(random) }
    const { conditions } = this.#conditions(random)
    return { name: 'remove', ...where, run: (store) => store.objects.delete(address, conditions) }
  }

  readonly #head: Draw = (random) => {
    const where = this.#where(random)
    const address = { ...where, ...versionOf(random) }
    return { name: 'head', ...where, run: async (store) => versionView(await store.objects.head(address)) }
  }

  readonly #read: Draw = (random) => {
    const where = this.#where(random)
    const from = random.below(2) === 0 ? 0 : random.below(1000) / 1000
    const share = random.below(1001) / 1000
    return {
      name: 'read',
      ...where,
      async run(store) {
        const { size } = await store.objects.head(where)
        const start = Math.floor(size * from)
        return etagOf(await readBytes(store, where, { start, length: Math.floor((size - start) * share) }))
      },
    }
  }

  /** As the handler of COPY does: what is read is written. */
  readonly #copy: Draw = (random) => {
    const [source, where] = [this.#where(random), this.#where(random)]
    const request = { ...where, owner: OWNER, headers: [], metadata: [], ...this.#conditions(random) }
    return {
      name: 'copy',
      ...where,
      run: async (store) =>
        versionView(await store.objects.put(request, bodyOf(await readBytes(store, source)))),
    }
  }

  readonly #list: Draw = (random) => {
    const { bucket } = this.#where(random)
    const request = {
      bucket,
      prefix: pick(random, ['', '', 'a', 'a/', 'b/', 'none']),
      delimiter: pick(random, ['', '/', '/', '//']),
      after: pick(random, ['', '', 'a/', 'a/1', 'b', 'é', '\uFF5E']),
      limit: pick(random, [0, 1, 2, 3, 1000]),
    }
    return {
      name: 'list',
      bucket,
      async run(store) {
        const { versions, prefixes, next } = await store.objects.list(request)
        return { versions: versions.map(listedView), prefixes, next }
      },
    }
  }

  readonly #begin: Draw = (random) => {
    const checksumAlgorithm = algorithmOf(random)
    const checksumType = checksumAlgorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE'
    const kind = checksumAlgorithm && { checksumAlgorithm, checksumType: checksumType as 'COMPOSITE' }
    const where = this.#where(random)
    const request = { ...where, owner: OWNER, headers: [], metadata: [], ...kind }
    const ids: UploadId[] = []
    return {
      name: 'begin',
      ...where,
      run: async (store, side) => {
        ids[side] = (await store.uploads.create(request)).id
        const [model, subject] = ids
        if (model !== undefined && subject !== undefined) {
          this.noteUpload({ ...where, ids: [model, subject] })
        }
        return 'begun'
      },
    }
  }

  /** What is done to an upload that was begun; without one it is begun. */
  #onUpload(random: Random, draw: (known: KnownUpload) => Step): Step {
    const { uploads } = this
    if (uploads.length === 0) return this.#begin(random)
    return draw(pick(random, random.below(10) === 0 ? uploads : uploads.slice(-RECENT_UPLOADS)))
  }

  readonly #putPart: Draw = (random) =>
    this.#onUpload(random, (known) => {
      const isLong = random.below(140) === 0
      const content = drawContent(random, isLong ? 5 * MiB : weighted(random, SIZES)(random))
      const partNumber = isLong ? 1 : 1 + random.below(3)
      known.parts.set(partNumber, etagOf(content))
      return {
        name: `put part ${partNumber}, ${content.length}`,
        ...placeOf(known),
        async run(store, side) {
          const address = addressOf(known, side)
          const { checksumAlgorithm } = await store.uploads.get(address)
          const body = bodyOf(content, checksumAlgorithm)
          return partView(await store.uploads.putPart(address, partNumber, body))
        },
      }
    })

  readonly #complete: Draw = (random) =>
    this.#onUpload(random, (known) => {
      // Most often all there are.
      const all = [...known.parts.keys()].sort()
      const numbers = pick(random, [all, all, [1], [2], [1, 2], [2, 1], [3]])
      const parts = numbers.map((partNumber) => ({ partNumber, etag: known.parts.get(partNumber) ?? 'none' }))
      const guard = this.#conditions(random)
      const isNamed = random.below(3) > 0
      return {
        name: `complete ${numbers}`,
        ...placeOf(known),
        async run(store, side) {
          const address = addressOf(known, side)
          // What was completed is asked for again without a look at what is gone.
          const { parts: stored } = await store.uploads
            .listParts(address, { after: 0, limit: 10 })
            .catch(() => ({ parts: [] }))
          const named = parts.map((part) => {
            const checksum = stored.find(({ partNumber }) => partNumber === part.partNumber)?.checksum
            return isNamed && checksum ? { ...part, checksum } : part
          })
          return versionView(await store.uploads.complete({ ...address, parts: named, ...guard }))
        },
      }
    })

  readonly #abort: Draw = (random) =>
    this.#onUpload(random, (known) => ({
      name: 'abort',
      ...placeOf(known),
      run: (store, side) => store.uploads.abort(addressOf(known, side)),
    }))

  readonly #listParts: Draw = (random) =>
    this.#onUpload(random, (known) => {
      const page = { after: random.below(3), limit: 1 + random.below(2) }
      return {
        name: 'list parts',
        ...placeOf(known),
        async run(store, side) {
          const { parts, next } = await store.uploads.listParts(addressOf(known, side), page)
          return { parts: parts.map(partView), next }
        },
      }
    })

  readonly #listUploads: Draw = (random) => {
    const { bucket } = this.#where(random)
    const request = {
      ...{ bucket, prefix: pick(random, ['', 'a']), delimiter: pick(random, ['', '/']) },
      ...{ after: { key: pick(random, ['', '', 'a', 'b']), upload: '' }, limit: pick(random, [1, 2, 1000]) },
    }
    return {
      name: 'list uploads',
      bucket,
      async run(store) {
        const page = await store.uploads.list(request)
        return { keys: page.uploads.map(({ key }) => key), prefixes: page.prefixes, next: page.next?.key }
      },
    }
  }

  readonly #configure: Draw = (random) => {
    const name = pick(random, CONFIGS)
    const value = random.below(4) === 0 ? undefined : { value: random.below(1000) }
    return {
      name: 'configure',
      bucket: '',
      async run({ configs }) {
        await configs?.put(name, value)
        return configs?.get(name)
      },
    }
  }

  #onBucket(name: string, run: (store: Store, bucket: string) => Promise<unknown>): Draw {
    return (random) => {
      const bucket = pick(random, BUCKETS)
      return { name, bucket, run: (store) => run(store, bucket) }
    }
  }

  readonly #draws: Readonly<Record<Exclude<OperationKind, 'put many' | 'remove many'>, Draw>> = {
    put: this.#put,
    remove: this.#remove,
    head: this.#head,
    read: this.#read,
    list: this.#list,
    copy: this.#copy,
    begin: this.#begin,
    'put part': this.#putPart,
    complete: this.#complete,
    abort: this.#abort,
    'list parts': this.#listParts,
    'list uploads': this.#listUploads,
    configure: this.#configure,
    'create bucket': this.#onBucket('create bucket', async (store, bucket) => {
      return (await store.buckets.create(bucket, { owner: OWNER, region: 'us-east-1' })).name
    }),
    'delete bucket': this.#onBucket('delete bucket', (store, bucket) => store.buckets.delete(bucket)),
    'list buckets': this.#onBucket('list buckets', async (store, after) => {
      const page = { prefix: '', after: after === BUCKETS[0] ? '' : after, limit: 1 }
      const { buckets, next } = await store.buckets.list(page)
      return { names: buckets.map(({ name }) => name), next }
    }),
  }
}

const algorithmOf = (random: Random): ChecksumAlgorithm | undefined =>
  random.below(3) === 0 ? pick(random, ALGORITHMS) : undefined
const versionOf = (random: Random): { versionId?: string } =>
  random.below(10) === 0 ? { versionId: pick(random, ['null', 'x']) } : {}
const placeOf = ({ bucket, key }: KnownUpload): { bucket: string; key: string } => ({ bucket, key })
const addressOf = (known: KnownUpload, side: Side) => ({ ...placeOf(known), upload: known.ids[side] })
