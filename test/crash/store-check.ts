// A state after a power cut, looked at by the whole store. First a start that may miss one disk: GET, HEAD and LIST agree, and
// show what is allowed. Then: the store takes writes, frees what no longer counts, and two more starts, each of which misses
// another disk, show the same.
import { INLINE_BYTES_MAX } from '../../src/actors/store-body.ts'
import { codeOf } from '../../src/base/errors.ts'
import type { FileSystem } from '../../src/base/files.ts'
import { readBytes } from '../model/engine-contract.ts'
import { listedOf } from '../model/listed.ts'
import { cutPower } from '../support/crash-states.ts'
import { contentOf } from '../support/disk-images.ts'
import { createFaultyFiles } from '../support/faulty-files.ts'
import { filesBelow } from '../support/memory-tree.ts'
import { openSimulatedStore, type SimulatedStore, type Simulation } from '../support/simulated-store.ts'
import type { IndexShelf, StoreState } from '../support/store-crash.ts'
import { assert } from '../support/uvu.ts'
import {
  assertAllowed,
  type Body,
  BUCKET,
  bodies,
  createBucket,
  other,
  put,
  ROOTS,
  type Scenario,
  type Shown,
  second,
  THE_BUCKET,
  THERE,
  uploadOf,
} from './scenario.ts'

/** Enough for the indexes to follow and for what was freed to be gone. */
const QUIET_MS = 6_000

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

/** Runs `action` with disk `out` taken out, if there is one. */
const without = async <T>(
  files: FileSystem,
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

/** What objects and parts of open uploads hold. */
const bodiesIn = async ({ run, engine: { uploads } }: SimulatedStore, shown: Shown): Promise<Body[]> => {
  const etags = [...shown.values()]
  if (shown.has(THE_BUCKET)) {
    const page = { bucket: BUCKET, prefix: '', delimiter: '', limit: 1000 }
    const open = await run(uploads.list({ ...page, after: { key: '', upload: '' } }))
    for (const { key, id } of open.uploads) {
      const at = { bucket: BUCKET, key, upload: id }
      const { parts } = await run(uploads.listParts(at, { after: 0, limit: 1000 }))
      etags.push(...parts.map(({ etag }) => etag))
    }
  }
  return etags.flatMap((etag) => bodies.get(etag) ?? [])
}

/** Nothing is left on the disks of what no longer counts. (What a cut off write leaves, the scrub is to find.) */
const assertFreed = async ({ files, segmentBytes }: Disks, held: readonly Body[]): Promise<void> => {
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

interface CrashedStore extends Disks {
  readonly marks: ReadonlySet<string>
}

/** What a state shows, and its disks after another power cut, which takes all that the start did not make durable. */
const lookAndCut = async (
  simulation: Simulation,
  { files, shelf, segmentBytes }: CrashedStore,
  out: string | undefined,
): Promise<{ shown: Shown; after: FileSystem }> => {
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
  { files, shelf, marks, segmentBytes }: CrashedStore,
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
        await assertFreed({ files, shelf, segmentBytes }, await bodiesIn(store, expected))
    }),
  )
  const last = await without(files, outs[1], () =>
    withStore(simulation, { files, shelf: shelf.again(), segmentBytes }, removeAll),
  )
  assert.equal(sorted(last), sorted(expected), 'the third start')
}
export const sorted = (shown: Shown): [string, string][] => [...shown].sort()

/**
 * All of a state: what the first start without `outs[0]` shows, and with `isFuture` two more starts, each without another disk, and
 * what is written and removed in between.
 */
export const checkWholeStore = async (
  simulation: Simulation,
  scenario: Scenario,
  state: StoreState,
  { outs, isFuture }: { readonly outs: readonly (string | undefined)[]; readonly isFuture: boolean },
): Promise<void> => {
  const { marks } = state
  const crashed = { files: state.image(), shelf: state.shelf(), marks, segmentBytes: scenario.segmentBytes }
  if (!isFuture) {
    const shown = await without(crashed.files, outs[0], () => withStore(simulation, crashed))
    return assertAllowed(scenario, shown, marks)
  }
  const { shown, after } = await lookAndCut(simulation, crashed, outs[0])
  assertAllowed(scenario, shown, marks)
  await checkFuture(simulation, { ...crashed, files: after }, shown, outs.slice(1))
}
