import { createOwnClock } from '../../src/base/clock.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('clock')

test(
  'the timers of an own clock fire, are cancelled, and end with it',
  deadline(1_000, async () => {
    const machine = new SimulatedClock()
    const own = createOwnClock(machine)
    const fired: string[] = []
    own.setTimer(10, () => fired.push('first'))
    own.setTimer(20, () => fired.push('cancelled')).cancel()
    const pending = own.setTimer(30, () => fired.push('pending'))
    assert.is(machine.timers, 2)
    await machine.advance(15)
    assert.equal([fired, own.monotonicMs(), own.nowMs()], [['first'], machine.monotonicMs(), machine.nowMs()])
    own.close()
    assert.is(machine.timers, 0)
    own.setTimer(1, () => fired.push('late')).cancel()
    own.setTimer(1, () => fired.push('later'))
    pending.cancel()
    await machine.advance(100)
    assert.equal(fired, ['first'])
  }),
)

test.run()
