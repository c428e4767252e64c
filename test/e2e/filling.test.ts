// Filling and emptying a store by S3 alone: a full one answers writes of every size 507 and goes on with reads, DELETE and
// Abort, across a restart too; what was deleted gives back all of its room, whichever way it was stored.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import { MiB } from '../../src/base/units.ts'
import { createFiller, type Filler, KINDS, type Kind } from '../support/filling.ts'
import { roundsOf } from '../support/rounds.ts'
import { bodyOf, type Target } from '../support/s3-client.ts'
import { createCredentials, createTemporaryDirectory, startProcess } from '../support/server-process.ts'
import { assert, deadline, needing, suite } from '../support/uvu.ts'

const test = suite('filling')
const LIMIT_MS = 300_000
/** A sixteenth is the reserve: room for what a store writes that has none. */
const DISK_MIB = 32
/** Of the objects, where not all are read. */
const SAMPLE = 100
/** Who says 507 for so long is full: what was deleted is given back sooner, once it has begun to be. */
const FULL_MS = 5_000
/** Deleted room is given back within seconds; on a machine that does much else, within more of them. */
const RECLAIMING_MS = 60_000
/** Of the objects that went in the first time: volumes and segments are not cut at the same places twice, on disks of few. */
const AGAIN_MIN = 0.85
/** Journal and index have grown by a mebibyte or two on a disk meanwhile; of 32 that is two large objects. */
const AGAIN_FEWER = 2

interface Running extends Target {
  close(): Promise<unknown>
}

const refusesAll = async (filler: Filler, upload: string): Promise<void> => {
  for (const size of Object.values(KINDS)) {
    const { status, body } = await filler.send('PUT', '/refused', { body: bodyOf(1, size) })
    assert.is(status, 507)
    assert.match(String(body), '<Code>StorageFull</Code>')
  }
  const part = {
    body: bodyOf(1, 6 * MiB),
    query: [
      ['partNumber', '2'],
      ['uploadId', upload],
    ] as const,
  }
  assert.is((await filler.send('PUT', '/upload', part)).status, 507)
  assert.is((await filler.send('GET', '/refused')).status, 404)
}

const fillAndEmpty = async (kind: Kind, start: () => Promise<Running>): Promise<void> => {
  let server = await start()
  let filler = await createFiller(server)
  try {
    const { UploadId: upload = '' } = await filler.sdk.send(
      new CreateMultipartUploadCommand({ Bucket: 'filling', Key: 'upload' }),
    )
    const first = await filler.fill(kind, 'first', FULL_MS)
    await refusesAll(filler, upload)
    await filler.readBack(kind, 'first', Math.min(first, SAMPLE))

    filler.close()
    await server.close()
    server = await start()
    filler = await createFiller(server)
    await refusesAll(filler, upload)
    await filler.readBack(kind, 'first', first)
    assert.is((await filler.send('DELETE', '/upload', { query: [['uploadId', upload]] })).status, 204)
    const { Uploads = [] } = await filler.sdk.send(new ListMultipartUploadsCommand({ Bucket: 'filling' }))
    assert.equal(Uploads, [])
    await filler.empty('first', first)

    await filler.untilTaken(kind, RECLAIMING_MS)
    const second = await filler.fill(kind, 'second', FULL_MS)
    process.stdout.write(`  ${kind}: ${first} objects, then ${second}\n`)
    assert.ok(
      second >= AGAIN_MIN * first - AGAIN_FEWER,
      `${first} ${kind} objects went in, and then ${second}`,
    )
    await filler.readBack(kind, 'second', Math.min(second, SAMPLE))
    await filler.empty('second', second)
  } finally {
    filler.close()
    await server.close()
  }
}

const isMountable = (): boolean => {
  const at = createTemporaryDirectory('mount')
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', at]).status === 0
  if (isMounted) spawnSync('umount', [at])
  return isMounted
}

/** Runs `body` with six file systems of their own. */
const withMounts = async (sizeMiB: number, body: (disks: string[]) => Promise<void>): Promise<void> => {
  const data = createTemporaryDirectory('small')
  const disks = [1, 2, 3, 4, 5, 6].map((number) => join(data, `d${number}`))
  try {
    for (const disk of disks) {
      mkdirSync(disk)
      assert.is(spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', disk]).status, 0)
    }
    await body(disks)
  } finally {
    for (const disk of disks) spawnSync('umount', ['--lazy', disk])
  }
}

const onMounts = needing(test, 'permission to mount a file system', isMountable())
for (const kind of (['packed', 'large', 'inline'] as const).slice(0, roundsOf(1, 3))) {
  onMounts(
    `six small file systems, the built program, ${kind} objects`,
    deadline(LIMIT_MS, () =>
      withMounts(DISK_MIB, async (disks) => {
        const credentials = createCredentials()
        await fillAndEmpty(kind, async () => {
          const server = await startProcess({ disks, credentials })
          return { ...server, close: server.stop }
        })
      }),
    ),
  )
}

test.run()
