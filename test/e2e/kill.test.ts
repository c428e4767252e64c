// Kill -9 in the middle of mixed load: after the restart every acknowledged write is there and whole, and nothing is
// half there; also where disks went, came back, lost everything or lied in between. As often as one likes: `npm run kill`.
import { MINUTE, SECOND } from '../../src/base/units.ts'
import { runKillCycles } from '../support/kill-cycles.ts'
import { roundsOf } from '../support/rounds.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('kill')
/** Cycles in all. */
const CYCLES = roundsOf(6, 100)
const LIMIT_MS = 2 * MINUTE + CYCLES * 10 * SECOND

for (const [what, isStruck] of [
  ['', false],
  [', with disks removed and emptied and bytes flipped between', true],
] as const) {
  const cycles = Math.ceil(CYCLES / 2)
  test(
    `${cycles} times killed in the middle of mixed load${what}: no acknowledged write is lost or torn`,
    seeded(LIMIT_MS, async (random) => {
      const { failure, acknowledged, tally } = await runKillCycles({
        ...{ cycles, random, disks: isStruck, damage: isStruck },
      })
      const told = [...tally].map(([name, count]) => `${name} ${count}`).join(', ')
      process.stdout.write(`cycles: ${cycles}; ${told}\n`)
      assert.is(failure, undefined, failure)
      assert.ok(acknowledged > cycles)
    }),
  )
}

test.run()
