// What clients do, one thing at a time and several at once.
import type { UploadAddress } from '../../src/actors/engine.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import type { SimulatedStore } from '../support/simulated-store.ts'
import {
  BUCKET,
  bodyFrom,
  createBucket,
  first,
  KINDS,
  type Kind,
  md5,
  OWNER,
  other,
  put,
  remember,
  type Scenario,
  type Step,
  second,
  THE_BUCKET,
  THERE,
  uploadOf,
} from './scenario.ts'

export interface NamedScenario {
  readonly name: string
  /** Another one each time: a scenario may remember what its lives did. */
  make(): Scenario
}

const subjectPut =
  (kind: Kind): NonNullable<Scenario['life']> =>
  (store) =>
    store.run(put(store, 'subject', first[kind].bytes))

const remove = (key: string) => (store: SimulatedStore) =>
  store.engine.objects.delete({ bucket: BUCKET, key })

const puts = KINDS.map((kind): NamedScenario => {
  const { bytes, etag } = first[kind]
  const run = (store: SimulatedStore) => put(store, 'subject', bytes)
  return {
    name: `PUT of a new object, ${kind}`,
    make: () => ({ steps: [{ run, changes: { subject: [undefined, etag] } }] }),
  }
})

const overwrites = KINDS.flatMap((before) =>
  KINDS.map((after): NamedScenario => {
    const run = (store: SimulatedStore) => put(store, 'subject', second[after].bytes)
    const changes = { subject: [first[before].etag, second[after].etag] } as const
    return {
      name: `an object that is ${before} is overwritten by one that is ${after}`,
      make: () => ({ life: subjectPut(before), from: 'firstCommit', steps: [{ run, changes }] }),
    }
  }),
)

const deletes = KINDS.map((kind): NamedScenario => {
  const changes = { subject: [first[kind].etag, undefined] } as const
  return {
    name: `DELETE of an object, ${kind}`,
    make: () => ({ life: subjectPut(kind), steps: [{ run: remove('subject'), changes }] }),
  }
})

const copies = KINDS.map((kind): NamedScenario => {
  const { etag } = first[kind]
  const run = async (store: SimulatedStore): Promise<unknown> =>
    put(store, 'copy', await readBytes(store.engine, { bucket: BUCKET, key: 'subject' }))
  return {
    name: `COPY of an object, ${kind}`,
    make: () => ({
      life: subjectPut(kind),
      steps: [{ run, changes: { copy: [undefined, etag], subject: [etag, etag] } }],
      from: 'firstCommit',
    }),
  }
})

const firstOfAll = (): Scenario => {
  let isMade: Promise<unknown> = Promise.resolve()
  const create = (store: SimulatedStore): Promise<unknown> => {
    isMade = createBucket(store)
    return isMade
  }
  const { bytes, etag } = first.packed
  const putThen = (store: SimulatedStore) => isMade.then(() => put(store, 'subject', bytes))
  return {
    isNew: true,
    steps: [
      { run: create, changes: { [THE_BUCKET]: [undefined, THERE] } },
      { run: putThen, changes: { subject: [undefined, etag] } },
    ],
  }
}

const bucketDelete = (): Scenario => ({
  isNew: true,
  life: (store) => store.run(createBucket(store)),
  steps: [
    { run: ({ engine }) => engine.buckets.delete(BUCKET), changes: { [THE_BUCKET]: [THERE, undefined] } },
  ],
})

const startAndPut = (): Scenario => {
  const { bytes, etag } = first.inline
  const run = (store: SimulatedStore) => put(store, 'subject', bytes)
  return { from: 'start', steps: [{ run, changes: { subject: [undefined, etag] } }] }
}

const severalAtOnce = (): Scenario => {
  const steps: Step[] = (['inline', 'packed'] as const).map((kind) => ({
    run: (store) => put(store, kind, second[kind].bytes),
    changes: { [kind]: [undefined, second[kind].etag] },
  }))
  steps.push({ run: remove('subject'), changes: { subject: [first.packed.etag, undefined] } })
  return { life: subjectPut('packed'), steps, from: 'firstCommit' }
}

/** Two objects of each kind, on top of others or not: much is under way at a time, and any of it may get to the disks. */
const putsAtOnce = (isOverwrite: boolean): Scenario => {
  const objects = KINDS.flatMap((kind) =>
    [first, second].map((bodies, i) => ({ key: `${kind}-${i}`, kind, bodies })),
  )
  return {
    async life(store) {
      for (const { key, kind } of isOverwrite ? objects : [])
        await store.run(put(store, key, other[kind].bytes))
    },
    steps: objects.map(({ key, kind, bodies }) => ({
      run: (store) => put(store, key, bodies[kind].bytes),
      changes: { [key]: [isOverwrite ? other[kind].etag : undefined, bodies[kind].etag] },
    })),
  }
}

/** As the handler does it: each key is a commit of its own, and many are under way at a time. */
const deleteObjects = (): Scenario => {
  const keys = KINDS.flatMap((kind) => [0, 1].map((i) => ({ kind, key: `${kind}-${i}` })))
  const kept = { kind: 'packed', key: 'kept' } as const
  return {
    async life(store) {
      for (const { kind, key } of [...keys, kept]) await store.run(put(store, key, first[kind].bytes))
    },
    steps: keys.map(({ kind, key }, i) => ({
      run: remove(key),
      changes: {
        [key]: [first[kind].etag, undefined] as const,
        ...(i === 0 && { kept: [first.packed.etag, first.packed.etag] as const }),
      },
    })),
    from: 'firstCommit',
  }
}

const copyAndDeletes = (): Scenario => {
  const { packed, large, inline } = first
  const copy = async (store: SimulatedStore): Promise<unknown> =>
    put(store, 'copy', await readBytes(store.engine, { bucket: BUCKET, key: 'packed' }))
  const steps: Step[] = (['large', 'inline'] as const).map((key) => ({
    run: remove(key),
    changes: { [key]: [first[key].etag, undefined] },
  }))
  steps.push({ run: copy, changes: { copy: [undefined, packed.etag], packed: [packed.etag, packed.etag] } })
  return {
    async life(store) {
      await store.run(put(store, 'packed', packed.bytes))
      await store.run(put(store, 'large', large.bytes))
      await store.run(put(store, 'inline', inline.bytes))
    },
    steps,
    from: 'firstCommit',
  }
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
const abort = ({ engine }: SimulatedStore, at: UploadAddress) => engine.uploads.abort(at)

const endOfUpload = (
  parts: typeof PARTS,
  end: (store: SimulatedStore, at: UploadAddress) => Promise<unknown>,
  after: string,
): Scenario => {
  let at: UploadAddress | undefined
  return {
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
  }
}

const multipartPut = (): Scenario => {
  const request = { bucket: BUCKET, key: 'subject', owner: OWNER, headers: [], metadata: [] }
  let at: UploadAddress | undefined
  const run = async ({ engine: { uploads } }: SimulatedStore): Promise<unknown> => {
    const parts = [...ABORTED_PARTS, REPLACED_PART, ...ABORTED_PARTS]
    return Promise.all(parts.map(({ bytes }, i) => uploads.putPart(at!, i + 1, bodyOf(bytes))))
  }
  const begun = uploadOf('subject')
  return {
    life: async (store) => {
      const { id } = await store.run(store.engine.uploads.create(request))
      at = { bucket: BUCKET, key: 'subject', upload: id }
    },
    steps: [{ run, changes: { [begun]: ['open', 'open'] } }],
  }
}

const multipartOverwrite = (): Scenario => {
  const run = (store: SimulatedStore) => put(store, 'subject', second.inline.bytes)
  return {
    life: async (store) => store.run(complete(store, await store.run(begin(store, 'subject')))),
    steps: [{ run, changes: { subject: [whole.etag, second.inline.etag] } }],
  }
}

export const OBJECT_SCENARIOS: readonly NamedScenario[] = [
  ...puts,
  { name: 'the first bucket and the first PUT of a new store', make: firstOfAll },
  { name: 'a start of the store and a PUT', make: startAndPut },
  ...overwrites,
  ...deletes,
  ...copies,
  { name: 'parts of an upload are put', make: multipartPut },
  {
    name: 'a multipart upload is completed over another object',
    make: () => endOfUpload(PARTS, complete, whole.etag),
  },
  { name: 'a multipart upload is aborted', make: () => endOfUpload(ABORTED_PARTS, abort, first.packed.etag) },
  { name: 'a multipart object is overwritten', make: multipartOverwrite },
  { name: 'two PUTs and a DELETE at once', make: severalAtOnce },
  { name: 'six PUTs at once', make: () => putsAtOnce(false) },
  { name: 'six objects are overwritten at once', make: () => putsAtOnce(true) },
  { name: 'an empty bucket is deleted', make: bucketDelete },
  { name: 'DeleteObjects of six objects', make: deleteObjects },
  { name: 'an object is copied, and several are deleted at once', make: copyAndDeletes },
]
