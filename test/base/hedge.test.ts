// What is late is not waited for alone, and what comes first counts; nothing is started that nobody may start.
import { type Clock, sleep } from '../../src/base/clock.ts'
import { gather, orLate } from '../../src/base/hedge.ts'
import { SimulatedClock, settle } from '../support/simulated-clock.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('hedge')
const LATE_MS = 10

/**
 * Candidates drawn as how many milliseconds each takes; negative: it fails after as many. Resolves to when it was over, with
 * how many, and which were started when.
 */
const gathered = async (draw: readonly number[], needed: number, hedges = 100) => {
  const clock = new SimulatedClock()
  const started: string[] = []
  let left = hedges
  const gathering = gather({
    clock,
    candidates: draw,
    needed,
    start(ms) {
      started.push(`${ms}@${clock.monotonicMs()}`)
      return { ended: sleep(clock, Math.abs(ms)).then(() => ms >= 0), lateMs: LATE_MS }
    },
    mayHedge: () => left-- > 0,
  }).then((found) => `${found}@${clock.monotonicMs()}`)
  await clock.advance(10_000)
  return { over: await gathering, started, clock }
}

const check = async (draw: number[], needed: number, over: string, started: string, hedges?: number) => {
  const found = await gathered(draw, needed, hedges)
  assert.is(found.over, over)
  assert.is(found.started.join(' '), started)
  assert.is(found.clock.timers, 0)
}

test(
  'as many are started as are needed, another for each that fails, and one more for each that is late',
  deadline(1000, async () => {
    await check([5, 6, 7], 2, '2@6', '5@0 6@0')
    await check([-5, 6, 7], 2, '2@12', '-5@0 6@0 7@5')
    await check([500, 6, 7], 1, '1@16', '500@0 6@10')
    await check([500, 6, 400, 7], 2, '2@27', '500@0 6@0 400@10 7@20')
    await check([], 1, '0@0', '')
    await check([-5, -5], 1, '0@10', '-5@0 -5@5')
  }),
)

test(
  'the late one counts when it comes first all the same, and one that fails beside it has a successor',
  deadline(1000, async () => {
    await check([15, 600], 1, '1@15', '15@0 600@10')
    await check([500, -5, 6], 1, '1@21', '500@0 -5@10 6@15')
    await check([500, -5], 1, '1@500', '500@0 -5@10')
  }),
)

test(
  'where nothing may be hedged the late one is waited for',
  deadline(1000, async () => {
    await check([500, 6], 1, '1@500', '500@0', 0)
    await check([500, 400, 6], 1, '1@410', '500@0 400@10', 1)
  }),
)

test(
  'an attempt that throws ends it, and leaves no timer',
  deadline(1000, async () => {
    const clock = new SimulatedClock()
    const failing = Promise.reject(Object.assign(new Error('broken'), { code: 'EIO' }))
    const start = (ended: Promise<boolean>) => ({ ended, lateMs: LATE_MS })
    const candidates = [failing, Promise.resolve(true), Promise.resolve(true)]
    await rejectsWith('EIO', () => gather({ clock, candidates, needed: 2, start, mayHedge: () => true }))
    await settle()
    assert.is(clock.timers, 0)
  }),
)

test(
  'a timer that comes far too late says nothing of what it waits for: that gets as long once more',
  deadline(1000, async () => {
    const timers: (() => void)[] = []
    let nowMs = 0
    const clock: Clock = {
      nowMs: () => nowMs,
      monotonicMs: () => nowMs,
      setTimer(_, action) {
        timers.push(action)
        return { cancel: () => undefined }
      },
    }
    const never = new Promise<number>(() => undefined)
    const outcomes: unknown[] = []
    void orLate(clock, never, LATE_MS).then((outcome) => outcomes.push(outcome))
    nowMs = 5 * LATE_MS
    timers.shift()!()
    await settle()
    assert.equal(outcomes, [])
    timers.shift()!()
    await settle()
    assert.equal(outcomes, ['late'])
    assert.is(await orLate(clock, Promise.resolve(7), LATE_MS), 7)
  }),
)

test.run()
