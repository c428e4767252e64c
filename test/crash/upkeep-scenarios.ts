// What the store does by itself: it compacts volumes and the journal, begins segments, and repairs what is damaged.
import type { FileSystem } from '../../src/base/files.ts'
import { KiB } from '../../src/base/units.ts'
import type { Data } from '../../src/metadata/records.ts'
import { readBytes } from '../model/engine-contract.ts'
import { flipByte } from '../support/disks.ts'
import type { SimulatedStore } from '../support/simulated-store.ts'
import { assert } from '../support/uvu.ts'
import type { NamedScenario } from './object-scenarios.ts'
import { BUCKET, bodyFrom, first, put, ROOTS, type Scenario, type Step, second } from './scenario.ts'

const remove = (key: string) => (store: SimulatedStore) =>
  store.engine.objects.delete({ bucket: BUCKET, key })

/** Of a volume that it is in little is left without it. */
const neighbour = bodyFrom(1900 * KiB, 51)

const volumeCompaction = (): Scenario => {
  const { bytes, etag } = first.packed
  return {
    life: async (store) => {
      await store.run(put(store, 'subject', bytes))
      await store.run(put(store, 'neighbour', neighbour.bytes))
    },
    steps: [
      {
        run: remove('neighbour'),
        changes: { neighbour: [neighbour.etag, undefined], subject: [etag, etag] },
      },
    ],
    from: 'firstCommit',
    recorded(events) {
      const dropped = events.filter((event) => event === 'disk.volume-dropped').length
      assert.is(dropped, 3, 'on each disk what was left has moved')
    },
  }
}

/** One replaced by another: with one body more that goes, the journal is past its bound. */
const replaced = [61, 62, 63, 64].map((seed) => bodyFrom(5 * KiB, seed))

const segmentCompaction = (): Scenario => {
  const { bytes, etag } = first.inline
  const last = replaced.at(-1)!.etag
  return {
    segmentBytes: 16 * KiB,
    life: async (store) => {
      await store.run(put(store, 'subject', bytes))
      await store.run(put(store, 'gone', second.inline.bytes))
      for (const body of replaced) await store.run(put(store, 'replaced', body.bytes))
    },
    steps: [
      {
        run: remove('gone'),
        changes: { gone: [second.inline.etag, undefined], subject: [etag, etag], replaced: [last, last] },
      },
    ],
    from: 'firstCommit',
    recorded(events) {
      assert.ok(events.includes('segment-compacted'), 'past its bound')
      assert.ok(events.includes('bodies-moved'))
    },
  }
}

/** Frames of which each is too long for what the last left: a segment ends, and the next begins, several times. */
const segmentChange = (): Scenario => {
  let last: Promise<unknown> = Promise.resolve()
  const steps = replaced.map(({ bytes, etag }, i): Step => {
    const key = `subject-${i}`
    const run = (store: SimulatedStore): Promise<unknown> => {
      last = last.then(() => put(store, key, bytes))
      return last
    }
    return { run, changes: { [key]: [undefined, etag] } }
  })
  return { segmentBytes: 8 * KiB, steps }
}

type Shards = Extract<Data, { kind: 'shards' }>

/** The disk of the first data shard loses it: as a file, or as bytes in a volume that flip. */
const shardRepair = (kind: 'packed' | 'large'): Scenario => {
  const { bytes, etag } = first[kind]
  let data: Shards | undefined
  const damaged: string[] = []
  return {
    damaged,
    mended: ['shard-repaired'],
    life: async (store) => {
      await store.run(put(store, 'subject', bytes))
      data = (await store.run(store.engine.objects.head({ bucket: BUCKET, key: 'subject' }))).data as Shards
      damaged.splice(0, 1, ROOTS[data.places[0]!.disk - 1]!)
    },
    async damage(files: FileSystem) {
      const { write, places } = data!
      const [root] = damaged
      const { volume, offset } = places[0]!
      if (volume === undefined) await files.remove(`${root}/shards/${write.slice(0, 2)}/${write}`)
      else await flipByte(files, `${root}/volumes/${volume}.vol`, offset! + 1000)
    },
    steps: [
      {
        run: (store) => readBytes(store.engine, { bucket: BUCKET, key: 'subject' }),
        changes: { subject: [etag, etag] },
      },
    ],
  }
}

/** Both copies of a sealed segment are there until one is taken away. */
const segmentRepair = (): Scenario => {
  const damaged: string[] = []
  const { etag, bytes } = first.inline
  return {
    segmentBytes: 8 * KiB,
    damaged,
    mended: ['segment-repaired'],
    from: 'start',
    life: async (store) => {
      await store.run(put(store, 'subject', bytes))
      for (const body of replaced.slice(0, 2)) await store.run(put(store, 'replaced', body.bytes))
    },
    async damage(files: FileSystem) {
      for (const root of ROOTS) {
        const names = await files.list(`${root}/journal/0`)
        const oldest = names.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))[0]
        if (oldest === undefined || damaged.length > 0) continue
        damaged.push(root)
        await files.remove(`${root}/journal/0/${oldest}`)
      }
    },
    steps: [
      {
        run: (store) => readBytes(store.engine, { bucket: BUCKET, key: 'subject' }),
        changes: { subject: [etag, etag], replaced: [replaced[1]!.etag, replaced[1]!.etag] },
      },
    ],
  }
}

export const UPKEEP_SCENARIOS: readonly NamedScenario[] = [
  { name: 'a volume is compacted', make: volumeCompaction },
  { name: 'a segment of the journal is compacted, and larger bodies leave it', make: segmentCompaction },
  { name: 'segments are full, and others are begun', make: segmentChange },
  { name: 'a shard that is a file is repaired', make: () => shardRepair('large') },
  { name: 'a shard in a volume is repaired', make: () => shardRepair('packed') },
  { name: 'a copy of a segment is repaired', make: segmentRepair },
]
