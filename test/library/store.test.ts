// createStore as a program that embeds it sees it: two side by side, nothing left behind, events, and clear refusals.
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { silentLog } from '../../src/base/log.ts'
import { MINUTE } from '../../src/base/units.ts'
import { createStore, type Store, type StoreEvent, type StoreOptions } from '../../src/index.ts'
import { configOf } from '../../src/options.ts'
import { startServer } from '../../src/server.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { runProgram } from '../support/server-process.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('library')
const LIMIT_MS = 30_000

type Served = Pick<Store, 'endpoint' | 'region' | 'credentials'>

const clientOf = ({ endpoint, region, credentials }: Served): S3Client =>
  new S3Client({ endpoint, region, credentials, forcePathStyle: true })

const roundTrip = async (store: Served, text: string): Promise<string> => {
  const s3 = clientOf(store)
  try {
    await s3.send(new CreateBucketCommand({ Bucket: 'bucket' }))
    await s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'key', Body: text }))
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'key' }))
    return await Body!.transformToString()
  } finally {
    s3.destroy()
  }
}

test(
  'two stores live side by side, each with its own objects and keys',
  deadline(LIMIT_MS, async () => {
    await using one = await createStore({ disks: 'memory' })
    await using two = await createStore({ disks: 'memory' })
    assert.is.not(one.endpoint, two.endpoint)
    assert.is.not(one.credentials.accessKeyId, two.credentials.accessKeyId)
    assert.is(await roundTrip(one, 'first'), 'first')
    assert.is(await roundTrip(two, 'second'), 'second')
  }),
)

test(
  'a temporary store is on real files, and its disks are seen to leave when it is closed',
  deadline(LIMIT_MS, async () => {
    const store = await createStore({ disks: 'temporary' })
    const ended: StoreEvent[] = []
    store.events.subscribe((event) => void ended.push(event))
    assert.is(await roundTrip(store, 'x'.repeat(300_000)), 'x'.repeat(300_000))
    await Promise.all([store.close(), store.close()])
    await store.closed
    assert.equal(new Set(ended.map(({ kind }) => kind)), new Set(['disk-left']))
  }),
)

test(
  'a store that is made, used, stopped and started again has nothing to warn of',
  deadline(LIMIT_MS, async () => {
    const parent = mkdtempSync(join(tmpdir(), 'moraine-library-'))
    const warnings: string[] = []
    const warn = (event: string): void => {
      // Of the machine's file system, not of the store.
      if (event !== 'disk.no-direct-io') warnings.push(event)
    }
    const log = { debug: () => undefined, info: () => undefined, warn, error: warn }
    const disks = ['a', 'b', 'c', 'd'].map((name) => join(parent, name))
    try {
      for (const options of [{ disks: 'memory' as const }, { disks }]) {
        const store = await createStore({ ...options, log })
        assert.is(await roundTrip(store, 'text'), 'text')
        await store.close()
        assert.equal(warnings, [])
      }
      await (await createStore({ disks, log })).close()
      assert.equal(warnings, [])
    } finally {
      rmSync(parent, { recursive: true, force: true })
    }
  }),
)

test(
  'directories keep their objects from one store to the next, and one store at a time',
  deadline(LIMIT_MS, async () => {
    const parent = mkdtempSync(join(tmpdir(), 'moraine-library-'))
    try {
      const options: StoreOptions = { disks: ['a', 'b', 'c'].map((name) => join(parent, name)) }
      const first = await createStore(options)
      await roundTrip(first, 'kept')
      await rejectsWith('STORE_IN_USE', () => createStore(options))
      await first.close()
      await using second = await createStore(options)
      assert.is(second.credentials.secretAccessKey, first.credentials.secretAccessKey)
      const s3 = clientOf(second)
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'key' }))
      assert.is(await Body!.transformToString(), 'kept')
      s3.destroy()
    } finally {
      rmSync(parent, { recursive: true, force: true })
    }
  }),
)

test(
  'a second store on the same disks is refused in this process, and after that in any other',
  deadline(LIMIT_MS, async () => {
    const parent = mkdtempSync(join(tmpdir(), 'moraine-library-'))
    try {
      const disks = ['a', 'b', 'c', 'd'].map((name) => join(parent, name))
      await using store = await createStore({ disks })
      const [a, b, c, d] = disks as [string, string, string, string]
      for (const order of [disks, [d, a, b, c], [c, a, b, d]]) {
        await rejectsWith('STORE_IN_USE', () => createStore({ disks: order }))
      }
      for (const some of [disks, [c, d]]) {
        const elsewhere = await runProgram(['serve', '--port', '0', '--disks', some.join(',')])
        assert.equal([elsewhere.code, elsewhere.stdout], [1, ''], elsewhere.stderr)
        assert.match(elsewhere.stderr, `${some[0]} is in use by another Moraine`)
      }
      assert.is(await roundTrip(store, 'text'), 'text')
    } finally {
      rmSync(parent, { recursive: true, force: true })
    }
  }),
)

test(
  'options that no command line would pass are refused by name: an empty secret is no key, 99999 no port',
  deadline(LIMIT_MS, async () => {
    const wrong: readonly (readonly [option: string, value: unknown])[] = [
      ['disks', undefined],
      ['disks', 'nowhere'],
      ['disks', [1, 2]],
      ['disks', ['same', './same']],
      ['port', 99_999],
      ['port', -1],
      ['port', 1.5],
      ['host', 'no host'],
      ['region', ''],
      ['region', 'A B'],
      ['domain', '1.2.3.4'],
      ['arenaBytes', 1000],
      ['arenaBytes', 1e12],
      ['credentials', { accessKeyId: 'access', secretAccessKey: '' }],
      ['credentials', { accessKeyId: 'a/b', secretAccessKey: 'long enough'.replace(' ', '-') }],
      ['credentials', { accessKeyId: 'access' }],
      ['parity', '2 disks'],
      ['parity', 1.5],
      ['log', {}],
      ['log', { ...console, warn: 'no' }],
      ['log', null],
      ['bogus', 1],
    ]
    for (const [option, value] of wrong) {
      const options = { disks: 'memory', [option]: value } as unknown as StoreOptions
      const { message } = await rejectsWith('CONFIG_INVALID', () => createStore(options))
      assert.ok(message.includes(option), `${option}: ${message}`)
    }
    await rejectsWith('CONFIG_INVALID', () => createStore(undefined as unknown as StoreOptions))
    // The address is looked at before a disk is, whichever port is asked for.
    const parent = join(tmpdir(), `moraine-library-${process.pid}-untouched`)
    await rejectsWith('CONFIG_INVALID', () => createStore({ disks: [parent], host: '203.0.113.5' }))
    assert.not.ok(existsSync(parent))
  }),
)

test(
  'a start with more disks away than may be says at once which, instead of trying for twenty seconds',
  deadline(LIMIT_MS, async () => {
    const parent = mkdtempSync(join(tmpdir(), 'moraine-library-'))
    try {
      const disks = ['a', 'b', 'c', 'd'].map((name) => join(parent, name))
      await (await createStore({ disks })).close()
      for (const name of ['b', 'c', 'd']) renameSync(join(parent, name), join(parent, `${name}-away`))
      const problems: string[] = []
      const note = (event: string): void => void problems.push(event)
      const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: note }
      const { message } = await rejectsWith('TOO_FEW_DISKS', () => createStore({ disks, log }))
      assert.match(message, 'positions 2, 3, 4: 2 of 4 must be there')
      assert.equal(problems, [])
      for (const name of ['b', 'c', 'd']) renameSync(join(parent, `${name}-away`), join(parent, name))
      await (await createStore({ disks })).close()
    } finally {
      rmSync(parent, { recursive: true, force: true })
    }
  }),
)

test(
  'a store that gives up says what it could not mend, and has ended',
  deadline(LIMIT_MS, async () => {
    const memory = createMemoryFiles()
    const disks = [1, 2, 3].map((number) => `/memory/d${number}`)
    const once = {
      intensity: { restartsMax: 0, periodMs: MINUTE },
      backoff: { minMs: 1, maxMs: 1, jitter: 0 },
    }
    const server = await startServer(configOf({ disks }, disks), { log: silentLog, memory, patience: once })
    let isComplete = false
    server.events.subscribe({ complete: () => (isComplete = true) })
    memory.removeTree('/memory/d1')
    const error = await rejectsWith('DISK_GONE', () => server.closed)
    assert.match(error.message, /^the root supervisor gave up: disk 1/)
    assert.ok(isComplete)
    await server.close()
    await rejectsWith('ECONNREFUSED', () => roundTrip(server, 'nobody'))
  }),
)

test(
  'what cannot be is refused in one sentence, and nothing is touched',
  deadline(LIMIT_MS, async () => {
    await rejectsWith('CONFIG_INVALID', () => createStore({ disks: [] }))
    await rejectsWith('CONFIG_INVALID', () => createStore({ disks: 'memory', parity: 6 }))
    await using store = await createStore({ disks: 'memory' })
    const port = Number(new URL(store.endpoint).port)
    await rejectsWith('PORT_IN_USE', () => createStore({ disks: 'memory', port }))
    const parent = mkdtempSync(join(tmpdir(), 'moraine-library-'))
    writeFileSync(join(parent, 'somebody.txt'), 'mine')
    await rejectsWith('DISK_FORMAT', () => createStore({ disks: [parent, join(parent, 'b')] }))
    assert.not.ok(existsSync(join(parent, 'b')))
    rmSync(parent, { recursive: true, force: true })
  }),
)

test.run()
