// One process of the test run: imports the suites named on the command line and lets uvu run them in order. At its end it
// says what processor time it took, with the servers it started: that is what a run on few cores is made of.
import { readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { run } from 'uvu/run'
import { compileLate } from './compile-late.ts'

const TICKS_PER_SECOND = 100
/** Fields 14 to 17 of proc(5)'s stat, counted from behind the name: of this process and of children that have ended. */
const FIRST_TIME = 11

process.on('exit', () => {
  try {
    const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ')
    const ticks = fields.slice(FIRST_TIME, FIRST_TIME + 4).reduce((sum, field) => sum + Number(field), 0)
    process.stdout.write(`  Processor: ${(ticks / TICKS_PER_SECOND).toFixed(1)} s\n`)
  } catch {
    // Not on Linux.
  }
})

/** What a failed test began and did not end, a server perhaps, would keep this process for ever. Of those that pass it is a failure. */
const END_AFTER_MS = 10_000

compileLate()
await run(
  process.argv.slice(2).map((file) => ({ file, name: `${basename(dirname(file))}/${basename(file)}` })),
)
if (process.exitCode) setTimeout(() => process.exit(), END_AFTER_MS).unref()
