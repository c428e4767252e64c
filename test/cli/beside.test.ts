// What the commands beside a store print, and where: findings for scripts, how far it is for who waits at a terminal.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../src/base/clock.ts'
import { systemClock } from '../../src/base/clock.ts'
import { BESIDE } from '../../src/cli/beside.ts'
import { copyStoppedStore, type StoppedStore } from '../support/offline-stores.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('beside')
const LIMIT_MS = 60_000
let store: StoppedStore

test.before(async () => {
  store = await copyStoppedStore()
})
test.after(() => rmSync(store.parent, { recursive: true, force: true }))

/** Everything that was written, in order, with where it went. */
const verify = async (
  isTerminal: boolean,
  nextSignal = () => new Promise<string>(() => undefined),
): Promise<{ code: number; written: string[] }> => {
  const written: string[] = []
  const to = (name: string, isOne: boolean) => ({
    isTerminal: isOne,
    write: (text: string): void => void written.push(`${name} ${text}`),
  })
  let nowMs = 0
  // A second passes from one look at it to the next.
  const clock: Clock = { ...systemClock, monotonicMs: () => (nowMs += 1000) }
  const code = await BESIDE.verify!({
    ...{ roots: store.disks, words: [], isJson: false, clock, nextSignal },
    ...{ output: to('out', false), progress: to('progress', isTerminal) },
  })
  return { code, written }
}

test(
  'how far verify is shows on a terminal alone, on one line that is cleared in the end',
  deadline(LIMIT_MS, async () => {
    const quiet = await verify(false)
    assert.is(quiet.code, 0)
    assert.match(quiet.written.join(''), /^out everything is whole: .*\n$/)
    const shown = await verify(true)
    assert.is(shown.code, 0)
    const [first = ''] = shown.written
    assert.ok(first.startsWith('progress \r\u001b[K1 objects, '), first)
    assert.equal(shown.written.slice(-2), ['progress \r\u001b[K', ...quiet.written])
    assert.is(shown.written.length, 5 + 2)
    rmSync(join(store.disks[0]!, 'session'))
    const { code, written } = await verify(true)
    assert.is(code, 1)
    const found = written.findIndex((text) => text.startsWith('out damaged identity'))
    assert.is(written[found - 1], 'progress \r\u001b[K')
  }),
)

test(
  'a signal ends it, and says so',
  deadline(LIMIT_MS, async () => {
    const { message } = await rejectsWith('DRAINING', () => verify(false, async () => 'SIGINT'))
    assert.is(message, 'stopped by SIGINT: the store was not verified to its end')
  }),
)

test.run()
