// `node scripts/kill-loop.mjs [--rounds N] [--seed N]`: the kill test of the suite as often as one likes. Stops at the first
// round whose store does not read as the client's book says, and prints the seed that began it.
import { parseArgs } from 'node:util'
import { createPrng } from '../dist/src/base/prng.js'
import { runKillRounds } from '../dist/test/support/kill-rounds.js'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '1000' }, seed: { type: 'string' } },
})
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
console.log(`seed ${seed}`)
const total = await runKillRounds({
  rounds: Number(values.rounds),
  random: createPrng(seed),
  onRound: (round, acknowledged) => console.log(`round ${round}: ${acknowledged} acknowledged`),
})
console.log(`${total} acknowledged writes, all of them whole`)
