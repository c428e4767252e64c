// The operations whose every I/O step meets every fault, each from a start to its end.
import { createHash } from 'node:crypto'
import type { CompletePart, UploadAddress } from '../../src/actors/engine.ts'
import type { ScrubberProtocol } from '../../src/actors/scrubber.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import type { FileSystem } from '../../src/base/files.ts'
import { KiB, MiB, SECOND } from '../../src/base/units.ts'
import {
  BUCKET,
  BYSTANDERS,
  bodyFrom,
  first,
  KINDS,
  type Kind,
  OWNER,
  put,
  remember,
  type Step,
  second,
  uploadOf,
} from '../crash/scenario.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { flipByte } from '../support/disks.ts'
import { emptyTree, filesBelow } from '../support/memory-tree.ts'
import type { SimulatedStore } from '../support/simulated-store.ts'
import { assert } from '../support/uvu.ts'
import type { FaultedOperation } from './one-case.ts'

const at = (key: string) => ({ bucket: BUCKET, key })
/** Behind an answer: what was freed is removed, and the indexes follow. */
const FREED_MS = 4 * SECOND
const WRITTEN_MS = 1 * SECOND

const putSubject =
  (kind: Kind) =>
  (store: SimulatedStore): Promise<unknown> =>
    store.run(put(store, 'subject', first[kind].bytes))

const puts: FaultedOperation[] = KINDS.map((kind) => ({
  name: `PUT, ${kind}`,
  steps: [
    {
      run: (store) => put(store, 'subject', second[kind].bytes),
      changes: { subject: [undefined, second[kind].etag] },
    },
  ],
  afterMs: WRITTEN_MS,
}))

const gets: FaultedOperation[] = KINDS.map((kind) => ({
  name: `GET, ${kind}`,
  life: putSubject(kind),
  steps: [
    {
      run: async (store) => {
        const bytes = await readBytes(store.engine, at('subject'))
        assert.ok(first[kind].bytes.equals(bytes), 'the bytes are right')
      },
      changes: { subject: [first[kind].etag, first[kind].etag] },
    },
  ],
  isRead: true,
}))

const subjectStays = { subject: [first.packed.etag, first.packed.etag] } as const

const reads: FaultedOperation[] = [
  {
    name: 'HEAD',
    life: putSubject('packed'),
    steps: [
      {
        run: async ({ engine }) =>
          assert.is((await engine.objects.head(at('subject'))).etag, first.packed.etag),
        changes: subjectStays,
      },
    ],
    isRead: true,
  },
  {
    name: 'LIST',
    life: putSubject('packed'),
    steps: [
      {
        run: async ({ engine }) => {
          const page = { bucket: BUCKET, prefix: '', delimiter: '', after: '', limit: 10 }
          const keys = (await engine.objects.list(page)).versions.map(({ key }) => key)
          assert.equal(keys, [...BYSTANDERS.map(([key]) => key), 'subject'])
        },
        changes: subjectStays,
      },
    ],
    isRead: true,
  },
]

const overwrites: FaultedOperation[] = (
  [
    ['large', 'packed'],
    ['packed', 'large'],
    ['inline', 'inline'],
  ] as const
).map(([before, after]) => ({
  name: `overwrite, ${before} by ${after}`,
  life: putSubject(before),
  steps: [
    {
      run: (store) => put(store, 'subject', second[after].bytes),
      changes: { subject: [first[before].etag, second[after].etag] },
    },
  ],
  afterMs: FREED_MS,
}))

const remove =
  (key: string): Step['run'] =>
  (store) =>
    store.engine.objects.delete(at(key))

const deletes: FaultedOperation[] = KINDS.map((kind) => ({
  name: `DELETE, ${kind}`,
  life: putSubject(kind),
  steps: [{ run: remove('subject'), changes: { subject: [first[kind].etag, undefined] } }],
  afterMs: FREED_MS,
}))

/** As the handler does it: each key is deleted by itself, several at a time. */
const deleteObjects: FaultedOperation = {
  name: 'DeleteObjects',
  life: async (store) => {
    for (const kind of KINDS) await store.run(put(store, kind, first[kind].bytes))
  },
  steps: KINDS.map((kind) => ({ run: remove(kind), changes: { [kind]: [first[kind].etag, undefined] } })),
  afterMs: FREED_MS,
}

/** As the handler does it: what is read is written. */
const copy: FaultedOperation = {
  name: 'COPY',
  life: putSubject('packed'),
  steps: [
    {
      run: async (store) => put(store, 'copy', await readBytes(store.engine, at('subject'))),
      changes: { copy: [undefined, first.packed.etag], ...subjectStays },
    },
  ],
  afterMs: WRITTEN_MS,
}

const PARTS = [bodyFrom(5 * MiB, 71), bodyFrom(100 * KiB, 72)] as const
const OTHER_PART = bodyFrom(260 * KiB, 73)
const wholeOf = (parts: readonly (typeof PARTS)[number][]) => {
  const bytes = Buffer.concat(parts.map((part) => part.bytes))
  const md5s = Buffer.concat(parts.map(({ etag }) => Buffer.from(etag, 'hex')))
  const etag = `${createHash('md5').update(md5s).digest('hex')}-${parts.length}`
  return remember({ etag, bytes, files: 1, packed: 1 })
}
const [whole, wholeWithOther] = [wholeOf(PARTS), wholeOf([PARTS[0], OTHER_PART])]
const listed = (parts: readonly (typeof PARTS)[number][]): CompletePart[] =>
  parts.map(({ etag }, i) => ({ partNumber: i + 1, etag }))

/** The one open upload. */
const uploadIn = async ({ engine }: SimulatedStore): Promise<UploadAddress> => {
  const page = { bucket: BUCKET, prefix: '', delimiter: '', after: { key: '', upload: '' }, limit: 9 }
  const { uploads } = await engine.uploads.list(page)
  return { ...at(uploads[0]!.key), upload: uploads[0]!.id }
}
const beginUpload = ({ engine }: SimulatedStore) =>
  engine.uploads.create({ ...at('subject'), owner: OWNER, headers: [], metadata: [] })
const uploadParts = async (store: SimulatedStore): Promise<unknown> => {
  await store.run(beginUpload(store))
  const upload = await store.run(uploadIn(store))
  for (const [i, { bytes }] of PARTS.entries())
    await store.run(store.engine.uploads.putPart(upload, i + 1, bodyOf(bytes)))
  return upload
}
/** Once it was completed and what it made was looked at and deleted. */
const GONE = { [uploadOf('subject')]: ['open', undefined] } as const

const uploads: FaultedOperation[] = [
  {
    name: 'multipart, create',
    steps: [{ run: beginUpload, changes: { [uploadOf('subject')]: [undefined, 'open'] } }],
    afterMs: WRITTEN_MS,
  },
  {
    name: 'multipart, part',
    life: uploadParts,
    steps: [
      {
        run: async (store) =>
          store.engine.uploads.putPart(await uploadIn(store), 2, bodyOf(OTHER_PART.bytes)),
        changes: GONE,
      },
    ],
    afterMs: FREED_MS,
    // The part that was there or the one that was acknowledged.
    verify: async (store, [isDone]) => {
      const upload = await store.run(uploadIn(store))
      const page = await store.run(store.engine.uploads.listParts(upload, { after: 0, limit: 9 }))
      const isOther = page.parts[1]!.etag === OTHER_PART.etag
      if (isDone) assert.ok(isOther, 'the acknowledged part is there')
      const parts = isOther ? listed([PARTS[0], OTHER_PART]) : listed(PARTS)
      const { etag } = await store.run(store.engine.uploads.complete({ ...upload, parts }))
      assert.is(etag, (isOther ? wholeWithOther : whole).etag)
      await store.run(store.engine.objects.delete(at('subject')))
    },
  },
  {
    name: 'multipart, complete',
    life: uploadParts,
    steps: [
      {
        run: async (store) =>
          store.engine.uploads.complete({ ...(await uploadIn(store)), parts: listed(PARTS) }),
        changes: { subject: [undefined, whole.etag], [uploadOf('subject')]: ['open', undefined] },
      },
    ],
    afterMs: WRITTEN_MS,
  },
  {
    name: 'multipart, abort',
    life: uploadParts,
    steps: [
      {
        run: async (store) => store.engine.uploads.abort(await uploadIn(store)),
        changes: { [uploadOf('subject')]: ['open', undefined] },
      },
    ],
    afterMs: FREED_MS,
  },
]

const OTHER_BUCKET = 'other-bucket'
const hasOther = async ({ engine }: SimulatedStore): Promise<boolean> => {
  const { buckets } = await engine.buckets.list({ prefix: OTHER_BUCKET, after: '', limit: 9 })
  return buckets.length > 0
}
const createOther = ({ engine }: SimulatedStore): Promise<unknown> =>
  engine.buckets.create(OTHER_BUCKET, { owner: OWNER, region: 'us-east-1' })

const buckets: FaultedOperation[] = [
  {
    name: 'bucket, create',
    steps: [{ run: createOther, changes: {} }],
    afterMs: WRITTEN_MS,
    verify: async (store, [isDone]) => {
      const isThere = await store.run(hasOther(store))
      if (isDone) assert.ok(isThere, 'the bucket that was acknowledged is there')
      if (isThere) await store.run(store.engine.buckets.delete(OTHER_BUCKET))
    },
  },
  {
    name: 'bucket, delete',
    life: (store) => store.run(createOther(store)),
    steps: [{ run: ({ engine }) => engine.buckets.delete(OTHER_BUCKET), changes: {} }],
    afterMs: WRITTEN_MS,
    verify: async (store, [isDone]) => {
      const isThere = await store.run(hasOther(store))
      if (isDone) assert.not.ok(isThere, 'the bucket that was deleted is gone')
      if (isThere) await store.run(store.engine.buckets.delete(OTHER_BUCKET))
    },
  },
]

const ASK = { withinMs: 30 * SECOND }
/** A tour from its beginning to its end. */
const tour: Step['run'] = (store) => store.system.ref<ScrubberProtocol>(PATHS.scrubber).ask('begin', {}, ASK)

/** Below `directory` of one disk every file has a byte that is wrong. */
const damage = async (files: FileSystem, root: string, directory: string, offset: number): Promise<void> => {
  for (const { path, bytes } of await filesBelow(files, `${root}/${directory}`)) {
    if (bytes > offset && !path.endsWith('.free')) await flipByte(files, path, offset)
  }
}
const KINDS_STAY = Object.fromEntries(
  KINDS.map((kind) => [kind, [first[kind].etag, first[kind].etag]]),
) as Record<Kind, [string, string]>
const neighbour = bodyFrom(1900 * KiB, 51)
const replaced = [61, 62, 63, 64].map((seed) => bodyFrom(5 * KiB, seed))

const upkeep: FaultedOperation[] = [
  {
    name: 'scrub',
    life: async (store) => {
      for (const kind of KINDS) await store.run(put(store, kind, first[kind].bytes))
    },
    steps: [{ run: tour, changes: KINDS_STAY }],
    afterMs: 5 * SECOND,
  },
  {
    name: 'repair',
    life: async (store, files) => {
      for (const kind of KINDS) await store.run(put(store, kind, first[kind].bytes))
      await damage(files, '/d1', 'shards', 8192)
      // Behind what is packed of a bystander, which has to be read whatever else fails.
      await damage(files, '/d2', 'volumes', 200 * KiB)
    },
    steps: [{ run: tour, changes: KINDS_STAY }],
    afterMs: 5 * SECOND,
    isDamaged: true,
    events: ['shard-repaired'],
  },
  {
    name: 'compaction of volumes',
    life: async (store) => {
      await putSubject('packed')(store)
      await store.run(put(store, 'neighbour', neighbour.bytes))
    },
    steps: [
      { run: remove('neighbour'), changes: { neighbour: [neighbour.etag, undefined], ...subjectStays } },
    ],
    afterMs: 8 * SECOND,
    events: ['disk.volume-dropped'],
  },
  {
    name: 'compaction of the journal',
    segmentBytes: 16 * KiB,
    life: async (store) => {
      await putSubject('inline')(store)
      await store.run(put(store, 'gone', second.inline.bytes))
      for (const body of replaced) await store.run(put(store, 'replaced', body.bytes))
    },
    steps: [
      {
        run: remove('gone'),
        changes: {
          gone: [second.inline.etag, undefined],
          subject: [first.inline.etag, first.inline.etag],
          replaced: [replaced.at(-1)!.etag, replaced.at(-1)!.etag],
        },
      },
    ],
    afterMs: 8 * SECOND,
    events: ['segment-compacted', 'bodies-moved'],
  },
  {
    name: 'change of segment',
    segmentBytes: 16 * KiB,
    steps: [31, 32, 33, 34].map((seed) => {
      const { etag, bytes } = bodyFrom(5 * KiB, seed)
      const key = `subject-${seed}`
      return { run: (store) => put(store, key, bytes), changes: { [key]: [undefined, etag] } }
    }),
    afterMs: WRITTEN_MS,
  },
  {
    name: 'batch of an index',
    steps: Array.from({ length: 8 }, (_, i) => {
      const { etag, bytes } = bodyFrom(1 * KiB, 200 + i)
      return {
        run: (store) => put(store, `subject-${i}`, bytes),
        changes: { [`subject-${i}`]: [undefined, etag] },
      }
    }),
    afterMs: 3 * SECOND,
  },
  {
    name: 'change of the table',
    life: putSubject('packed'),
    steps: [{ run: async () => undefined, changes: subjectStays }],
    prepare: (_, files) => emptyTree(files, '/d2'),
    afterMs: 10 * SECOND,
    isDamaged: true,
    events: ['disk-adopted'],
  },
]

export const OPERATIONS: readonly FaultedOperation[] = [
  {
    name: 'start',
    life: putSubject('packed'),
    steps: [{ run: async () => undefined, changes: subjectStays }],
    of: 'start',
  },
  ...[puts, gets, reads, overwrites, deletes].flat(),
  deleteObjects,
  copy,
  ...[uploads, buckets, upkeep].flat(),
  {
    name: 'close',
    life: putSubject('packed'),
    steps: [
      ...KINDS.map(
        (kind): Step => ({
          run: (store) => put(store, kind, second[kind].bytes),
          changes: { [kind]: [undefined, second[kind].etag] },
        }),
      ),
      { run: remove('subject'), changes: { subject: [first.packed.etag, undefined] } },
    ],
    of: 'close',
  },
]
