// Directories that cannot be written to, as an operator meets them: the store goes on without as many as it can do without,
// says which and why wherever it is asked, and takes them in again; what it cannot do without keeps it from starting.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { KiB, MiB } from '../../src/base/units.ts'
import { snapshotOf } from '../support/disk-damage.ts'
import { eventually } from '../support/memory-tree.ts'
import { readRedundancy, waitForRedundancy } from '../support/redundancy.ts'
import { bodyOf, createS3Client, readObject, sha256 } from '../support/s3-client.ts'
import {
  createTemporaryDirectory,
  runProgram,
  type ServerProcess,
  startsOf,
} from '../support/server-process.ts'
import { assert, deadline, needing, suite } from '../support/uvu.ts'

const test = suite('unwritable')
const LIMIT_MS = 180_000
const PATIENCE_MS = 60_000
const BUCKET = 'bucket'

const start = startsOf(test)

/** What a store locks first is no directory any more: so it is for root, too, whom no mode of a file refuses. */
const spoil = (disk: string): void => {
  rmSync(join(disk, 'lock'), { recursive: true })
  writeFileSync(join(disk, 'lock'), '')
}
const mend = (disk: string): void => rmSync(join(disk, 'lock'))

const put = (client: S3Client, index: number) =>
  client.send(new PutObjectCommand({ Bucket: BUCKET, Key: `${index}`, Body: bodyOf(index, 300 * KiB) }))
const check = async (client: S3Client, index: number): Promise<void> => {
  assert.is(sha256(await readObject(client, BUCKET, `${index}`)), sha256(bodyOf(index, 300 * KiB)))
}

const askReady = async (server: ServerProcess): Promise<[status: number, reason: string | undefined]> => {
  const answer = await fetch(`${server.endpoint}/-/health/ready`)
  return [answer.status, ((await answer.json()) as { reason?: string }).reason]
}

test(
  'a store starts without a directory that cannot be written to, says so everywhere, and takes it in when it can be',
  deadline(LIMIT_MS, async () => {
    const data = createTemporaryDirectory('data')
    const disks = [1, 2, 3, 4, 5, 6].map((number) => join(data, `d${number}`))
    const first = await start({ disks })
    const { credentials } = first
    const writer = createS3Client(first)
    await writer.send(new CreateBucketCommand({ Bucket: BUCKET }))
    await put(writer, 1)
    await first.stop()
    spoil(disks[2]!)
    const before = snapshotOf(disks[2]!)

    // In another order: the position of a disk is its own all the same.
    const server = await start({ disks: [...disks].reverse(), credentials })
    const message = `${disks[2]} cannot be written to (ENOTDIR): its disk is out`
    assert.match(server.stderr(), message)
    const { disks: states } = await readRedundancy(server)
    assert.equal(
      states.map(({ position, directory }) => [position, directory]),
      disks.map((disk, index) => [index + 1, disk]),
    )
    assert.equal(states[2], { position: 3, directory: disks[2]!, state: 'out', message })
    const listed = await runProgram(['disk', 'list', '--disks', disks.join(',')])
    const line = `position 3  number 3  set 0  ${disks[2]}  cannot be written to (ENOTDIR)`
    assert.equal(listed.stdout.split('\n')[2], line)
    assert.equal(await askReady(server), [200, undefined])
    const client = createS3Client(server, { maxAttempts: 5 })
    await check(client, 1)
    await put(client, 2)
    assert.equal(snapshotOf(disks[2]!), before)

    mend(disks[2]!)
    await waitForRedundancy(server, PATIENCE_MS)
    for (const index of [1, 2]) await check(client, index)

    // And with more away than it can do without it is alive, not ready, and ready again with them.
    for (const disk of disks.slice(0, 3)) renameSync(disk, `${disk}-away`)
    await eventually('it is not ready', PATIENCE_MS, async () => (await askReady(server))[0] === 503)
    await eventually('it says why', PATIENCE_MS, async () => {
      return (await askReady(server))[1] === 'too few disks can be reached to read everything'
    })
    assert.is((await fetch(`${server.endpoint}/-/health/live`)).status, 200)
    for (const disk of disks.slice(0, 3)) renameSync(`${disk}-away`, disk)
    await eventually('it is ready again', PATIENCE_MS, async () => (await askReady(server))[0] === 200)
    for (const index of [1, 2]) await check(client, index)
    await server.stop()
  }),
)

/** Root may write wherever it likes, unless it has given that up: then a mode is for its owner, too. */
const prefix = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-dac_override,-dac_read_search'] : []

test(
  'a disk of which one directory alone cannot be written to is out from the start, and comes back with its mode',
  deadline(LIMIT_MS, async () => {
    const data = createTemporaryDirectory('data')
    const disks = [1, 2, 3, 4, 5, 6].map((number) => join(data, `d${number}`))
    const first = await start({ disks, prefix })
    const { credentials } = first
    const writer = createS3Client(first)
    await writer.send(new CreateBucketCommand({ Bucket: BUCKET }))
    await put(writer, 1)
    await first.stop()
    const listed = async (): Promise<string[]> => {
      return (await runProgram(['disk', 'list', '--disks', disks.join(',')], { prefix })).stdout.split('\n')
    }
    const whole = await listed()
    let written = 1
    for (const places of [['', 'shards'] as const, ['volumes', 'journal/0'] as const]) {
      // In the first case what lies in the disk's own directory can be written to as ever, its lock as well.
      const closed = places.map((place, index) => join(disks[index + 1]!, place))
      const before = snapshotOf(disks[1]!)
      for (const path of closed) chmodSync(path, 0o500)
      try {
        const server = await start({ disks, prefix, credentials })
        const lines = await listed()
        const states = (await readRedundancy(server)).disks
        for (const [index, directory] of disks.entries()) {
          const cause = `${directory} cannot be written to (EACCES)`
          const isOut = index === 1 || index === 2
          assert.is(server.stderr().includes(`"reason":"${cause}: its disk is out"`), isOut, directory)
          const position = index + 1
          const state = isOut
            ? { position, directory, state: 'out', message: `${cause}: its disk is out` }
            : { position, directory, state: 'present' }
          assert.equal(states[index], state)
          assert.is(
            lines[index],
            isOut ? whole[index]!.replace(directory, cause.replace(' ', '  ')) : whole[index],
          )
        }
        assert.not.match(server.stderr(), 'session-not-written')
        assert.equal(snapshotOf(disks[1]!), before)
        const client = createS3Client(server, { maxAttempts: 5 })
        written += 1
        await put(client, written)
        for (const path of closed) chmodSync(path, 0o700)
        await waitForRedundancy(server, PATIENCE_MS)
        for (let index = 1; index <= written; index++) await check(client, index)
        await server.stop()
      } finally {
        for (const path of closed) chmodSync(path, 0o700)
      }
    }
  }),
)

test(
  'where more than the parity cannot be written to, or one at a first start, nothing starts and nothing is touched',
  deadline(LIMIT_MS, async () => {
    const data = createTemporaryDirectory('data')
    const disks = [1, 2, 3, 4].map((number) => join(data, `d${number}`))
    const refused = async (words: readonly string[]): Promise<void> => {
      const before = snapshotOf(data)
      const { code, stdout, stderr } = await runProgram(['serve', '--port', '0', '--disks', disks.join(',')])
      assert.equal([code, stdout], [1, ''], stderr)
      const told = stderr.replace(/^\{.*\}\n/gm, '')
      assert.match(told, /^moraine: [^\n]+\n$/)
      for (const word of words) assert.match(told, word)
      assert.equal(snapshotOf(data), before)
    }
    mkdirSync(disks[0]!)
    for (const index of [1, 2]) {
      mkdirSync(disks[index]!)
      writeFileSync(join(disks[index]!, 'lock'), '')
    }
    await refused(disks.slice(1, 3).map((disk) => `${disk} cannot be written to (ENOTDIR)`))
    for (const disk of disks.slice(1, 3)) mend(disk)
    writeFileSync(disks[3]!, '')
    await refused([`${disks[3]} cannot be used: it is not a directory`])
    rmSync(disks[3]!)
    await (await start({ disks })).stop()
    for (const disk of disks.slice(1)) spoil(disk)
    const causes = disks.slice(1).map((disk) => `${disk} cannot be written to (ENOTDIR)`)
    await refused(['its disks at positions 2, 3, 4: 2 of 4 must be there', ...causes])
  }),
)

const runs = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0
/** A file system of its own, which the kernel makes read-only when it is told of an error in it. */
const createFileSystem = (): { mount(at: string): boolean } => {
  const image = join(createTemporaryDirectory('image'), 'ext4')
  writeFileSync(image, '')
  truncateSync(image, 256 * MiB)
  runs('mkfs.ext4', '-q', image)
  return { mount: (at) => runs('mount', '-o', 'loop,errors=remount-ro', image, at) }
}
const isMountable = (): boolean => {
  const at = createTemporaryDirectory('mount')
  const isMounted = createFileSystem().mount(at)
  if (isMounted) runs('umount', at)
  return isMounted
}

needing(
  test,
  'permission to mount an ext4',
  isMountable(),
)(
  'a disk that the kernel makes read-only under a running store is out with its cause, and back when it lies elsewhere',
  deadline(LIMIT_MS, async () => {
    const data = createTemporaryDirectory('data')
    const disks = [1, 2, 3, 4, 5, 6].map((number) => join(data, `d${number}`))
    const third = disks[2]!
    const { mount } = createFileSystem()
    mkdirSync(third)
    assert.ok(mount(third))
    try {
      const server = await start({ disks })
      const client = createS3Client(server, { maxAttempts: 8 })
      await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
      const large = (Key: string) =>
        client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: bodyOf(7, 5 * MiB) }))
      await put(client, 1)
      assert.ok(runs('mount', '-o', 'remount,abort', third))
      const message = `${third} cannot be written to (EROFS): its disk is out`
      const isOut = async (): Promise<boolean> => (await readRedundancy(server)).disks[2]?.message === message
      let count = 0
      await eventually('it is out', PATIENCE_MS, async () => {
        await large(`${count++}`)
        return isOut()
      })
      // Tried again every ten seconds: none of that may reach a write.
      const endMs = performance.now() + 12_000
      while (performance.now() < endMs) {
        await large('again')
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
      assert.ok(await isOut())
      assert.not.match(server.stderr(), 'actor failed')
      assert.is(server.stderr().split('"disk-read-only"').length - 1, 1)

      // What it holds is still read: it may be put on another file system.
      cpSync(third, `${third}-copy`, { recursive: true, filter: (path) => !path.endsWith('lost+found') })
      assert.ok(runs('umount', '--lazy', third))
      rmdirSync(third)
      renameSync(`${third}-copy`, third)
      await waitForRedundancy(server, PATIENCE_MS)
      await large('after')
      await check(client, 1)
      await server.stop()
    } finally {
      runs('umount', '--lazy', third)
    }
  }),
)

test.run()
