// `npm run kill -- [--cycles N] [--seed N] [--disks] [--damage]`: the kill test of the suite as often as one likes. `--disks` takes
// disks out, brings them back and empties them between the cycles, `--damage` flips bytes. Stops at the first cycle whose store
// does not read as the client's book says. The seed gives the same load; where in it the kill falls is the machine's.
import { createPrng } from '../src/base/prng.ts'
import { campaignFlags } from './support/campaign-options.ts'
import { runKillCycles } from './support/kill-cycles.ts'

const flags = campaignFlags({
  ...{ name: 'kill', counted: 'cycles', countByDefault: 100, hasTime: false },
  switches: {
    disks: 'disks are taken out, brought back and emptied between the cycles',
    damage: 'bytes are flipped between the cycles',
  },
})
const seed = flags.seed ?? Math.floor(Math.random() * 2 ** 31)
const startMs = performance.now()
const report = await runKillCycles({
  ...{ cycles: flags.count, disks: flags.has('disks'), damage: flags.has('damage') },
  random: createPrng(seed),
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
