// `npm run kill -- [--cycles N] [--seed N] [--disks] [--damage]`: the kill test of the suite as often as one likes. `--disks` takes
// disks out, brings them back and empties them between the cycles, `--damage` flips bytes. Stops at the first cycle whose store
// does not read as the client's book says. The seed gives the same load; where in it the kill falls is the machine's.
import { parseArgs } from 'node:util'
import { createPrng } from '../src/base/prng.ts'
import { runKillCycles } from './support/kill-cycles.ts'

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '100' },
    seed: { type: 'string' },
    disks: { type: 'boolean' },
    damage: { type: 'boolean' },
  },
})
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const cycles = Number(values.cycles)
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(cycles) || cycles < 1) {
  throw new Error('--cycles and --seed take whole numbers')
}
const startMs = performance.now()
const report = await runKillCycles({
  ...{ cycles, disks: values.disks, damage: values.damage, random: createPrng(seed) },
  onCycle(cycle, acknowledged, struck) {
    const what = struck.length > 0 ? `; before it ${struck.join('; ')}` : ''
    console.log(`cycle ${cycle}: ${acknowledged} acknowledged${what}`)
  },
})
if (report.failure !== undefined) console.log(report.failure)
const seconds = (performance.now() - startMs) / 1000
console.log(`seed=${seed}, ${(seconds / report.cycles).toFixed(1)} s a cycle`)
console.log([...report.tally].map(([what, count]) => `${what} ${count}`).join(', '))
console.log(`${report.acknowledged} acknowledged`)
console.log(`${report.cycles} cycles, ${report.failure === undefined ? 0 : 1} failed`)
process.exitCode = report.failure === undefined ? 0 : 1
