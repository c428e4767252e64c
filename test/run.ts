// `npm test [-- NAME …]`: runs every suite, or those whose path contains a NAME, and closes with `N passed, N failed`.
// `--quick` leaves out the rooms that need a built server, foreign clients or minutes: `npm run check` uses it.
// `--lanes N` sets how many units (see support/units.ts) run side by side; 1 shows the output of each as it comes.
//
// Each unit runs in a process of its own, so that a crash or a leaked thread of one is counted there and nowhere else. What
// it says is kept until it ends and printed in one piece; the failures are repeated at the close. A process that ends without uvu's summary counts as one
// failure, and so does one that does not end: a leaked thread or socket keeps it alive. A test whose foreign client is not
// installed says so in a line of its own and is counted as skipped; MORAINE_REQUIRE_CLIENTS=1 makes it fail instead. What
// the suites write lies in memory, unless TMPDIR says where or the campaigns are run in full.
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createMemoryDirectory } from './support/memory-directory.ts'
import { areFull } from './support/rounds.ts'
import { isAskedFor, laneCount, runInLanes, type Unit, unitsOf } from './support/units.ts'

const SLOW_ROOMS = new Set(['e2e', 'clients', 'fixtures', 'kill'])
/** Suites of other rooms that take half a minute and more. */
const SLOW_SUITES = new Set([
  'crash/store.test.js',
  'crash/table-change.test.js',
  'faults/every-step.test.js',
  'leveldb/damage.test.js',
  'model/campaign.test.js',
  'sim/campaign-1.test.js',
  'sim/campaign-2.test.js',
  'sim/campaign-3.test.js',
  'sim/campaign-4.test.js',
  'sim/canaries.test.js',
  'sim/full-disk.test.js',
  'sim/long-put.test.js',
  'sim/slow-disk.test.js',
])
/** Far above any unit's real time, that of the simulation with a thousand seeds included; only what hangs meets it. */
const UNIT_LIMIT_MS = 75 * 60_000
/** How much of a failed unit's output the close repeats. */
const REPEATED_CHARS = 12_000
const here = dirname(fileURLToPath(import.meta.url))

const HELP = `usage: npm test [-- NAME …] [flags]

Runs every suite, or those whose path contains a NAME, such as s3/xml or crash; ends with 'N passed, N failed'.

  --quick     without the suites that need a built server, foreign clients or minutes
  --lanes N   so many side by side; 1 shows the output of each as it comes
  --help      this

Environment: SEED=N draws the same in random tests; MORAINE_CAMPAIGNS=1 runs the long ones in full; MORAINE_REQUIRE_CLIENTS=1 fails
where a foreign client is missing; TMPDIR names another place than memory for what the suites write.
`

const readArguments = () => {
  try {
    return parseArgs({
      options: {
        quick: { type: 'boolean' },
        lanes: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
      allowPositionals: true,
    })
  } catch (error) {
    console.error(`test: ${(error as Error).message}`)
    process.exit(2)
  }
}
const { values, positionals } = readArguments()
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const lanes = Math.max(1, Number(values.lanes ?? laneCount()))

/** Where the units keep what they write for the time being. */
const temporary = process.env['TMPDIR'] ?? (areFull ? undefined : createMemoryDirectory())
const running = new Set<ChildProcess>()
// Whoever does not wait for the end leaves nothing in memory, and nobody who writes there.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of running) child.kill('SIGKILL')
    process.exit(1)
  })
}

const isSlow = (suite: string): boolean => SLOW_ROOMS.has(suite.split('/')[0] ?? '') || SLOW_SUITES.has(suite)
const suites = readdirSync(here, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.js'))
  .map((file) => file.split(sep).join('/'))
  .filter((suite) => isAskedFor(suite, positionals))
  .filter((suite) => !(values.quick && isSlow(suite)))
  .sort()

interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** All that the unit said, in the order in which it came. */
  readonly told: string
}

const outcomeOf = (output: string, code: number | null): Omit<Outcome, 'told'> => {
  const count = (label: string): number | undefined => {
    const found = new RegExp(`${label}:\\s+(\\d+)`).exec(output)
    return found ? Number(found[1]) : undefined
  }
  const total = count('Total')
  const passed = count('Passed') ?? 0
  // uvu's total leaves skipped tests out.
  const failed = total === undefined ? 1 : total - passed
  return { passed, skipped: count('Skipped') ?? 0, failed: code !== 0 && failed <= 0 ? 1 : failed }
}

/** What to repeat of a failed unit: from its first failed test on, or the end of one that told of none. */
const failureIn = (told: string): string => {
  const start = told.indexOf('FAIL  ')
  return start < 0 ? told.slice(-REPEATED_CHARS) : told.slice(start, start + REPEATED_CHARS)
}

const runUnit = ({ name, suites: its }: Unit): Promise<Outcome> =>
  new Promise((resolve) => {
    const startMs = performance.now()
    const files = its.map((suite) => join(here, suite))
    const child = spawn(process.execPath, [join(here, 'support', 'run-suites.js'), ...files], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...(temporary !== undefined && { TMPDIR: temporary }) },
    })
    running.add(child)
    // Lines of both streams, in the order in which they come.
    let told = ''
    let output = ''
    const tell = (text: string): void => {
      told += text
      if (lanes === 1) process.stdout.write(text)
    }
    tell(`\n${name}\n`)
    child.stderr.setEncoding('utf8').on('data', tell)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      tell(text)
    })
    const limit = setTimeout(() => {
      tell(`\n${name} did not end within ${UNIT_LIMIT_MS / 60_000} minutes\n`)
      child.kill('SIGKILL')
    }, UNIT_LIMIT_MS)
    child.on('close', (code) => {
      clearTimeout(limit)
      running.delete(child)
      tell(`${name} took ${((performance.now() - startMs) / 1000).toFixed(1)} s\n`)
      if (lanes > 1) process.stdout.write(told)
      resolve({ ...outcomeOf(output, code), told })
    })
  })

let passed = 0
let failed = 0
let skipped = 0
const failures: string[] = []
await runInLanes(unitsOf(suites), lanes, async (unit) => {
  const outcome = await runUnit(unit)
  passed += outcome.passed
  failed += outcome.failed
  skipped += outcome.skipped
  if (outcome.failed > 0) failures.push(outcome.told)
})
for (const told of failures) process.stdout.write(`\nfailed:\n${failureIn(told)}\n`)
if (suites.length === 0) {
  process.stdout.write(`\nno suite is named ${positionals.join(', ')}\n`)
  failed = 1
}
if (skipped > 0) process.stdout.write(`\n${skipped} skipped: what they need is not installed here`)
process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1
