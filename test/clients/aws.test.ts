// The AWS command line: a real tree and a big file in, synced, listed, out again, every byte compared.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  awsEnvironment,
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

const test = suite('aws')
const needsAws = needing(test, 'aws', hasCommand('aws'))
const stage = createClientStage('aws')
const { work } = stage
test.after(stage.close)

const aws = async (...args: string[]): Promise<string> => {
  const server = await stage.server()
  const options = { cwd: work, environment: awsEnvironment(server) }
  return (await runClient('aws', ['--endpoint-url', server.endpoint, ...args], options)).stdout
}

needsAws(
  'a tree goes in, syncs, lists and comes out whole',
  deadline(2 * CLIENT_LIMIT_MS, async () => {
    const tree = join(work, 'tree')
    mkdirSync(tree)
    createTree(tree, TREE_FILES)
    await aws('s3', 'mb', 's3://aws-tree')
    await aws('s3', 'cp', '--recursive', '--only-show-errors', 'tree', 's3://aws-tree/in/')
    assert.is(await aws('s3', 'sync', 'tree', 's3://aws-tree/in/'), '', 'a second sync has nothing to do')
    writeFileSync(join(tree, 'added.txt'), 'added')
    const synced = await aws('s3', 'sync', '--no-progress', 'tree', 's3://aws-tree/in/')
    assert.match(synced, /^upload: \S*added\.txt to [^\n]*\n$/)
    const listed = await aws('s3', 'ls', '--recursive', 's3://aws-tree/')
    assert.is(listed.trim().split('\n').length, TREE_FILES + 1)
    await aws('s3', 'cp', '--recursive', '--only-show-errors', 's3://aws-tree/in/', 'out')
    await compareTrees(tree, join(work, 'out'))
    await aws('s3', 'rm', '--recursive', '--only-show-errors', 's3://aws-tree/')
    await aws('s3', 'rb', 's3://aws-tree')
  }),
)

needsAws(
  'a big file goes in parts, is copied and comes out whole',
  deadline(CLIENT_LIMIT_MS, async () => {
    createBigFile(join(work, 'big'), BIG_FILE_BYTES)
    await aws('s3', 'mb', 's3://aws-big')
    await aws('s3', 'cp', '--only-show-errors', 'big', 's3://aws-big/big')
    await aws('s3', 'cp', '--only-show-errors', 's3://aws-big/big', 's3://aws-big/copy')
    await aws('s3', 'cp', '--only-show-errors', 's3://aws-big/copy', 'big.out')
    assert.is(await digestOfFile(join(work, 'big.out')), await digestOfFile(join(work, 'big')))
    await aws('s3', 'rb', '--force', 's3://aws-big')
  }),
)

needsAws(
  'odd keys are plain keys',
  deadline(CLIENT_LIMIT_MS, async () => {
    await aws('s3api', 'create-bucket', '--bucket', 'aws-keys')
    const keys = ['a', 'a/b', '../x', '//', 'é'.repeat(512)]
    for (const [index, key] of keys.entries()) {
      writeFileSync(join(work, `body${index}`), `body ${index}`)
      await aws('s3api', 'put-object', '--bucket', 'aws-keys', '--key', key, '--body', `body${index}`)
    }
    const listed = JSON.parse(await aws('s3api', 'list-objects-v2', '--bucket', 'aws-keys'))
    assert.equal(
      listed.Contents.map(({ Key }: { Key: string }) => Key),
      [...keys].sort(),
    )
    for (const [index, key] of keys.entries()) {
      await aws('s3api', 'get-object', '--bucket', 'aws-keys', '--key', key, 'body.out')
      assert.is(
        await digestOfFile(join(work, 'body.out')),
        await digestOfFile(join(work, `body${index}`)),
        key,
      )
    }
  }),
)

test.run()
