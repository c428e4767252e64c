// Random histories: the same operations, in the same order, on an engine and on the reference store; every answer must be
// the same, errors by their code, restarts included. What an engine chooses itself (ids, times, where bytes lie) is left
// out of the comparison; that versions of one key grow in number is checked instead.
import { createHash } from 'node:crypto'
import type { Engine, WriteConditions } from '../../src/actors/engine.ts'
import { codeOf } from '../../src/base/errors.ts'
import type { UploadId } from '../../src/base/ids.ts'
import type { Random } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import type {
  ChecksumAlgorithm,
  ListedVersion,
  PartRecord,
  VersionRecord,
} from '../../src/metadata/records.ts'
import { assert } from '../support/uvu.ts'
import { bodyOf, readBytes } from './engine-contract.ts'
import { createReferenceStore } from './reference-store.ts'

export interface HistoryOptions {
  readonly random: Random
  readonly steps: number
  /** Stops the engine in whatever way the test is about and starts it again; called now and then between two steps. */
  readonly restart?: () => Promise<Engine>
}

const OWNER = 'a'.repeat(64)
const BUCKETS = ['first-bucket', 'second-bucket']
// Few keys, so that they meet; neighbors in every order that matters to a listing.
const KEYS = [
  'a',
  'a/',
  'a/1',
  'a/2',
  'a/b/3',
  'a0',
  'b',
  'b//c',
  '../x',
  'z',
  'é',
  '\uFF5E',
  '\u{1F600}',
  'a\u0001',
]
const ALGORITHMS: readonly ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']

/** An upload under both its ids, and the parts that were put as each engine sees them. */
interface KnownUpload {
  readonly bucket: string
  readonly key: string
  readonly ids: readonly [model: UploadId, subject: UploadId]
  readonly parts: Map<number, string>
}

/** Runs on the model (0) and on the subject (1). */
type Operation = (engine: Engine, side: 0 | 1) => Promise<unknown>

const versionView = ({ sequence: _s, modifiedMs: _m, data: _d, ...facts }: VersionRecord) => facts
const listedView = ({ modifiedMs: _m, ...facts }: ListedVersion) => facts
const partView = ({ modifiedMs: _m, data: _d, ...facts }: PartRecord) => facts

const outcomeOf = async (operation: Operation, engine: Engine, side: 0 | 1): Promise<unknown> => {
  try {
    return { value: await operation(engine, side) }
  } catch (error) {
    // A programming error has no place in either.
    assert.is.not(codeOf(error), 'UNEXPECTED', String((error as Error).stack))
    return { code: codeOf(error) }
  }
}

const createHistory = (random: Random) => {
  const uploads: KnownUpload[] = []
  const pick = <T>(items: readonly T[]): T => items[random.below(items.length)]!
  const bucket = (): string => (random.below(10) === 0 ? 'second-bucket' : 'first-bucket')
  const where = (): { bucket: string; key: string } => ({ bucket: bucket(), key: pick(KEYS) })
  const bytes = (): Uint8Array => {
    const size = pick([0, 1, 100, 16 * KiB - 1, 16 * KiB, 16 * KiB + 1, 64 * KiB + 1, 300_000, MiB + 7])
    // Many sizes are rare, so that a history is long rather than heavy.
    const bounded = random.below(4) === 0 ? size : Math.min(size, 200)
    return random.bytes(bounded)
  }
  const etagOf = (content: Uint8Array): string => createHash('md5').update(content).digest('hex')
  let lastEtag = 'none'
  const conditions = (): { conditions?: WriteConditions } => {
    const kind = random.below(8)
    if (kind === 0) return { conditions: { ifNoneMatch: ['*'] } }
    if (kind === 1) return { conditions: { ifMatch: [pick(['*', lastEtag, 'other'])] } }
    return {}
  }
  const algorithm = (): ChecksumAlgorithm | undefined =>
    random.below(3) === 0 ? pick(ALGORITHMS) : undefined

  const put = (): Operation => {
    const content = bytes()
    const checksum = algorithm()
    const metadata = random.below(3) === 0 ? ([['color', 'grün']] as const) : []
    const request = { ...where(), owner: OWNER, headers: [], metadata, ...conditions() }
    lastEtag = etagOf(content)
    return async (engine) => versionView(await engine.objects.put(request, bodyOf(content, checksum)))
  }
  const version = () => (random.below(10) === 0 ? { versionId: pick(['null', 'x']) } : {})
  const remove = (): Operation => {
    const address = { ...where(), ...version() }
    const { conditions: guard } = conditions()
    return (engine) => engine.objects.delete(address, guard)
  }
  const head = (): Operation => {
    const address = { ...where(), ...version() }
    return async (engine) => versionView(await engine.objects.head(address))
  }
  const read = (): Operation => {
    const address = where()
    const [from, share] = [random.below(1000) / 1000, random.below(1001) / 1000]
    return async (engine) => {
      const { size } = await engine.objects.head(address)
      const start = Math.floor(size * from)
      return etagOf(await readBytes(engine, address, { start, length: Math.floor((size - start) * share) }))
    }
  }
  const list = (): Operation => {
    const request = {
      bucket: bucket(),
      prefix: pick(['', '', 'a', 'a/', 'b/', 'none']),
      delimiter: pick(['', '/', '/', '//']),
      after: pick(['', '', 'a/', 'a/1', 'b', 'é', '\uFF5E']),
      limit: pick([0, 1, 2, 3, 1000]),
    }
    return async (engine) => {
      const { versions, prefixes, next } = await engine.objects.list(request)
      return { versions: versions.map(listedView), prefixes, next }
    }
  }
  const buckets = (): Operation => {
    const name = pick(BUCKETS)
    return pick<Operation>([
      async (engine) => (await engine.buckets.create(name, { owner: OWNER, region: 'us-east-1' })).name,
      (engine) => engine.buckets.delete(name),
      async (engine) =>
        (await engine.buckets.list({ prefix: '', after: '', limit: 10 })).buckets.map((found) => found.name),
    ])
  }
  const begin = (): Operation => {
    const checksumAlgorithm = algorithm()
    const checksumType = checksumAlgorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE'
    const kind = checksumAlgorithm && { checksumAlgorithm, checksumType: checksumType as 'COMPOSITE' }
    const request = { ...where(), owner: OWNER, headers: [], metadata: [], ...kind }
    const ids: UploadId[] = []
    return async (engine, side) => {
      ids[side] = (await engine.uploads.create(request)).id
      const [model, subject] = ids
      if (side === 0 || model === undefined || subject === undefined) return 'begun'
      uploads.push({ bucket: request.bucket, key: request.key, ids: [model, subject], parts: new Map() })
      return 'begun'
    }
  }
  const upload = (): Operation => {
    const known = uploads.length === 0 ? undefined : pick(uploads)
    if (known === undefined) return begin()
    const address = (side: 0 | 1) => ({ bucket: known.bucket, key: known.key, upload: known.ids[side] })
    const kind = random.below(6)
    if (kind < 3) {
      const content = bytes()
      const partNumber = 1 + random.below(3)
      known.parts.set(partNumber, etagOf(content))
      return async (engine, side) => {
        const { checksumAlgorithm } = await engine.uploads.get(address(side))
        return partView(
          await engine.uploads.putPart(address(side), partNumber, bodyOf(content, checksumAlgorithm)),
        )
      }
    }
    if (kind === 3) {
      const numbers = pick([[1], [2], [1, 2], [2, 1], [3]])
      const parts = numbers.map((partNumber) => ({ partNumber, etag: known.parts.get(partNumber) ?? 'none' }))
      const guard = conditions()
      const isNamed = random.below(3) > 0
      return async (engine, side) => {
        const { parts: stored } = await engine.uploads.listParts(address(side), { after: 0, limit: 10 })
        const named = parts.map((part) => {
          const checksum = stored.find(({ partNumber }) => partNumber === part.partNumber)?.checksum
          return isNamed && checksum ? { ...part, checksum } : part
        })
        return versionView(await engine.uploads.complete({ ...address(side), parts: named, ...guard }))
      }
    }
    if (kind === 4) return (engine, side) => engine.uploads.abort(address(side))
    return async (engine, side) => {
      const { parts, next } = await engine.uploads.listParts(address(side), { after: 1, limit: 1 })
      return { parts: parts.map(partView), next }
    }
  }
  const listUploads = (): Operation => {
    const request = {
      bucket: bucket(),
      prefix: pick(['', 'a']),
      delimiter: pick(['', '/']),
      after: { key: pick(['', '', 'a', 'b']), upload: '' },
      limit: pick([1, 2, 1000]),
    }
    return async (engine) => {
      const page = await engine.uploads.list(request)
      return { keys: page.uploads.map(({ key }) => key), prefixes: page.prefixes, next: page.next?.key }
    }
  }
  const kinds = [
    put,
    put,
    put,
    put,
    remove,
    head,
    read,
    read,
    list,
    list,
    begin,
    upload,
    upload,
    upload,
    listUploads,
  ]
  return (): { name: string; operation: Operation } => {
    const kind = random.below(40) === 0 ? buckets : pick(kinds)
    return { name: kind.name, operation: kind() }
  }
}

/** Throws at the first answer that differs, naming the step. The engine must be empty. */
export const compareHistory = async (
  subject: Engine,
  { random, steps, restart }: HistoryOptions,
): Promise<void> => {
  const model = createReferenceStore()
  const next = createHistory(random)
  let engine = subject
  for (const side of [model, engine]) {
    await side.buckets.create('first-bucket', { owner: OWNER, region: 'us-east-1' })
  }
  for (let step = 0; step < steps; step++) {
    if (restart !== undefined && random.below(100) === 0) engine = await restart()
    const { name, operation } = next()
    const expected = await outcomeOf(operation, model, 0)
    const actual = await outcomeOf(operation, engine, 1)
    assert.equal(actual, expected, `step ${step}: ${name}`)
  }
  assert.is(model.leases(), 0, 'the history gives back what it takes')
}
