import { createPace, isLagging } from '../../src/storage/pace.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('pace')

/** A pace and a way to run one operation of so many milliseconds. */
const start = () => {
  const clock = new SimulatedClock()
  const pace = createPace(clock)
  const run = async (durationMs: number): Promise<void> => {
    const done = pace.time(() => new Promise<void>((resolve) => void clock.setTimer(durationMs, resolve)))
    await clock.advance(durationMs)
    await done
  }
  return { clock, pace, run }
}

test(
  'a disk that becomes slow is known by its average, one hiccup is not',
  deadline(1000, async () => {
    const { pace, run } = start()
    for (let i = 0; i < 20; i++) await run(10)
    await run(2000)
    assert.ok(pace.operationMs() < 300, `${pace.operationMs()} ms after one hiccup`)
    for (let i = 0; i < 20; i++) await run(2000)
    assert.ok(pace.operationMs() > 1500, `${pace.operationMs()} ms after twenty`)
    pace.forget()
    assert.is(pace.operationMs(), 0)
  }),
)

test(
  'an operation that hangs counts with its age, also when others end meanwhile and when it failed at last',
  deadline(1000, async () => {
    const { clock, pace, run } = start()
    let fail = (_: Error): void => undefined
    const stuck = pace.time(
      () =>
        new Promise<void>((_, reject) => {
          fail = reject
        }),
    )
    for (let i = 0; i < 30; i++) await run(100)
    assert.is(pace.operationMs(), 3000)
    pace.forget()
    assert.is(pace.operationMs(), 3000)
    fail(new Error('EIO'))
    await stuck.catch(() => undefined)
    await clock.advance(60_000)
    assert.ok(pace.operationMs() < 1000)
  }),
)

test('lagging is relative to the middle of the peers, and never below a second', () => {
  assert.not(isLagging(999, () => [1, 1, 1, 1, 1]))
  assert.ok(isLagging(1001, () => [1, 1, 1, 1, 1]))
  assert.not(
    isLagging(5000, () => [600, 600, 600, 10, 10]),
    'all of them are busy',
  )
  assert.ok(isLagging(5000, () => [400, 400, 400, 10, 10]))
  assert.not(
    isLagging(60_000, () => []),
    'alone there is nothing to compare with',
  )
})

test.run()
