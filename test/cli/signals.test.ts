// Signals as the program hears them.
import { EventEmitter } from 'node:events'
import { watchSignals } from '../../src/cli/signals.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('signals')

/** A process, and a clock that stands still unless told. */
const createStage = () => {
  const source = new EventEmitter()
  let nowMs = 0
  const clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    setTimer: () => assert.unreachable('no timer is needed') as never,
  }
  return {
    next: watchSignals(source, clock),
    send(name: string, atMs: number) {
      nowMs = atMs
      source.emit(name, name)
    },
  }
}

test('each kind of stop signal is heard, by one waiter at a time', async () => {
  const { next, send } = createStage()
  const [first, second, third] = [next(), next(), next()]
  send('SIGTERM', 0)
  send('SIGINT', 500)
  send('SIGHUP', 1000)
  assert.equal(await Promise.all([first, second, third]), ['SIGTERM', 'SIGINT', 'SIGHUP'])
})

test('the echo of a signal is no second one', async () => {
  const { next, send } = createStage()
  const first = next()
  const second = next()
  send('SIGINT', 1000)
  send('SIGINT', 1004)
  send('SIGTERM', 1300)
  assert.equal(await Promise.all([first, second]), ['SIGINT', 'SIGTERM'])
})

test.run()
