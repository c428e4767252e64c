// `npm start` where nobody has installed or built anything: only what a clone brings, Node and npm. It does all of it itself, which
// takes a core a minute: only where every client is required.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, lstatSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { hasRegistry } from '../support/registry.ts'
import { createS3Client, readObject } from '../support/s3-client.ts'
import { createTemporaryDirectory, REPOSITORY, startProcess } from '../support/server-process.ts'
import { assert, deadline, needing, suite } from '../support/uvu.ts'

const test = suite('fresh clone')
/** Packages are unpacked and everything is compiled: a minute of work for one core. */
const START_LIMIT_MS = 900_000
/** What git has of this working tree, or would have. */
const tracked = (): string[] => {
  const listed = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: REPOSITORY,
    encoding: 'utf8',
  })
  return listed.status === 0 ? listed.stdout.split('\0').filter((path) => path !== '') : []
}

const copyTo = (directory: string, path: string): void => {
  mkdirSync(dirname(join(directory, path)), { recursive: true })
  copyFileSync(join(REPOSITORY, path), join(directory, path))
}

const cloneInto = (directory: string): void => {
  for (const path of tracked()) {
    // A file that was removed and not yet said to be.
    if (lstatSync(join(REPOSITORY, path), { throwIfNoEntry: false })?.isFile()) copyTo(directory, path)
  }
}

const isThorough = process.env['MORAINE_REQUIRE_CLIENTS'] === '1'
const withRegistry = needing(
  test,
  'MORAINE_REQUIRE_CLIENTS=1, git checkout and npm registry',
  isThorough && existsSync(join(REPOSITORY, '.git')) && hasRegistry(),
)

withRegistry(
  'npm start installs, builds, serves, and ends on SIGTERM with 0',
  deadline(START_LIMIT_MS + 60_000, async () => {
    const clone = createTemporaryDirectory('clone')
    cloneInto(clone)
    const server = await startProcess({
      command: ['npm', 'start', '--'],
      cwd: clone,
      startLimitMs: START_LIMIT_MS,
      environment: { npm_config_prefer_offline: 'true' },
      data: join(clone, 'data'),
    })
    const client = createS3Client(server)
    await client.send(new CreateBucketCommand({ Bucket: 'bucket' }))
    await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'key', Body: 'body' }))
    assert.is(Buffer.from(await readObject(client, 'bucket', 'key')).toString(), 'body')
    client.destroy()
    assert.equal(await server.stop(), { code: 0, signal: null })
  }),
)

test.run()
