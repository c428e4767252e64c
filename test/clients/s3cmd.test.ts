// s3cmd, whose signatures, dates and multipart sizes are its own.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  BIG_FILE_BYTES,
  CLIENT_LIMIT_MS,
  compareTrees,
  createBigFile,
  createClientStage,
  createTree,
  digestOfFile,
  inKeyOrder,
  keysOf,
  ODD_KEYS,
  runClient,
  TREE_FILES,
} from '../support/foreign.ts'
import { assert, deadline, hasCommand, needing, suite } from '../support/uvu.ts'

const test = suite('s3cmd')
const needsS3cmd = needing(test, 's3cmd', hasCommand('s3cmd'))
const stage = createClientStage('s3cmd')
const { work } = stage
test.after(stage.close)

const s3cmd = (...args: string[]): Promise<string> => s3cmdReading(undefined, ...args)

const s3cmdReading = async (input: string | undefined, ...args: string[]): Promise<string> => {
  const { endpoint, credentials } = await stage.server()
  const { host } = new URL(endpoint)
  const settings = [
    '[default]',
    `access_key = ${credentials.accessKeyId}`,
    `secret_key = ${credentials.secretAccessKey}`,
    `host_base = ${host}`,
    `host_bucket = ${host}`,
    'use_https = False',
    'bucket_location = us-east-1',
    'progress_meter = False',
  ]
  writeFileSync(join(work, 'config'), settings.join('\n'))
  const options = { cwd: work, ...(input !== undefined && { input }) }
  return (await runClient('s3cmd', ['-c', join(work, 'config'), ...args], options)).stdout
}

needsS3cmd(
  'a tree goes in, syncs, lists and comes out whole',
  deadline(2 * CLIENT_LIMIT_MS, async () => {
    const tree = join(work, 'tree')
    mkdirSync(tree)
    createTree(tree, TREE_FILES)
    await s3cmd('mb', 's3://s3cmd-tree')
    await s3cmd('sync', '--quiet', 'tree/', 's3://s3cmd-tree/in/')
    assert.not.match(await s3cmd('sync', 'tree/', 's3://s3cmd-tree/in/'), /upload:/)
    const listed = await s3cmd('ls', '--recursive', 's3://s3cmd-tree/')
    assert.is(listed.trim().split('\n').length, TREE_FILES)
    mkdirSync(join(work, 'out'))
    await s3cmd('get', '--recursive', '--quiet', 's3://s3cmd-tree/in/', 'out/')
    await compareTrees(tree, join(work, 'out'))
    await s3cmd('del', '--recursive', '--force', '--quiet', 's3://s3cmd-tree/')
    await s3cmd('rb', 's3://s3cmd-tree')
  }),
)

// It takes what is behind the bucket's slash literally, `..` and empty names included. A key that ends with a slash, `//` for one,
// is a folder to it: "Destination S3 URI must not end with '/'", and none to get either.
needsS3cmd(
  'odd keys go in and come out as they are spelled',
  deadline(CLIENT_LIMIT_MS, async () => {
    const keys = [...ODD_KEYS, '../x', '..', '.', '/x', 'a//b', '//x']
    await s3cmd('mb', 's3://s3cmd-odd')
    for (const key of keys) await s3cmdReading(`body of ${key}`, 'put', '-', `s3://s3cmd-odd/${key}`)
    assert.equal(await keysOf(await stage.server(), 's3cmd-odd'), inKeyOrder(keys))
    for (const key of keys) {
      assert.is(await s3cmd('get', '--quiet', `s3://s3cmd-odd/${key}`, '-'), `body of ${key}`, key)
    }
    const listed = await s3cmd('ls', '--recursive', 's3://s3cmd-odd')
    for (const key of keys) assert.ok(listed.includes(`s3://s3cmd-odd/${key}\n`), key)
    for (const key of keys) await s3cmd('del', `s3://s3cmd-odd/${key}`)
    await s3cmd('rb', 's3://s3cmd-odd')
  }),
)

needsS3cmd(
  'a big file goes in parts, is copied and comes out whole',
  deadline(CLIENT_LIMIT_MS, async () => {
    createBigFile(join(work, 'big'), BIG_FILE_BYTES)
    await s3cmd('mb', 's3://s3cmd-big')
    await s3cmd('put', '--quiet', 'big', 's3://s3cmd-big/big')
    await s3cmd('cp', '--quiet', 's3://s3cmd-big/big', 's3://s3cmd-big/copy')
    await s3cmd('get', '--quiet', 's3://s3cmd-big/copy', 'big.out')
    assert.is(await digestOfFile(join(work, 'big.out')), await digestOfFile(join(work, 'big')))
    await s3cmd('rb', '--recursive', '--force', 's3://s3cmd-big')
  }),
)

test.run()
