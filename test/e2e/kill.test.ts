// Kill -9 in the middle of mixed load: after the restart every acknowledged write is there and whole, and nothing is
// half there. The longer loop is scripts/kill-loop.mjs.
import { runKillRounds } from '../support/kill-rounds.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('kill')
const ROUNDS = 20

test(
  `${ROUNDS} times killed in the middle of mixed load, no acknowledged write is lost or torn`,
  seeded(240_000, async (random) => {
    assert.ok((await runKillRounds({ rounds: ROUNDS, random })) > ROUNDS)
  }),
)

test.run()
