// A program that embeds stores and ends them in every way: each leaves nothing in the process, says nothing, and lets it end.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { type EmbeddingReport, KINDS } from '../support/embedding-report.ts'
import { endWithUs } from '../support/lifeline.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('embedding')
const PROGRAM = fileURLToPath(new URL('../support/embedding.js', import.meta.url))
const LIMIT_MS = 180_000
/** LevelDB starts one thread in a process, at its first compaction, and never ends it. */
const LEVEL_THREADS = 1

/** Runs the program until it has ended by itself. */
const embed = async (kind: string): Promise<EmbeddingReport> => {
  const directory = mkdtempSync(join(tmpdir(), 'moraine-embedding-'))
  const reportPath = join(directory, 'report.json')
  const temporary = mkdtempSync(join(directory, 'tmp-'))
  const child = spawn(process.execPath, [PROGRAM, kind, reportPath], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: temporary },
    detached: true,
  })
  endWithUs(child)
  try {
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ])
    assert.equal([stdout, stderr, code], ['', '', 0])
    return JSON.parse(readFileSync(reportPath, 'utf8')) as EmbeddingReport
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

for (const kind of KINDS) {
  test(
    `${kind}: no thread, timer, socket, file, listener or global is left, and the program ends by itself`,
    deadline(LIMIT_MS, async () => {
      const { before, sights, exitCode } = await embed(kind)
      assert.is(sights.length, 5)
      assert.is(exitCode, null)
      const threadsMax = before.threads + (kind === 'memory' ? 0 : LEVEL_THREADS)
      for (const { what, during, after, files } of sights) {
        for (const part of ['descriptors', 'active', 'listeners', 'globals', 'timers'] as const) {
          assert.is(after[part].join('\n'), before[part].join('\n'), `${what}: ${part}`)
        }
        assert.ok(after.threads <= threadsMax, `${what}: ${after.threads} threads, ${before.threads} before`)
        assert.equal(during, before.listeners, what)
        assert.equal(files, [], what)
      }
    }),
  )
}

test.run()
