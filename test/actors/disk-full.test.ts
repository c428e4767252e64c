// A disk that refuses to take more, whatever its file system says of free space, fails the write that met it, and from then
// on what is written goes to the others, without anybody having to wait for the next look at that disk.
import { Buffer } from 'node:buffer'
import { FileError, type FileSystem } from '../../src/base/files.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { openProbedStore } from '../support/engine-probe.ts'
import { createLogLines } from '../support/log-lines.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('a disk without room')
const OWNER = 'a'.repeat(64)
const NAME = { bucket: 'bucket', key: 'k' }

/** Files below the root of the second disk cannot be written to once `isFull` says so. */
const withFullDisk = (files: FileSystem, isFull: () => boolean): FileSystem => ({
  ...files,
  async open(path, mode, options) {
    const file = await files.open(path, mode, options)
    return {
      ...file,
      async write(from, position) {
        if (isFull() && path.startsWith('/store/d2/')) throw new FileError('write', path, 'ENOSPC')
        await file.write(from, position)
      },
    }
  },
})

for (const [kind, size] of [
  ['packed', 300 * KiB],
  ['large', 9 * MiB],
] as const) {
  test(
    `a ${kind} body fails once with 507, and then goes to the other disks`,
    deadline(20_000, async () => {
      const memory = createMemoryFiles()
      let isFull = false
      const { log, lines } = createLogLines()
      const files = { ...memory, ...withFullDisk(memory, () => isFull) }
      const store = await openProbedStore(files, 6, undefined, log)
      await store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
      const bytes = Buffer.alloc(size, `${kind} `)
      const put = () =>
        store.engine.objects.put({ ...NAME, owner: OWNER, headers: [], metadata: [] }, bodyOf(bytes))
      isFull = true
      await rejectsWith('DISK_FULL', put)
      const { data } = await put()
      assert.is(data.kind, 'shards')
      if (data.kind === 'shards') assert.not.ok(data.places.some(({ disk }) => disk === 2))
      assert.ok(Buffer.compare(await readBytes(store.engine, NAME), bytes) === 0)
      assert.equal(store.arena.inUse(), { small: 0, large: 0 })
      await store.close()
      // No actor failed, and nothing went astray: the disk says what it is, the journal goes elsewhere, the client has heard.
      const told = lines.filter(({ level, event }) => level !== 'debug' && event !== 'disk.no-direct-io')
      assert.equal(
        told.map(({ level, event, fields }) => `${level} ${event} ${fields['disk']}`),
        ['warn disk-full 2', 'warn journal-disk-failed 2'],
      )
    }),
  )
}

test.run()
