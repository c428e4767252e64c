// The whole store after a power cut at every step of every operation: see store-check.ts for what is checked, and
// support/store-crash.ts for which states are looked at.
import type { UploadAddress } from '../../src/actors/engine.ts'
import type { FileSystem } from '../../src/base/files.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import type { FaultyFiles } from '../support/faulty-files.ts'
import type { SimulatedStore } from '../support/simulated-store.ts'
import { assert, seeded, suite } from '../support/uvu.ts'
import {
  BUCKET,
  bodyFrom,
  checkScenario,
  createBucket,
  first,
  KINDS,
  type Kind,
  md5,
  OWNER,
  put,
  remember,
  type Scenario,
  type Step,
  second,
  THE_BUCKET,
  THERE,
  uploadOf,
} from './store-check.ts'

const test = suite('the store after a power cut')
const LIMIT_MS = 240_000

const subjectPut =
  (kind: Kind): NonNullable<Scenario['life']> =>
  (store) =>
    store.run(put(store, 'subject', first[kind].bytes))

for (const kind of KINDS) {
  const { bytes, etag } = first[kind]
  test(
    `PUT of a new object, ${kind}`,
    seeded(LIMIT_MS, async (_, seed) => {
      const run = (store: SimulatedStore) => put(store, 'subject', bytes)
      await checkScenario(seed, { steps: [{ run, changes: { subject: [undefined, etag] } }] })
    }),
  )
}

test(
  'the first bucket and the first PUT of a new store',
  seeded(LIMIT_MS, async (_, seed) => {
    let isMade: Promise<unknown> | undefined
    const create = (store: SimulatedStore): Promise<unknown> => {
      isMade = createBucket(store)
      return isMade
    }
    const { bytes, etag } = first.packed
    const putThen = (store: SimulatedStore) => isMade!.then(() => put(store, 'subject', bytes))
    await checkScenario(seed, {
      isNew: true,
      steps: [
        { run: create, changes: { [THE_BUCKET]: [undefined, THERE] } },
        { run: putThen, changes: { subject: [undefined, etag] } },
      ],
    })
  }),
)

test(
  'a start of the store and a PUT',
  seeded(LIMIT_MS, async (_, seed) => {
    const { bytes, etag } = first.inline
    const run = (store: SimulatedStore) => put(store, 'subject', bytes)
    await checkScenario(seed, { from: 'start', steps: [{ run, changes: { subject: [undefined, etag] } }] })
  }),
)

for (const before of KINDS) {
  for (const after of KINDS) {
    test(
      `an object that is ${before} is overwritten by one that is ${after}`,
      seeded(LIMIT_MS, async (_, seed) => {
        const run = (store: SimulatedStore) => put(store, 'subject', second[after].bytes)
        const changes = { subject: [first[before].etag, second[after].etag] } as const
        await checkScenario(seed, {
          life: subjectPut(before),
          from: 'firstCommit',
          steps: [{ run, changes }],
        })
      }),
    )
  }
}

for (const kind of KINDS) {
  test(
    `DELETE of an object, ${kind}`,
    seeded(LIMIT_MS, async (_, seed) => {
      const run = (store: SimulatedStore) => store.engine.objects.delete({ bucket: BUCKET, key: 'subject' })
      const changes = { subject: [first[kind].etag, undefined] } as const
      await checkScenario(seed, { life: subjectPut(kind), steps: [{ run, changes }] })
    }),
  )
}

/** Parts of each kind: a file, a volume, the journal; one was put twice, one will not be listed. */
const PARTS = [bodyFrom(5 * MiB, 41), bodyFrom(260 * KiB, 42)]
const REPLACED_PART = bodyFrom(3 * KiB, 43)
const UNLISTED_PART = bodyFrom(100 * KiB, 44)
/** What need not be completed may be smaller. */
const ABORTED_PARTS = [bodyFrom(2 * MiB, 45), bodyFrom(260 * KiB, 46)]
const whole = remember({
  etag: `${md5(Buffer.concat(PARTS.map(({ bytes }) => md5(bytes)))).toString('hex')}-${PARTS.length}`,
  bytes: Buffer.concat(PARTS.map(({ bytes }) => bytes)),
  files: 1,
  packed: 1,
})

const begin = async (
  { engine: { uploads } }: SimulatedStore,
  key: string,
  parts = PARTS,
): Promise<UploadAddress> => {
  const request = { bucket: BUCKET, key, owner: OWNER, headers: [], metadata: [] }
  const { id } = await uploads.create(request)
  const at = { bucket: BUCKET, key, upload: id }
  await uploads.putPart(at, 2, bodyOf(REPLACED_PART.bytes))
  for (const [i, { bytes }] of [...parts, UNLISTED_PART].entries())
    await uploads.putPart(at, i + 1, bodyOf(bytes))
  return at
}
const complete = ({ engine }: SimulatedStore, at: UploadAddress) =>
  engine.uploads.complete({ ...at, parts: PARTS.map(({ etag }, i) => ({ partNumber: i + 1, etag })) })

for (const [name, parts, end, after] of [
  ['completed over another object', PARTS, complete, whole.etag],
  [
    'aborted',
    ABORTED_PARTS,
    ({ engine }: SimulatedStore, at: UploadAddress) => engine.uploads.abort(at),
    first.packed.etag,
  ],
] as const) {
  test(
    `a multipart upload is ${name}`,
    seeded(LIMIT_MS, async (_, seed) => {
      let at: UploadAddress | undefined
      await checkScenario(seed, {
        async life(store) {
          await store.run(put(store, 'subject', first.packed.bytes))
          at = await store.run(begin(store, 'subject', parts))
        },
        steps: [
          {
            run: (store) => end(store, at!),
            changes: { subject: [first.packed.etag, after], [uploadOf('subject')]: ['open', undefined] },
          },
        ],
      })
    }),
  )
}

test(
  'a multipart object is overwritten',
  seeded(LIMIT_MS, async (_, seed) => {
    const run = (store: SimulatedStore) => put(store, 'subject', second.inline.bytes)
    await checkScenario(seed, {
      life: async (store) => store.run(complete(store, await store.run(begin(store, 'subject')))),
      steps: [{ run, changes: { subject: [whole.etag, second.inline.etag] } }],
    })
  }),
)

test(
  'two PUTs and a DELETE at once',
  seeded(LIMIT_MS, async (_, seed) => {
    const steps: Step[] = (['inline', 'packed'] as const).map((kind) => ({
      run: (store) => put(store, kind, second[kind].bytes),
      changes: { [kind]: [undefined, second[kind].etag] },
    }))
    steps.push({
      run: (store) => store.engine.objects.delete({ bucket: BUCKET, key: 'subject' }),
      changes: { subject: [first.packed.etag, undefined] },
    })
    await checkScenario(seed, { life: subjectPut('packed'), steps, from: 'firstCommit' })
  }),
)

test(
  'an empty bucket is deleted',
  seeded(LIMIT_MS, async (_, seed) => {
    const run = ({ engine }: SimulatedStore) => engine.buckets.delete(BUCKET)
    const changes = { [THE_BUCKET]: [THERE, undefined] } as const
    const life = (store: SimulatedStore) => store.run(createBucket(store))
    await checkScenario(seed, { isNew: true, life, steps: [{ run, changes }] })
  }),
)

test(
  'an object is copied, and several are deleted at once',
  seeded(LIMIT_MS, async (_, seed) => {
    const { packed, large, inline } = first
    const copy = async (store: SimulatedStore): Promise<unknown> =>
      put(store, 'copy', await readBytes(store.engine, { bucket: BUCKET, key: 'packed' }))
    const steps: Step[] = (['large', 'inline'] as const).map((key) => ({
      run: ({ engine }) => engine.objects.delete({ bucket: BUCKET, key }),
      changes: { [key]: [first[key].etag, undefined] },
    }))
    steps.push({ run: copy, changes: { copy: [undefined, packed.etag], packed: [packed.etag, packed.etag] } })
    await checkScenario(seed, {
      life: async (store) => {
        await store.run(put(store, 'packed', packed.bytes))
        await store.run(put(store, 'large', large.bytes))
        await store.run(put(store, 'inline', inline.bytes))
      },
      steps,
      from: 'firstCommit',
    })
  }),
)

/** Of a volume that it is in little is left without it. */
const neighbour = bodyFrom(1900 * KiB, 51)

test(
  'a volume is compacted',
  seeded(LIMIT_MS, async (_, seed) => {
    const { bytes, etag } = first.packed
    let droppedVolumes = 0
    await checkScenario(seed, {
      life: async (store) => {
        await store.run(put(store, 'subject', bytes))
        await store.run(put(store, 'neighbour', neighbour.bytes))
      },
      steps: [
        {
          run: (store) => store.engine.objects.delete({ bucket: BUCKET, key: 'neighbour' }),
          changes: { neighbour: [neighbour.etag, undefined], subject: [etag, etag] },
        },
      ],
      from: 'firstCommit',
      recorded: (events) => {
        droppedVolumes = events.filter((event) => event === 'disk.volume-dropped').length
      },
    })
    assert.is(droppedVolumes, 3, 'on each disk what was left has moved')
  }),
)

/** One replaced by another: with one body more that goes, the journal is past its bound. */
const replaced = [61, 62, 63, 64].map((seed) => bodyFrom(5 * KiB, seed))

test(
  'a segment of the journal is compacted, and larger bodies leave it',
  seeded(LIMIT_MS, async (_, seed) => {
    const { bytes, etag } = first.inline
    const last = replaced.at(-1)!.etag
    const events: string[] = []
    await checkScenario(seed, {
      segmentBytes: 16 * KiB,
      life: async (store) => {
        await store.run(put(store, 'subject', bytes))
        await store.run(put(store, 'gone', second.inline.bytes))
        for (const body of replaced) await store.run(put(store, 'replaced', body.bytes))
      },
      steps: [
        {
          run: (store) => store.engine.objects.delete({ bucket: BUCKET, key: 'gone' }),
          changes: { gone: [second.inline.etag, undefined], subject: [etag, etag], replaced: [last, last] },
        },
      ],
      from: 'firstCommit',
      recorded: (all) => void events.push(...all),
    })
    assert.ok(events.includes('segment-compacted'), 'past its bound')
    assert.ok(events.includes('bodies-moved'))
  }),
)

/** The disks, but what is asked to be synced below a directory of this name is not. */
const withoutSync =
  (name: string) =>
  (files: FaultyFiles): FileSystem => ({
    ...files,
    async open(path, mode, options) {
      const file = await files.open(path, mode, options)
      return path.includes(`/${name}/`) ? { ...file, sync: async () => undefined } : file
    },
    syncDirectory: (path) => (path.includes(`/${name}`) ? Promise.resolve() : files.syncDirectory(path)),
  })

for (const [directory, kind] of [
  ['journal', 'inline'],
  ['volumes', 'packed'],
  ['shards', 'large'],
] as const) {
  test(
    `the states find a disk that does not sync its ${directory}`,
    seeded(LIMIT_MS, async (_, seed) => {
      const { bytes, etag } = first[kind]
      const run = (store: SimulatedStore) => put(store, 'subject', bytes)
      const scenario: Scenario = { steps: [{ run, changes: { subject: [undefined, etag] } }] }
      const outcome: unknown = await checkScenario(seed, scenario, withoutSync(directory)).catch(String)
      assert.match(String(outcome), /power cut after record/)
    }),
  )
}

test.run()
