// What has to hold after a power cut, for the whole store: the check that store.test.ts makes of every state of each of its
// scenarios. First a start that may miss one disk: GET, HEAD and LIST agree, what was acknowledged is whole, what was not is
// whole or not there, an overwritten object is the old or the new one, and nothing else appears. Then, for some of the
// states: the store takes writes, frees what no longer counts, and two more starts, each of which misses another disk,
// show the same.
import { createHash } from 'node:crypto'
import { INLINE_BYTES_MAX } from '../../src/actors/store-body.ts'

import { codeOf } from '../../src/base/errors.ts'
import type { FileSystem } from '../../src/base/files.ts'
import { createPrng } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import type { VersionRecord } from '../../src/metadata/records.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { listedOf } from '../model/listed.ts'
import { cutPower } from '../support/crash-states.ts'
import { contentOf } from '../support/disk-images.ts'
import { createFaultyFiles, type FaultyFiles } from '../support/faulty-files.ts'
import { filesBelow } from '../support/memory-tree.ts'
import {
  createSimulation,
  openSimulatedStore,
  type SimulatedStore,
  type Simulation,
} from '../support/simulated-store.ts'
import {
  type IndexShelf,
  type Life,
  prepareGround,
  recordLife,
  type StoreState,
  storeStates,
} from '../support/store-crash.ts'
import { assert } from '../support/uvu.ts'

/** 2+1: the fewest disks where a shard is not the object, the journal is not on all of them, and one may be out. */
export const ROOTS = ['/d1', '/d2', '/d3']
export const OWNER = 'a'.repeat(64)
export const BUCKET = 'bucket'
/** Enough for the indexes to follow and for what was freed to be gone. */
const QUIET_MS = 6_000
/** Fewer would be a log that was not recorded. */
const STATES_MIN = 20

export type Kind = 'inline' | 'packed' | 'large'
export const KINDS: readonly Kind[] = ['inline', 'packed', 'large']
/** In the journal; in volumes, three blocks a shard; in files, two stripes of which the second is short. */
const SIZES: Record<Kind, number> = { inline: 5 * KiB, packed: 260 * KiB, large: 2 * MiB + 20 * KiB }

interface Body {
  readonly etag: string
  readonly bytes: Buffer
  /** What it comes to on each disk: shards in files of their own, and shards in volumes. */
  readonly files: number
  readonly packed: number
}
type Bodies = Readonly<Record<Kind, Body>>

export const md5 = (bytes: Uint8Array): Buffer => createHash('md5').update(bytes).digest()
/** Every body there is, by its ETag. */
const bodies = new Map<string, Body>()
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

const codeWhere = (action: Promise<unknown>): Promise<string> => action.then(() => 'none', codeOf)

/** What GET, HEAD and LIST agree on. */
export const lookAt = async (store: SimulatedStore): Promise<Shown> => {
  const { buckets, objects, uploads } = store.engine
  const listedBuckets = (await store.run(buckets.list({ prefix: '', after: '', limit: 10 }))).buckets
  if (listedBuckets.length === 0) return new Map()
  assert.equal(listedBuckets, [await store.run(buckets.get(BUCKET))])
  const shown: Shown = new Map([[THE_BUCKET, THERE]])
  const page = { bucket: BUCKET, prefix: '', delimiter: '', limit: 1000 }
  for (const listed of (await store.run(objects.list({ ...page, after: '' }))).versions) {
    const { key, etag } = listed
    const address = { bucket: BUCKET, key }
    assert.equal(listedOf(await store.run(objects.head(address))), listed)
    const bytes = await store.run(readBytes(store.engine, address))
    assert.ok(bodies.get(etag)?.bytes.equals(bytes), `'${key}' is what its ETag says`)
    shown.set(key, etag)
  }
  const open = await store.run(uploads.list({ ...page, after: { key: '', upload: '' } }))
  for (const { key } of open.uploads) shown.set(uploadOf(key), 'open')
  // What is counted says the same.
  if (shown.size > 1) assert.is(await codeWhere(store.run(buckets.delete(BUCKET))), 'BucketNotEmpty')
  return shown
}

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
}

export const BYSTANDERS: readonly (readonly [string, Body])[] = [
  ['bystander-inline', other.inline],
  ['bystander-packed', other.packed],
]
export const firstLife: Life = async (store) => {
  await store.run(createBucket(store))
  for (const [key, { bytes }] of BYSTANDERS) await store.run(put(store, key, bytes))
}

const assertAllowed = ({ steps, isNew = false }: Scenario, shown: Shown, { marks }: StoreState): void => {
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
    const hasHappened = pairs.some(([key, [before, after]]) => before !== after && shown.get(key) === after)
    if (marks.has(`acknowledged ${i}`)) assert.ok(hasHappened, `acknowledged change ${i} is there`)
    for (const [key, pair] of pairs) expect(key, pair[hasHappened ? 1 : 0])
  }
  assert.equal([...rest], [], 'nothing else appears')
}

/** Runs `action` with disk `out` taken out, if there is one. */
const without = async <T>(
  files: StoreState['files'],
  out: string | undefined,
  action: () => Promise<T>,
): Promise<T> => {
  if (out !== undefined) await files.rename(out, '/away')
  const result = await action()
  if (out !== undefined) await files.rename('/away', out)
  return result
}

interface Disks {
  readonly files: FileSystem
  readonly shelf: IndexShelf
  readonly segmentBytes?: number | undefined
}

/** One store on the disks of a state; what it shows is looked at first. */
const withStore = async (
  simulation: Simulation,
  { files, shelf, segmentBytes }: Disks,
  action: (store: SimulatedStore, shown: Shown) => Promise<void> = async () => undefined,
): Promise<Shown> => {
  const store = await openSimulatedStore(simulation, {
    ...{ files, roots: ROOTS, memoryIndexes: shelf.give },
    ...(segmentBytes !== undefined && { segmentBytes }),
  })
  const shown = await lookAt(store)
  await action(store, shown)
  await store.close()
  return shown
}

const WRITTEN: readonly (readonly [string, Body])[] = [
  ['new', other.inline],
  ['bystander-inline', second.packed],
  ['bystander-packed', second.inline],
]

/** Nothing is left on the disks of what no longer counts. (What a cut off write leaves, the scrub is to find.) */
const assertFreed = async ({ files, segmentBytes }: Disks, shown: Shown): Promise<void> => {
  const held = [...shown.values()].flatMap((etag) => bodies.get(etag) ?? [])
  const moved =
    segmentBytes === undefined ? 0 : held.filter(({ bytes }) => bytes.length <= INLINE_BYTES_MAX).length
  const sum = (what: 'files' | 'packed'): number => held.reduce((total, body) => total + body[what], 0)
  for (const root of ROOTS) {
    const shards = await filesBelow(files, `${root}/shards`)
    assert.is(shards.length, sum('files'), `shards on ${root}`)
    const volumes = (await filesBelow(files, `${root}/volumes`)).filter(({ path }) => path.endsWith('.vol'))
    // Each holds something, but for the last one, which keeps its number taken.
    assert.ok(volumes.length <= sum('packed') + moved + 1, `${volumes.length} volumes on ${root}`)
  }
}

/** All there is can be removed, the bucket last: what is counted is right. */
export const removeAll = async (store: SimulatedStore): Promise<void> => {
  const { buckets, objects, uploads } = store.engine
  const page = { bucket: BUCKET, prefix: '', delimiter: '', limit: 1000 }
  const open = await store.run(uploads.list({ ...page, after: { key: '', upload: '' } }))
  const found = await store.run(objects.list({ ...page, after: '' }))
  for (const { key, id } of open.uploads) {
    await store.run(uploads.abort({ bucket: BUCKET, key, upload: id }))
  }
  for (const { key } of found.versions) {
    await store.run(objects.delete({ bucket: BUCKET, key }))
  }
  await store.run(buckets.delete(BUCKET))
}

type ScenarioState = StoreState & Pick<Disks, 'segmentBytes'>

/** What a state shows, and its disks after another power cut, which takes all that the start did not make durable. */
const lookAndCut = async (
  simulation: Simulation,
  { files, shelf, segmentBytes }: ScenarioState,
  out: string | undefined,
): Promise<{ shown: Shown; after: StoreState['files'] }> => {
  if (out !== undefined) await files.rename(out, '/away')
  const before = await contentOf(files)
  const faulty = await createFaultyFiles({}, before)
  const shown = await withStore(simulation, { files: faulty, shelf, segmentBytes })
  const after = await cutPower(faulty, before)
  if (out !== undefined) await after.rename('/away', out)
  return { shown, after }
}

/** The store shows the same, takes writes, does what is left to do, and the next start, which misses another disk, agrees. */
const checkFuture = async (
  simulation: Simulation,
  { files, shelf, marks, segmentBytes }: ScenarioState,
  shown: Shown,
  outs: readonly (string | undefined)[],
): Promise<void> => {
  const expected = new Map(shown)
  await without(files, outs[0], () =>
    withStore(simulation, { files, shelf: shelf.again(), segmentBytes }, async (store, seen) => {
      assert.equal(seen, shown, 'the second start')
      if (!shown.has(THE_BUCKET)) await store.run(createBucket(store))
      expected.set(THE_BUCKET, THERE)
      for (const [key, { bytes, etag }] of WRITTEN) {
        await store.run(put(store, key, bytes))
        expected.set(key, etag)
      }
      await store.pass(QUIET_MS)
      assert.equal(sorted(await lookAt(store)), sorted(expected), 'after a while')
      if (marks.has('acknowledged') && outs[0] === undefined)
        await assertFreed({ files, shelf, segmentBytes }, expected)
    }),
  )
  const last = await without(files, outs[1], () =>
    withStore(simulation, { files, shelf: shelf.again(), segmentBytes }, removeAll),
  )
  assert.equal(sorted(last), sorted(expected), 'the third start')
}
export const sorted = (shown: Shown): [string, string][] => [...shown].sort()

/** One state in so many is looked at beyond its first start. (Prime to the number of disks that may be out.) */
const FUTURE_EVERY = { whole: 7, bare: 5, partial: 11 }

const checkState = async (
  simulation: Simulation,
  scenario: Scenario,
  state: ScenarioState,
  turn: number,
): Promise<void> => {
  const outs = [0, 1, 2].map((i) => [undefined, ...ROOTS][(turn + i) % 4])
  try {
    if (turn % FUTURE_EVERY[state.extent] === 0) {
      const { shown, after } = await lookAndCut(simulation, state, outs[0])
      assertAllowed(scenario, shown, state)
      await checkFuture(simulation, { ...state, files: after }, shown, outs.slice(1))
    } else {
      const shown = await without(state.files, outs[0], () => withStore(simulation, state))
      assertAllowed(scenario, shown, state)
    }
  } catch (error) {
    const told = `${state.description}; one after another without ${outs.map((out) => out ?? 'none').join()}`
    throw new Error(`${told}: ${(error as Error).message}`, { cause: error })
  }
}

/** Records the scenario and checks every state. The store sees its disks `through` something that has a fault. */
export const checkScenario = async (
  seed: number,
  scenario: Scenario,
  through?: (files: FaultyFiles) => FileSystem,
): Promise<void> => {
  const simulation = createSimulation(seed)
  const { life, isNew = false, steps, from = 'first', segmentBytes } = scenario
  const lives = [...(isNew ? [] : [firstLife]), ...(life ? [life] : [])]
  const ground = await prepareGround(simulation, ROOTS, lives, 1, segmentBytes)
  const operation = async (store: SimulatedStore, mark: (label: string) => void): Promise<void> => {
    await store.run(
      Promise.all(steps.map((step, i) => step.run(store).then(() => mark(`acknowledged ${i}`)))),
    )
    mark('acknowledged')
  }
  const events: string[] = []
  const onEvent = (event: string): void => void events.push(event)
  const recording = await recordLife(seed + 1, ground, operation, { onEvent, ...(through && { through }) })
  scenario.recorded?.(events)
  let turn = 0
  for await (const state of storeStates(recording, { first: recording[from] })) {
    await checkState(simulation, scenario, { ...state, segmentBytes }, ++turn)
  }
  assert.ok(turn >= STATES_MIN, `${turn} states`)
}
