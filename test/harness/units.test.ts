// The order in which the test run takes its units, and how many of them at a time.
import { readdirSync } from 'node:fs'
import { sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isAskedFor, runInLanes, SECONDS, type Unit, unitsOf } from '../support/units.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('units')
const suites = readdirSync(fileURLToPath(new URL('../', import.meta.url)), {
  recursive: true,
  encoding: 'utf8',
})
  .filter((file) => file.endsWith('.test.js'))
  .map((file) => file.split(sep).join('/'))
  .sort()
const units = unitsOf(suites)

test('every suite is in one unit, and the slowest units come first', () => {
  assert.equal(units.flatMap(({ suites: its }) => its).sort(), suites)
  const seconds = units.map(({ name }) => SECONDS.get(name) ?? 0)
  assert.equal(
    seconds,
    [...seconds].sort((one, other) => other - one),
  )
})

test('a suite is asked for by a part of its path, wherever the repository lies', () => {
  const asked = (...names: string[]): string[] => suites.filter((name) => isAskedFor(name, names))
  assert.equal(asked(), suites)
  for (const name of ['s3/xml', 'test/s3/xml.test.ts', 'dist/test/s3/xml.test.js', 's3/xml.test']) {
    assert.equal(asked(name), ['s3/xml.test.js'], name)
  }
  assert.equal(asked('s3/xml', 'harness/units'), ['harness/units.test.js', 's3/xml.test.js'])
  // A clone in a folder called s3 has no other suites than one elsewhere.
  assert.equal(asked(fileURLToPath(new URL('../../../', import.meta.url))), [])
})

test('what is said of a unit is said of one that there is', () => {
  const names = new Set(units.map(({ name }) => name))
  for (const name of SECONDS.keys()) assert.ok(names.has(name), name)
})

test(
  'so many units run side by side, each once',
  deadline(5_000, async () => {
    let running = 0
    let most = 0
    const order: string[] = []
    const run = async ({ name }: Unit): Promise<void> => {
      order.push(name)
      most = Math.max(most, ++running)
      await new Promise(setImmediate)
      running--
    }
    await runInLanes(units, 3, run)
    assert.is(most, 3)
    assert.equal(order.sort(), units.map(({ name }) => name).sort())
  }),
)

test.run()
