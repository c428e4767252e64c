// rclone: copy, check, sync and purge, with its own idea of parts and of modification times in metadata.
import { mkdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
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
import { createS3Client } from '../support/s3-client.ts'
import { assert, deadline, hasCommand, needing, suite } from '../support/uvu.ts'

const test = suite('rclone')
const needsRclone = needing(test, 'rclone', hasCommand('rclone', 'version'))
const stage = createClientStage('rclone')
const { work } = stage
test.after(stage.close)

const rclone = (...args: string[]): Promise<string> => rcloneReading(undefined, ...args)

const rcloneReading = async (input: string | undefined, ...args: string[]): Promise<string> => {
  const { endpoint, region, credentials } = await stage.server()
  const environment = {
    RCLONE_CONFIG: join(work, 'none'),
    RCLONE_CONFIG_STORE_TYPE: 's3',
    RCLONE_CONFIG_STORE_PROVIDER: 'Other',
    RCLONE_CONFIG_STORE_ENDPOINT: endpoint,
    RCLONE_CONFIG_STORE_REGION: region,
    RCLONE_CONFIG_STORE_ACCESS_KEY_ID: credentials.accessKeyId,
    RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  }
  const options = { cwd: work, environment, ...(input !== undefined && { input }) }
  return (await runClient('rclone', args, options)).stdout
}

needsRclone(
  'a tree goes in, checks, syncs, lists and comes out whole',
  deadline(2 * CLIENT_LIMIT_MS, async () => {
    const tree = join(work, 'tree')
    mkdirSync(tree)
    createTree(tree, TREE_FILES)
    await rclone('mkdir', 'store:rclone-tree')
    await rclone('copy', '--transfers', '16', 'tree', 'store:rclone-tree/in')
    await rclone('check', 'tree', 'store:rclone-tree/in')
    writeFileSync(join(tree, 'added.txt'), 'added')
    unlinkSync(join(tree, 'a b', 'c d.txt'))
    await rclone('sync', 'tree', 'store:rclone-tree/in')
    const listed = await rclone('lsf', '--recursive', '--files-only', 'store:rclone-tree/in')
    assert.is(listed.trim().split('\n').length, TREE_FILES)
    await rclone('copy', '--transfers', '16', 'store:rclone-tree/in', 'out')
    await compareTrees(tree, join(work, 'out'))
    await rclone('purge', 'store:rclone-tree')
  }),
)

// It reads a name as a path and cleans it before it asks for anything: `a//b` is `a/b`, `/x` is `x`, `../x` leaves the bucket, and what
// ends with a slash is a folder. Such keys it can only list, those with dots in a spelling of its own.
needsRclone(
  'odd keys go in and come out as they are spelled, and those that it cannot spell are listed',
  deadline(CLIENT_LIMIT_MS, async () => {
    await rclone('mkdir', 'store:rclone-odd')
    for (const key of ODD_KEYS) await rcloneReading(`body of ${key}`, 'rcat', `store:rclone-odd/${key}`)
    const server = await stage.server()
    assert.equal(await keysOf(server, 'rclone-odd'), inKeyOrder(ODD_KEYS))
    for (const key of ODD_KEYS)
      assert.is(await rclone('cat', `store:rclone-odd/${key}`), `body of ${key}`, key)
    const client = createS3Client(server)
    const unspeakable = ['../x', '//'].map((Key) => ({ Bucket: 'rclone-odd', Key }))
    for (const object of unspeakable) await client.send(new PutObjectCommand({ ...object, Body: 'x' }))
    const listed = await rclone('lsf', '--recursive', '--files-only', 'store:rclone-odd')
    for (const object of unspeakable) await client.send(new DeleteObjectCommand(object))
    client.destroy()
    const spelled = [...ODD_KEYS, '\uFF0E\uFF0E/x', '//']
    assert.equal(listed.trimEnd().split('\n').sort(), [...spelled].sort())
    await rclone('purge', 'store:rclone-odd')
  }),
)

needsRclone(
  'a big file goes in parts, is copied and comes out whole',
  deadline(CLIENT_LIMIT_MS, async () => {
    createBigFile(join(work, 'big'), BIG_FILE_BYTES)
    await rclone('copyto', '--s3-upload-cutoff', '16M', 'big', 'store:rclone-big/big')
    await rclone('copyto', 'store:rclone-big/big', 'store:rclone-big/copy')
    await rclone('copyto', 'store:rclone-big/copy', 'big.out')
    assert.is(await digestOfFile(join(work, 'big.out')), await digestOfFile(join(work, 'big')))
    await rclone('purge', 'store:rclone-big')
  }),
)

test.run()
