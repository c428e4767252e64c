// A disk whose writes hang or crawl is passed over for a while, and gets a new chance.
import { createDiskPace } from '../../src/actors/disk-pace.ts'
import { createRoster } from '../../src/actors/roster.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { silentLog } from '../../src/base/log.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('disk pace')

const start = (sets: readonly number[]) => {
  const clock = new SimulatedClock()
  const roster = createRoster(sets.length)
  sets.forEach((set, slot) => {
    roster.enter(slot, { number: (slot + 1) as DiskNumber, set, state: 'up' })
  })
  const pace = createDiskPace(roster, 0, clock, silentLog)
  /** A write that ends when it is told to. */
  const hang = (): (() => Promise<void>) => {
    let end = (): void => undefined
    const write = pace.time(
      () =>
        new Promise<void>((resolve) => {
          end = resolve
        }),
    )
    return () => {
      end()
      return write
    }
  }
  return { clock, roster, pace, hang }
}

test(
  'a disk that hangs is passed over within two looks, and tried again after half a minute',
  deadline(1000, async () => {
    const { clock, roster, pace, hang } = start([0, 0, 0, 0])
    for (const slot of [1, 2, 3]) roster.setPace(slot, 12)
    assert.not(pace.judge())
    const letGo = hang()
    await clock.advance(900)
    assert.not(pace.judge())
    await clock.advance(2000)
    assert.ok(pace.judge())
    assert.is(roster.row(0).paceMs, 2900)
    await letGo()
    await clock.advance(29_000)
    assert.ok(pace.judge())
    await clock.advance(2000)
    assert.not(pace.judge())
  }),
)

test(
  'one that still hangs when it is tried again stays passed over',
  deadline(1000, async () => {
    const { clock, roster, pace, hang } = start([0, 0, 0, 0])
    for (const slot of [1, 2, 3]) roster.setPace(slot, 12)
    hang()
    await clock.advance(3000)
    assert.ok(pace.judge())
    await clock.advance(31_000)
    assert.ok(pace.judge())
  }),
)

test(
  'only peers of its own set that are there are compared with',
  deadline(1000, async () => {
    const { clock, roster, pace, hang } = start([0, 0, 0, 1, 1])
    roster.setPace(1, 2500)
    roster.setPace(2, 10)
    for (const slot of [3, 4]) roster.setPace(slot, 10)
    hang()
    await clock.advance(3000)
    assert.not(pace.judge(), 'the middle of its set is as slow')
    roster.setState(1, 'out')
    assert.ok(pace.judge())
  }),
)

test.run()
