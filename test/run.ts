// `npm test [-- NAME …]`: runs every suite, or those whose path contains a NAME, and closes with `N passed, N failed`.
// `--quick` leaves out the rooms that need a built server, foreign clients or minutes: `npm run check` uses it.
//
// Each room (directory of test/) runs in a process of its own, so that a crash or a leaked thread of one is counted
// there and nowhere else. A process that ends without uvu's summary counts as one failure, and so does one that does
// not end: a leaked thread or socket keeps it alive. A test whose foreign client is not installed says so in a line of
// its own and is counted as skipped; MORAINE_REQUIRE_CLIENTS=1 makes it fail instead.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const SLOW_ROOMS = new Set(['e2e', 'clients', 'kill'])
/** Suites of other rooms that take half a minute and more. */
const SLOW_SUITES = new Set([
  'crash/store.test.js',
  'crash/table-change.test.js',
  'sim/full-disk.test.js',
  'sim/long-put.test.js',
])
/** Far above any room's real time; only what hangs meets it. */
const ROOM_LIMIT_MS = 25 * 60_000
const here = dirname(fileURLToPath(import.meta.url))
const { values, positionals } = parseArgs({ options: { quick: { type: 'boolean' } }, allowPositionals: true })

const roomOf = (file: string): string => relative(here, file).split(sep)[0] ?? ''
const isSlow = (file: string): boolean =>
  SLOW_ROOMS.has(roomOf(file)) || SLOW_SUITES.has(relative(here, file).split(sep).join('/'))
const files = readdirSync(here, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.js'))
  .map((file) => join(here, file))
  .filter((file) => !(values.quick && isSlow(file)))
  .filter((file) => positionals.length === 0 || positionals.some((name) => file.includes(name)))
  .sort()

interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

const runRoom = (room: string, suites: readonly string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    process.stdout.write(`\n${room}\n`)
    const child = spawn(process.execPath, [join(here, 'support', 'run-suites.js'), ...suites], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', (text: Buffer) => {
      output += text
      process.stdout.write(text)
    })
    const limit = setTimeout(() => {
      process.stdout.write(`\n${room} did not end within ${ROOM_LIMIT_MS / 60_000} minutes\n`)
      child.kill('SIGKILL')
    }, ROOM_LIMIT_MS)
    child.on('close', (code) => {
      clearTimeout(limit)
      const count = (label: string): number | undefined => {
        const found = new RegExp(`${label}:\\s+(\\d+)`).exec(output)
        return found ? Number(found[1]) : undefined
      }
      const total = count('Total')
      const passed = count('Passed') ?? 0
      const skipped = count('Skipped') ?? 0
      // uvu's total leaves skipped tests out.
      const failed = total === undefined ? 1 : total - passed
      resolve({ passed, skipped, failed: code !== 0 && failed <= 0 ? 1 : failed })
    })
  })

const rooms = new Map<string, string[]>()
for (const file of files) rooms.set(roomOf(file), [...(rooms.get(roomOf(file)) ?? []), file])

let passed = 0
let failed = 0
let skipped = 0
for (const [room, suites] of rooms) {
  const outcome = await runRoom(room, suites)
  passed += outcome.passed
  failed += outcome.failed
  skipped += outcome.skipped
}
if (files.length === 0) failed = 1
if (skipped > 0) process.stdout.write(`\n${skipped} skipped: what they need is not installed here`)
process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1
