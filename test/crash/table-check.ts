// A state in the middle of a change of the table of disks, as a start finds it: the old table or the new one, the new one only
// when every partition has committed it, and every object with all shards that are on disks of that table.
import type { FileSystem } from '../../src/base/files.ts'
import { createPrng } from '../../src/base/prng.ts'
import { KiB } from '../../src/base/units.ts'
import type { Partition } from '../../src/metadata/partition.ts'
import type { DiskTable } from '../../src/storage/identity-file.ts'
import type { StartedStore } from '../../src/storage/start.ts'
import type { ImageFiles } from '../support/image-files.ts'
import { openQuickStore, type QuickStore } from '../support/quick-store.ts'
import { createShardChecks, type Shards } from '../support/shard-checks.ts'
import type { StoreState } from '../support/store-crash.ts'
import { assert } from '../support/uvu.ts'

/** 3+2, so that one disk may be away while another is replaced and m + 1 are left to commit on. */
export const ROOTS = ['/d1', '/d2', '/d3', '/d4', '/d5']
export const LOST = '/d2'
export const OTHERS = ROOTS.filter((root) => root !== LOST)
export const PARTITIONS = 2
export const BUCKETS = ['bucket-a', 'bucket-b']
export const OBJECTS = ['inline', 'packed'].flatMap((key) => BUCKETS.map((bucket) => ({ bucket, key })))

export const bytesOf = ({ bucket, key }: (typeof OBJECTS)[number]): Buffer =>
  Buffer.alloc(key === 'inline' ? 3 * KiB : 100 * KiB, `${bucket}/${key}/`)

export const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

export interface Change {
  readonly old: DiskTable
  readonly made: DiskTable
  /** Of an operator: says again what a cut may have prevented. */
  readonly askAgain?: ((files: FileSystem) => Promise<unknown>) | undefined
}

interface View {
  readonly started: StartedStore
  readonly shards: { readonly what: string; readonly data: Shards; readonly body: Uint8Array }[]
}

const viewOf = async ({ started, partitions }: QuickStore): Promise<View> => {
  const view: View = { started, shards: [] }
  const homeOf = async (bucket: string): Promise<Partition> => {
    for (const partition of partitions) {
      const { buckets } = await partition.listBuckets({ prefix: bucket, after: '', limit: 10 })
      if (buckets.length > 0) return partition
    }
    return assert.unreachable(`${bucket} is in no partition`) as never
  }
  for (const object of OBJECTS) {
    const what = `${object.bucket}/${object.key}`
    const body = bytesOf(object)
    const partition = await homeOf(object.bucket)
    const { data } = partition.lookUp(object)
    if (data.kind === 'shards') view.shards.push({ what, data, body })
    else if (data.kind === 'inline') assert.ok(body.equals(await partition.readInline(data)), what)
    else assert.unreachable(what)
  }
  return view
}

const checkShards = async ({ started, shards }: View, files: ImageFiles): Promise<void> => {
  const checks = createShardChecks(started, files)
  for (const { what, data, body } of shards) {
    const { whole, wrong } = await checks.check(data, body)
    assert.is(wrong, undefined, what)
    assert.ok(whole >= data.k, `${what}: ${whole} of ${data.k}+${data.m} shards are there`)
  }
  await checks.close()
}

/** What a start reads before a partition is served. */
const NOT_READ = ['away', 'volumes', 'shards', 'index']

export class TableChecks {
  readonly #change: Change
  readonly #through: ((files: FileSystem) => FileSystem) | undefined
  readonly #views = new Map<string, View>()

  constructor(change: Change, through?: (files: FileSystem) => FileSystem) {
    this.#change = change
    this.#through = through
  }

  /** Of a start without disk `out`. */
  async check(state: StoreState, out: string | undefined): Promise<void> {
    const files = state.image()
    if (out !== undefined) await files.rename(out, '/away')
    const key = `${files.inodes.tell(files.inodes.find('/'), NOT_READ)}${state.indexDigest}`
    const known = this.#views.get(key)
    if (known) await checkShards(known, files)
    const view = known ?? (await this.#start(state, files))
    this.#views.set(key, view)
    if (state.marks.has('disk-adopted'))
      assert.equal(view.started.table, this.#change.made, 'the change counted before the cut')
  }

  async #start(state: StoreState, files: ImageFiles): Promise<View> {
    const { old, made } = this.#change
    const store = await openQuickStore({
      ...{ files, through: this.#through, roots: ROOTS, partitions: PARTITIONS },
      ...{ indexesOf: state.indexesOf, random: createPrng(state.point) },
    })
    const { table } = store.started
    assert.ok(same(table, old) || same(table, made), 'the old table or the new one')
    for (const partition of same(table, made) ? store.partitions : []) {
      assert.equal(partition.getConfig('disks'), made, 'what counts is committed')
    }
    const view = await viewOf(store)
    await checkShards(view, files)
    await store.close()
    return view
  }
}
