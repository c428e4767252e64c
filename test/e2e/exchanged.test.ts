// Directories of a running store that others take the place of, between two looks: what is used is what is locked.
import { cpSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { KiB } from '../../src/base/units.ts'
import { eventually } from '../support/memory-tree.ts'
import { readRedundancy } from '../support/redundancy.ts'
import { bodyOf, createS3Client, readObject, sha256 } from '../support/s3-client.ts'
import {
  createTemporaryDirectory,
  runProgram,
  type ServerProcess,
  startsOf,
} from '../support/server-process.ts'
import { assert, deadline, needing, suite } from '../support/uvu.ts'

const test = suite('exchanged')
const LIMIT_MS = 180_000
const PATIENCE_MS = 60_000
const BUCKET = 'bucket'
const onLinux = needing(test, 'list of locks in /proc', process.platform === 'linux')

const start = startsOf(test)

/** Whether the process holds a lock on this very file. */
const isLockedBy = ({ pid }: ServerProcess, disk: string): boolean => {
  const { ino } = statSync(join(disk, 'lock', 'LOCK'))
  return readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .some((line) => line.includes(` ${pid} `) && line.includes(`:${ino} `))
}
const openBelow = ({ pid }: ServerProcess, directory: string): string[] =>
  readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${name}`)
      return target.startsWith(`${directory}/`) ? [target] : []
    } catch {
      return []
    }
  })
const linesOf = (server: ServerProcess, event: string): number =>
  server.stderr().split(`"${event}"`).length - 1
const isPresent = async (server: ServerProcess): Promise<boolean> =>
  (await readRedundancy(server).catch(() => undefined))?.disks.every(({ state }) => state === 'present') ??
  false

const store = async () => {
  const data = createTemporaryDirectory('data')
  const disk = join(data, 's')
  const server = await start({ disks: [disk] })
  const client = createS3Client(server, { maxAttempts: 8 })
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
  const put = (key: string) =>
    client.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: bodyOf(key.length, 40 * KiB) }))
  await put('1')
  return { data, disk, server, put }
}

onLinux(
  'a directory that another takes the place of is locked before it is used, and nothing is left of the old one',
  deadline(LIMIT_MS, async () => {
    const { data, disk, server, put } = await store()
    const [copy, old] = [join(data, 'copy'), join(data, 'old')]
    assert.ok(isLockedBy(server, disk))
    cpSync(disk, copy, { recursive: true })
    renameSync(disk, old)
    renameSync(copy, disk)
    await eventually('it is found', PATIENCE_MS, () => linesOf(server, 'disk-found') > 0)
    await eventually('it is in use', PATIENCE_MS, () => isPresent(server))
    assert.is(linesOf(server, 'disk-gone'), 1)
    assert.ok(isLockedBy(server, disk))
    assert.not.ok(isLockedBy(server, old))
    await eventually('nothing of the old one is open', PATIENCE_MS, () => openBelow(server, old).length === 0)
    const second = await runProgram(['serve', '--port', '0', '--disks', disk])
    assert.is(second.code, 1)
    assert.match(second.stderr, 'is in use by another Moraine')

    await put('22')
    await server.stop()
    const again = await start({ disks: [disk], credentials: server.credentials })
    for (const key of ['1', '22']) {
      const found = await readObject(createS3Client(again), BUCKET, key)
      assert.is(sha256(found), sha256(bodyOf(key.length, 40 * KiB)))
    }
  }),
)

onLinux(
  'a lock that was removed is taken again',
  deadline(LIMIT_MS, async () => {
    const { disk, server, put } = await store()
    rmSync(join(disk, 'lock'), { recursive: true })
    await eventually('it is noticed', PATIENCE_MS, () => linesOf(server, 'disk-gone') === 1)
    await eventually('it is found', PATIENCE_MS, () => linesOf(server, 'disk-found') === 1)
    await eventually('it is in use', PATIENCE_MS, () => isPresent(server))
    assert.ok(isLockedBy(server, disk))
    await put('22')
  }),
)

onLinux(
  'a directory in the place of another that is in use stays out until it is free, and untouched',
  deadline(LIMIT_MS, async () => {
    const { data, disk, server } = await store()
    const [copy, old] = [join(data, 'copy'), join(data, 'old')]
    cpSync(disk, copy, { recursive: true })
    const other = await start({ disks: [copy], credentials: server.credentials })
    renameSync(disk, old)
    renameSync(copy, disk)
    const message = `${disk} is in use by another Moraine: its disk is out`
    await eventually('it is said', PATIENCE_MS, () => server.stderr().includes(message))
    assert.ok(isLockedBy(other, disk))
    assert.is(linesOf(server, 'disk-found'), 0)
    await other.kill()
    await eventually('it is found', PATIENCE_MS, () => linesOf(server, 'disk-found') === 1)
    assert.ok(isLockedBy(server, disk))
  }),
)

test.run()
