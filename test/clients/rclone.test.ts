// rclone: copy, check, sync and purge, with its own idea of parts and of modification times in metadata.
import { mkdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  BIG_FILE_BYTES,
  CLIENT_LIMIT_MS,
  compareTrees,
  createBigFile,
  createClientStage,
  createTree,
  digestOfFile,
  runClient,
  TREE_FILES,
} from '../support/foreign.ts'
import { assert, deadline, hasCommand, needing, suite } from '../support/uvu.ts'

const test = suite('rclone')
const needsRclone = needing(test, 'rclone', hasCommand('rclone', 'version'))
const stage = createClientStage('rclone')
const { work } = stage
test.after(stage.close)

const rclone = async (...args: string[]): Promise<string> => {
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
  return (await runClient('rclone', args, { cwd: work, environment })).stdout
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
