// What happens to the store before its power is cut, and what it may show afterwards: what was acknowledged is whole, what was
// not is whole or not there, an overwritten object is the old or the new one, and nothing else appears.
import { createHash } from 'node:crypto'
import { INLINE_BYTES_MAX } from '../../src/actors/store-body.ts'
import type { FileSystem } from '../../src/base/files.ts'
import { createPrng } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import type { VersionRecord } from '../../src/metadata/records.ts'
import { bodyOf } from '../model/engine-contract.ts'
import type { SimulatedStore } from '../support/simulated-store.ts'
import type { Life } from '../support/store-crash.ts'
import { assert } from '../support/uvu.ts'

/** 2+1: the fewest disks where a shard is not the object, the journal is not on all of them, and one may be out. */
export const ROOTS = ['/d1', '/d2', '/d3']
export const OWNER = 'a'.repeat(64)
export const BUCKET = 'bucket'

export type Kind = 'inline' | 'packed' | 'large'
export const KINDS: readonly Kind[] = ['inline', 'packed', 'large']
/** In the journal; in volumes, three blocks a shard; in files, two stripes of which the second is short. */
const SIZES: Record<Kind, number> = { inline: 5 * KiB, packed: 260 * KiB, large: 2 * MiB + 20 * KiB }

export interface Body {
  readonly etag: string
  readonly bytes: Buffer
  /** What it comes to on each disk: shards in files of their own, and shards in volumes. */
  readonly files: number
  readonly packed: number
}
type Bodies = Readonly<Record<Kind, Body>>

export const md5 = (bytes: Uint8Array): Buffer => createHash('md5').update(bytes).digest()
/** Every body there is, by its ETag. */
export const bodies = new Map<string, Body>()
export const remember = (body: Body): Body => {
  bodies.set(body.etag, body)
  return body
}
export const bodyFrom = (size: number, seed: number): Body => {
  const bytes = Buffer.from(createPrng(seed).bytes(size))
  const files = size >= 2 * MiB ? 1 : 0
  const packed = size > INLINE_BYTES_MAX && files === 0 ? 1 : 0
  return remember({ etag: md5(bytes).toString('hex'), bytes, files, packed })
}
export const [first, second, other] = [1, 2, 3].map((round) => ({
  inline: bodyFrom(SIZES.inline, round),
  packed: bodyFrom(SIZES.packed, round + 10),
  large: bodyFrom(SIZES.large, round + 20),
})) as [Bodies, Bodies, Bodies]

export const put = (store: SimulatedStore, key: string, bytes: Uint8Array): Promise<VersionRecord> =>
  store.engine.objects.put({ bucket: BUCKET, key, owner: OWNER, headers: [], metadata: [] }, bodyOf(bytes))

export const createBucket = ({ engine }: SimulatedStore): Promise<unknown> =>
  engine.buckets.create(BUCKET, { owner: OWNER, region: 'us-east-1' })

/** What there is: the bucket, what each key holds by its ETag, and uploads. */
export type Shown = Map<string, string>
export const THE_BUCKET = 'the bucket'
export const THERE = 'is there'
export const uploadOf = (key: string): string => `upload of ${key}`

/** All of it happens, or nothing: of each key what it shows before and after, undefined for nothing. */
export interface Step {
  run(store: SimulatedStore): Promise<unknown>
  readonly changes: Readonly<Record<string, readonly [before: string | undefined, after: string | undefined]>>
}

export interface Scenario {
  /** Nothing is there, not even a store; else a bucket with two objects is. */
  readonly isNew?: boolean
  /** What happened before, in a life of its own. */
  readonly life?: (store: SimulatedStore) => Promise<unknown>
  /** Done at the same time. */
  readonly steps: readonly Step[]
  /**
   * Where the cuts begin. Before its commit an operation on a key that is there writes what one on a new key writes, and
   * nothing refers to it yet.
   */
  readonly from?: 'start' | 'first' | 'firstCommit'
  /** Of the journal; with short ones inline bodies may move to volumes. */
  readonly segmentBytes?: number
  /** Told what the log said while it was recorded. */
  readonly recorded?: (events: readonly string[]) => void
  /** Done to the disks before the store starts, by nobody that syncs: it is there in every state. */
  readonly damage?: (files: FileSystem) => Promise<void>
  /** The disks that were damaged so: one of them may be out, or none. What is on them need not be whole before `mended`. */
  readonly damaged?: readonly string[]
  /** Events of the log, in turn, after the last of which all is whole again. */
  readonly mended?: readonly string[]
}

export const BYSTANDERS: readonly (readonly [string, Body])[] = [
  ['bystander-inline', other.inline],
  ['bystander-packed', other.packed],
]
export const firstLife: Life = async (store) => {
  await store.run(createBucket(store))
  for (const [key, { bytes }] of BYSTANDERS) await store.run(put(store, key, bytes))
}

export const assertAllowed = (
  { steps, isNew = false }: Scenario,
  shown: Shown,
  marks: ReadonlySet<string>,
): void => {
  const rest = new Map(shown)
  const expect = (key: string, etag: string | undefined): void => {
    assert.is(rest.get(key), etag, `'${key}'`)
    rest.delete(key)
  }
  if (!isNew) {
    expect(THE_BUCKET, THERE)
    for (const [key, { etag }] of BYSTANDERS) expect(key, etag)
  }
  for (const [i, { changes }] of steps.entries()) {
    const pairs = Object.entries(changes)
    const changed = pairs.filter(([, [before, after]]) => before !== after)
    const hasHappened = changed.length === 0 || changed.some(([key, [, after]]) => shown.get(key) === after)
    if (marks.has(`acknowledged ${i}`)) assert.ok(hasHappened, `acknowledged change ${i} is there`)
    for (const [key, pair] of pairs) expect(key, pair[hasHappened ? 1 : 0])
  }
  assert.equal([...rest], [], 'nothing else appears')
}
