// restic trusts its repository with backups: back up, read all data back, restore, forget and prune.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  awsEnvironment,
  CLIENT_LIMIT_MS,
  compareTrees,
  createClientStage,
  createTree,
  runClient,
  TREE_FILES,
} from '../support/foreign.ts'
import { assert, deadline, hasCommand, needing, suite } from '../support/uvu.ts'

const test = suite('restic')
const needsRestic = needing(test, 'restic', hasCommand('restic', 'version'))
const stage = createClientStage('restic')
const { work } = stage
test.after(stage.close)

const restic = async (...args: string[]): Promise<string> => {
  const server = await stage.server()
  const environment = { ...awsEnvironment(server), RESTIC_PASSWORD: 'of-no-importance' }
  const repository = `s3:${server.endpoint}/backups`
  return (await runClient('restic', ['--no-cache', '-r', repository, ...args], { cwd: work, environment }))
    .stdout
}

needsRestic(
  'a tree is backed up, verified, restored whole and pruned',
  deadline(2 * CLIENT_LIMIT_MS, async () => {
    const tree = join(work, 'tree')
    mkdirSync(tree)
    createTree(tree, TREE_FILES)
    await restic('init')
    await restic('backup', '--quiet', 'tree')
    writeFileSync(join(tree, 'added.txt'), 'added')
    await restic('backup', '--quiet', 'tree')
    assert.is(JSON.parse(await restic('snapshots', '--json')).length, 2)
    await restic('check', '--quiet', '--read-data')
    await restic('restore', '--quiet', 'latest', '--target', 'out')
    await compareTrees(tree, join(work, 'out', 'tree'))
    await restic('forget', '--quiet', '--keep-last', '1', '--prune')
    await restic('check', '--quiet', '--read-data')
  }),
)

test.run()
