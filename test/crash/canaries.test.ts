// Stores with a bug planted in what they ask of their disks: the states after a power cut have to find each.
import { assert, seeded, suite } from '../support/uvu.ts'
import { checkScenario } from './check-scenario.ts'
import { freeingFirst, type Plant, withoutSync, withoutSyncOfRenames } from './planted.ts'
import { scenarioNamed } from './scenarios.ts'

const test = suite('bugs found by power cuts')
const LIMIT_MS = 240_000

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

const LOST = /is there|shards are whole|is missing|the journal ends before its index|'subject'/

for (const [directory, kind] of [
  ['journal', 'inline'],
  ['volumes', 'packed'],
  ['shards', 'large'],
] as const) {
  const what = `an acknowledgement before the sync of the ${directory}`
  finds(what, `PUT of a new object, ${kind}`, withoutSync(directory), LOST)
}

finds(
  'a rename whose directory is not synced, of a shard',
  'a shard that is a file is repaired',
  withoutSyncOfRenames,
  LOST,
)
finds(
  'a rename whose directory is not synced, of a segment',
  'a copy of a segment is repaired',
  withoutSyncOfRenames,
  /segment \d+ of partition 0 is missing/,
)

finds(
  'a free before the commit is synced',
  'DELETE of an object, large',
  freeingFirst,
  /shards are whole: shard \d on \/d\d is missing/,
)

test.run()
