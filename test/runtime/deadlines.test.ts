import { Deadlines, Expiring } from '../../src/runtime/deadlines.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('deadlines')

class Entry extends Expiring {
  expiredAtMs: number | undefined
  readonly #clock: SimulatedClock
  constructor(clock: SimulatedClock, withinMs: number) {
    super(clock.monotonicMs() + withinMs)
    this.#clock = clock
  }
  expire(): void {
    this.expiredAtMs = this.#clock.monotonicMs()
  }
}

test(
  'whatever is not taken back expires, never early and at most one bucket late',
  seeded(10_000, async (random) => {
    const clock = new SimulatedClock()
    const deadlines = new Deadlines(clock)
    const live: Entry[] = []
    const removed: Entry[] = []
    for (let step = 0; step < 500; step++) {
      const entry = new Entry(clock, random.below(400))
      live.push(entry)
      deadlines.add(entry)
      if (random.below(3) === 0) {
        const [gone] = live.splice(random.below(live.length), 1)
        if (gone!.expiredAtMs === undefined) removed.push(gone!)
        deadlines.remove(gone!)
      }
      if (random.below(4) === 0) await clock.advance(random.below(30))
    }
    await clock.advance(1000)
    for (const { expiresAtMs, expiredAtMs } of live) {
      assert.ok(
        expiredAtMs! >= expiresAtMs && expiredAtMs! <= expiresAtMs + 16,
        `${expiresAtMs} ${expiredAtMs}`,
      )
    }
    for (const { expiredAtMs } of removed) assert.is(expiredAtMs, undefined)
    deadlines.close()
    assert.is(clock.timers, 0)
  }),
)

test.run()
