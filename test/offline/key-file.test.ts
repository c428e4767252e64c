// The store's key saved, lost and put back.
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createStore } from '../../src/index.ts'
import { exportKey, formatKey, importKey, parseKey } from '../../src/offline/key-file.ts'
import { flipByte, snapshotOf } from '../support/disk-damage.ts'
import { copyStoppedStore, OBJECTS, type StoppedStore } from '../support/offline-stores.ts'
import { createS3Client, readObject } from '../support/s3-client.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('key file')
const LIMIT_MS = 60_000
let store: StoppedStore
let path = ''

test.before.each(async () => {
  store = await copyStoppedStore()
  path = join(store.parent, 'saved.key')
})
test.after.each(() => rmSync(store.parent, { recursive: true, force: true }))

const keysOf = (): Buffer[] => store.disks.map((disk) => readFileSync(join(disk, 'store.key')))

test(
  'with the exported key a store that lost every store.key starts with its old login',
  deadline(LIMIT_MS, async () => {
    const before = await createStore({ disks: store.disks })
    const { credentials } = before
    await exportKey(store.disks, path)
    await before.close()
    const keys = keysOf()
    for (const disk of store.disks) rmSync(join(disk, 'store.key'))
    const { message } = await rejectsWith('DISK_FORMAT', () => createStore({ disks: store.disks }))
    assert.match(message, /store\.key is missing or damaged on every disk: 'moraine key import'/)
    const beside = await rejectsWith('DISK_FORMAT', () => exportKey(store.disks, `${path}-2`))
    assert.is(beside.message, message)
    assert.equal(await importKey(store.disks, path), store.disks)
    assert.equal(keysOf(), keys)
    const after = await createStore({ disks: store.disks })
    try {
      assert.equal(after.credentials, credentials)
      const client = createS3Client(after)
      const body = await readObject(client, 'bucket', 'packed')
      assert.ok(Buffer.from(body).equals(OBJECTS.packed))
      client.destroy()
    } finally {
      await after.close()
    }
  }),
)

test(
  'the file is for its owner alone, and is never overwritten',
  deadline(LIMIT_MS, async () => {
    await exportKey(store.disks, path)
    assert.is(statSync(path).mode & 0o777, 0o600)
    const text = readFileSync(path, 'utf8')
    assert.match(text, /^moraine key 1\nstore [0-9a-f]{32}\nkey [0-9a-f]{64}\nchecksum [0-9a-f]{8}\n$/)
    assert.ok(keysOf().every((file) => file.toString('hex').includes(/key ([0-9a-f]{64})/.exec(text)![1]!)))
    const { message } = await rejectsWith('CONFIG_INVALID', () => exportKey(store.disks, path))
    assert.match(message, /is there already/)
    assert.is(readFileSync(path, 'utf8'), text)
    await rejectsWith('CONFIG_INVALID', () => exportKey(store.disks, join(store.parent, 'no/where')))
  }),
)

test(
  'the key is written only where there is none that is whole, and nothing else is touched',
  deadline(LIMIT_MS, async () => {
    await exportKey(store.disks, path)
    const whole = snapshotOf(store.parent)
    assert.equal(await importKey(store.disks, path), [])
    assert.equal(snapshotOf(store.parent), whole)
    flipByte(join(store.disks[1]!, 'store.key'), 50)
    rmSync(join(store.disks[4]!, 'store.key'))
    assert.equal(await importKey(store.disks, path), [store.disks[1], store.disks[4]])
    assert.equal(snapshotOf(store.parent), whole)
  }),
)

test(
  'a store that runs, or another one, is refused',
  deadline(LIMIT_MS, async () => {
    await exportKey(store.disks, path)
    const running = await createStore({ disks: store.disks })
    for (const disk of store.disks) rmSync(join(disk, 'store.key'))
    await rejectsWith('STORE_IN_USE', () => importKey(store.disks, path))
    await running.close()
    const { storeId, key } = parseKey(readFileSync(path, 'utf8'))
    const forgery = join(store.parent, 'forged.key')
    writeFileSync(forgery, formatKey({ storeId: '0'.repeat(32), key }))
    const { message } = await rejectsWith('CONFIG_INVALID', () => importKey(store.disks, forgery))
    assert.match(message, /that of another store/)
    assert.equal(await importKey([store.disks[0]!, store.disks[1]!], path), store.disks.slice(0, 2))
    writeFileSync(forgery, formatKey({ storeId, key: key.map((byte) => byte ^ 1) }))
    await rejectsWith('CONFIG_INVALID', () => importKey(store.disks, forgery))
    await rejectsWith('CONFIG_INVALID', () => importKey(store.disks, join(store.parent, 'nothing')))
    await rejectsWith('DISK_FORMAT', () => importKey([store.parent], path))
  }),
)

test('what is no exported key, or not whole, is refused', async () => {
  const storeId = '0123456789abcdef'.repeat(2)
  const key = Uint8Array.from({ length: 32 }, (_, i) => i)
  const text = formatKey({ storeId, key })
  // Computed by another program.
  const digits = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
  assert.is(text, `moraine key 1\nstore ${storeId}\nkey ${digits}\nchecksum 71376f96\n`)
  assert.equal(parseKey(text), { storeId, key })
  assert.equal(parseKey(text.replaceAll('\n', '\r\n')), { storeId, key })
  for (let at = 'moraine key 1\n'.length; at < text.length - 1; at++) {
    const other = text[at] === '0' ? '1' : '0'
    await rejectsWith('CONFIG_INVALID', () => parseKey(text.slice(0, at) + other + text.slice(at + 1)))
    await rejectsWith('CONFIG_INVALID', () => parseKey(text.slice(0, at)))
  }
  await rejectsWith('CONFIG_INVALID', () => parseKey(`# mine\n${text}`))
  await rejectsWith('RECORD_VERSION', () => parseKey(text.replace('key 1', 'key 2')))
})

test.run()
