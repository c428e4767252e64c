// A state after a power cut, looked at as a start finds it: see support/quick-store.ts. What a partition makes of its journal
// depends on the journal and the indexes alone, and what the start says on the names and identities of the disks: where a state
// has these of another, byte for byte, what came of them there is compared with what it has in volumes and shards.
//
// Some are looked at again: what a start has shown stays true when another disk is away, and after a write.
import { codeOf } from '../../src/base/errors.ts'
import { createPrng } from '../../src/base/prng.ts'
import type { Partition } from '../../src/metadata/partition.ts'
import type { Data } from '../../src/metadata/records.ts'
import type { StartedStore } from '../../src/storage/start.ts'
import { listedOf } from '../model/listed.ts'
import type { ImageFiles } from '../support/image-files.ts'
import { putText } from '../support/partitions.ts'
import { openQuickStore } from '../support/quick-store.ts'
import { createShardChecks, dataOf, type Shards } from '../support/shard-checks.ts'
import type { StoreState } from '../support/store-crash.ts'
import { assert } from '../support/uvu.ts'
import {
  assertAllowed,
  BUCKET,
  bodies,
  ROOTS,
  type Scenario,
  type Shown,
  THE_BUCKET,
  THERE,
  uploadOf,
} from './scenario.ts'

const page = { bucket: BUCKET, prefix: '', delimiter: '', limit: 1000 }

/** What look-ups and lists of a partition agree on, and which shards that rests on. */
interface View {
  readonly started: StartedStore
  readonly shown: Shown
  readonly shards: { readonly what: string; readonly data: Shards; readonly body: Uint8Array }[]
}

const noteData = async (
  partition: Partition,
  { shards }: View,
  { what, data, body }: { what: string; data: Data; body: Uint8Array },
): Promise<void> => {
  if (data.kind === 'shards') shards.push({ what, data, body })
  else if (data.kind === 'parts') assert.unreachable('a part of parts')
  else assert.is(Buffer.compare(await partition.readInline(data), body), 0, `${what} in the journal`)
}

const noteUploads = async (partition: Partition, view: View): Promise<void> => {
  const { uploads } = await partition.listUploads({ ...page, after: { key: '', upload: '' } })
  for (const { key, id } of uploads) {
    view.shown.set(uploadOf(key), 'open')
    const { parts } = await partition.listParts({ bucket: BUCKET, key, upload: id }, { after: 0, limit: 100 })
    for (const { etag, data, partNumber } of parts) {
      const what = `part ${partNumber} of '${key}'`
      const body = bodies.get(etag)
      assert.ok(body, `${what} is something that was put`)
      await noteData(partition, view, { what, data, body: body.bytes })
    }
  }
}

const viewOf = async (started: StartedStore, partition: Partition): Promise<View> => {
  const view: View = { started, shown: new Map(), shards: [] }
  const { buckets } = await partition.listBuckets({ prefix: '', after: '', limit: 10 })
  if (buckets.length === 0) return view
  assert.equal(buckets, [partition.getBucket(BUCKET)])
  view.shown.set(THE_BUCKET, THERE)
  const { versions } = await partition.listVersions({ ...page, after: '' })
  for (const listed of versions) {
    const { key, etag } = listed
    const version = partition.lookUp({ bucket: BUCKET, key })
    assert.equal(listedOf(version), listed)
    const body = bodies.get(etag)
    assert.ok(body, `'${key}' is something that was put`)
    let end = 0
    for (const { data, start, size } of dataOf(partition, version)) {
      const piece = body.bytes.subarray(start, start + size)
      await noteData(partition, view, { what: `'${key}'`, data, body: piece })
      end = start + size
    }
    assert.is(end, body.bytes.length, `'${key}' from its beginning to its end`)
    view.shown.set(key, etag)
  }
  await noteUploads(partition, view)
  assert.is(partition.bucketCounters({ bucket: BUCKET }).objects, versions.length, 'what is counted')
  return view
}

/** Of a start without `out`; `action` goes on with it. */
const startOn = async (
  scenario: Scenario,
  state: StoreState,
  { files, known }: { files: ImageFiles; known?: StartedStore | undefined },
  action: (partition: Partition, view: View) => Promise<void> = async () => undefined,
): Promise<View> => {
  const store = await openQuickStore({
    ...{ files, known, roots: ROOTS, partitions: 1, segmentBytes: scenario.segmentBytes },
    ...{ indexesOf: state.indexesOf, random: createPrng(state.point) },
  })
  const partition = store.partitions[0]!
  const view = await viewOf(store.started, partition)
  await checkShards(scenario, state, view, files)
  await action(partition, view)
  await store.close()
  return view
}

/** Whatever is committed was synced on every disk before; of what was damaged as much is there as a read needs. */
const checkShards = async (
  scenario: Scenario,
  { marks }: StoreState,
  view: View,
  files: ImageFiles,
): Promise<void> => {
  const checks = createShardChecks(view.started, files)
  for (const { what, data, body } of view.shards) {
    const { whole, wrong } = await checks.check(data, body)
    assert.ok(whole >= data.k, `${what}: ${whole} of ${data.k}+${data.m} shards are whole: ${wrong}`)
    if (scenario.damaged === undefined || marks.has('mended')) assert.is(wrong, undefined, what)
  }
  await checks.close()
}

const AFTER = 'after the first start'

export interface QuickTurn {
  /** Disks that are away at the first start and at the second. */
  readonly outs: readonly (string | undefined)[]
  /** Whether there is a second. */
  readonly isSecond: boolean
}

/** Parts of a disk that say what the store is, and those that the journal is in. */
const BESIDES_IDENTITY = ['away', 'volumes', 'shards', 'index', 'journal']
const BESIDES_JOURNAL = ['away', 'volumes', 'shards', 'index']
const tell = ({ inodes }: Pick<ImageFiles, 'inodes'>, without: readonly string[]): string =>
  inodes.tell(inodes.find('/'), without)

export class QuickChecks {
  readonly #scenario: Scenario
  /** By all that a start reads before it opens anything; of those that wrote nothing. */
  readonly #starts = new Map<string, StartedStore>()
  /** By all that is read of the disks and the indexes until a partition is served. */
  readonly #views = new Map<string, View>()

  constructor(scenario: Scenario) {
    this.#scenario = scenario
  }

  async check(state: StoreState, { outs, isSecond }: QuickTurn): Promise<void> {
    const files = state.image()
    const [out, nextOut] = outs
    if (out !== undefined) await files.rename(out, '/away')
    if (isSecond) return this.#checkTwice(state, files, out, nextOut)
    const key = `${tell(files, BESIDES_JOURNAL)}${state.indexDigest}`
    const known = this.#views.get(key)
    if (known) await checkShards(this.#scenario, state, known, files)
    const view = known ?? (await this.#start(state, files))
    this.#views.set(key, view)
    assertAllowed(this.#scenario, view.shown, state.marks)
  }

  async #start(state: StoreState, files: ImageFiles): Promise<View> {
    const key = tell(files, BESIDES_IDENTITY)
    const known = this.#starts.get(key)
    const view = await startOn(this.#scenario, state, { files, known })
    if (!known && tell(files, BESIDES_IDENTITY) === key) this.#starts.set(key, view.started)
    return view
  }

  async #checkTwice(
    state: StoreState,
    files: ImageFiles,
    out: string | undefined,
    nextOut: string | undefined,
  ): Promise<void> {
    const scenario = this.#scenario
    bodies.set(AFTER, { etag: AFTER, bytes: Buffer.from(AFTER), files: 0, packed: 0 })
    const first = await startOn(scenario, state, { files }, async (partition, { shown }) => {
      if (shown.has(THE_BUCKET)) await putText(partition, BUCKET, AFTER, AFTER)
    })
    assertAllowed(scenario, first.shown, state.marks)
    const expected = new Map(first.shown)
    if (expected.has(THE_BUCKET)) expected.set(AFTER, AFTER)
    if (out !== undefined) await files.rename('/away', out)
    if (nextOut !== undefined) await files.rename(nextOut, '/away')
    await startOn(scenario, state, { files }, async (partition, { shown }) => {
      assert.equal([...shown].sort(), [...expected].sort(), 'the second start')
      for (const key of shown.keys()) {
        if (key === THE_BUCKET || key.startsWith(uploadOf(''))) continue
        await partition.deleteVersion({ bucket: BUCKET, key })
        const isGone = (error: Error): boolean => codeOf(error) === 'NoSuchKey'
        assert.throws(() => partition.lookUp({ bucket: BUCKET, key }), isGone)
      }
    })
  }
}
