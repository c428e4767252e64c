// Stores with a bug planted in what they ask of their disks: the states after a power cut have to find each.
import type { FileSystem, OpenFile } from '../../src/base/files.ts'
import type { FaultyFiles } from '../support/faulty-files.ts'
import { filesBelow } from '../support/memory-tree.ts'
import { assert, seeded, suite } from '../support/uvu.ts'
import { checkScenario } from './check-scenario.ts'
import { ROOTS } from './scenario.ts'
import { scenarioNamed } from './scenarios.ts'

const test = suite('bugs found by power cuts')
const LIMIT_MS = 240_000

type Plant = (files: FaultyFiles) => FileSystem

const finds = (what: string, name: string, plant: Plant, said: RegExp): void => {
  test(
    `the states find ${what}`,
    seeded(LIMIT_MS, async (_, seed) => {
      const outcome: unknown = await checkScenario(seed, scenarioNamed(name), { through: plant }).catch(
        String,
      )
      assert.match(String(outcome), /power cut after record/)
      assert.ok(said.test(String(outcome)), String(outcome))
    }),
  )
}

const withFiles = (files: FaultyFiles, change: (file: OpenFile, path: string) => OpenFile): FileSystem => ({
  ...files,
  open: async (path, mode, options) => change(await files.open(path, mode, options), path),
})

/** What is asked to be synced below a directory of this name is acknowledged, and not synced. */
const withoutSync =
  (name: string): Plant =>
  (files) => ({
    ...withFiles(files, (file, path) =>
      path.includes(`/${name}/`) ? { ...file, sync: async () => undefined } : file,
    ),
    syncDirectory: (path) => (path.includes(`/${name}`) ? Promise.resolve() : files.syncDirectory(path)),
  })

const LOST = /is there|shards are whole|is missing|the journal ends before its index|'subject'/

for (const [directory, kind] of [
  ['journal', 'inline'],
  ['volumes', 'packed'],
  ['shards', 'large'],
] as const) {
  const what = `an acknowledgement before the sync of the ${directory}`
  finds(what, `PUT of a new object, ${kind}`, withoutSync(directory), LOST)
}

/** A directory that something was renamed in is not synced. */
const withoutSyncOfRenames: Plant = (files) => {
  const renamed = new Set<string>()
  const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'))
  return {
    ...files,
    async rename(from, to) {
      await files.rename(from, to)
      renamed.add(parentOf(to))
    },
    syncDirectory: (path) => (renamed.has(path) ? Promise.resolve() : files.syncDirectory(path)),
  }
}

finds(
  'a rename whose directory is not synced, of a shard',
  'a shard that is a file is repaired',
  withoutSyncOfRenames,
  /shard \d on \/d\d is missing/,
)
finds(
  'a rename whose directory is not synced, of a segment',
  'a copy of a segment is repaired',
  withoutSyncOfRenames,
  /segment \d+ of partition 0 is missing/,
)

/** Shards go, durably, before the commit that frees them is written; the store itself finds nothing left to remove. */
const freeingFirst: Plant = (files) =>
  withFiles(files, (file, path) => {
    if (!path.includes('/journal/')) return file
    return {
      ...file,
      async write(from, position) {
        for (const root of position > 0 ? ROOTS : []) {
          for (const { path: shard } of await filesBelow(files, `${root}/shards`)) {
            await files.remove(shard)
            await files.syncDirectory(shard.slice(0, shard.lastIndexOf('/')))
          }
        }
        await file.write(from, position)
      },
    }
  })

finds(
  'a free before the commit is synced',
  'DELETE of an object, large',
  freeingFirst,
  /shards are whole: shard \d on \/d\d is missing/,
)

test.run()
