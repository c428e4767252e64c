// A lease that is never ended holds back for good what is deleted after it: each is ended, whatever becomes of the messages.
import type { BucketProtocol } from '../../src/actors/bucket-protocol.ts'
import { createReadingLeases } from '../../src/actors/reading-leases.ts'
import { unavailable } from '../../src/base/errors.ts'
import type { ActorRef } from '../../src/runtime/actor.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('reading-leases')
const ADDRESS = { bucket: 'b', key: 'k' }
const READER = { path: 'root/gateway/reader' }

/** A bucket actor that takes in ends when it has room, and answers look-ups as it is told to. */
const createBucket = (answer: (lease: number) => Promise<unknown>) => {
  const ended: number[] = []
  const state = { hasRoom: true }
  const ref = {
    path: 'root/bucket',
    tell(_type: string, { reader, lease }: { reader: string; lease: number }) {
      assert.is(reader, READER.path)
      if (state.hasRoom) ended.push(lease)
      return state.hasRoom
    },
    ask: (_type: string, { lease }: { lease: number }) => answer(lease),
  } as unknown as ActorRef<BucketProtocol>
  return { ref, ended, state }
}

test(
  'the end of a reading that finds the mailbox full is said again until it is taken in, once',
  deadline(1000, async () => {
    const clock = new SimulatedClock()
    const leases = createReadingLeases(READER, clock)
    const { ref, ended, state } = createBucket(async (lease) => ({ version: {}, lease }))
    const first = (await leases.open(ref, ADDRESS)).lease!
    const second = (await leases.open(ref, ADDRESS)).lease!
    assert.not.equal(first, second)
    state.hasRoom = false
    leases.end(ref, first)
    leases.end(ref, second)
    await clock.advance(10_000)
    assert.equal(ended, [])
    state.hasRoom = true
    await clock.advance(1_000)
    assert.equal(ended, [first, second])
    await clock.advance(10_000)
    assert.equal(ended, [first, second])
  }),
)

test(
  'a look-up that was not answered in time may have opened a lease: it is ended',
  deadline(1000, async () => {
    const leases = createReadingLeases(READER, new SimulatedClock())
    let named = 0
    const late = createBucket((lease) => {
      named = lease
      return Promise.reject(unavailable('ASK_TIMEOUT', 'it did not answer'))
    })
    await rejectsWith('ASK_TIMEOUT', () => leases.open(late.ref, ADDRESS))
    assert.equal(late.ended, [named])
    const refused = createBucket(() => Promise.reject(unavailable('MAILBOX_FULL', 'full')))
    await rejectsWith('MAILBOX_FULL', () => leases.open(refused.ref, ADDRESS))
    assert.equal(refused.ended, [])
  }),
)

test(
  'nothing is said or tried again once the reader has ended, also of readings that are cut off after it',
  deadline(1000, async () => {
    const clock = new SimulatedClock()
    const leases = createReadingLeases(READER, clock)
    const { ref, ended, state } = createBucket(async (lease) => ({ version: {}, lease }))
    const { lease } = await leases.open(ref, ADDRESS)
    leases.close()
    state.hasRoom = false
    leases.end(ref, lease!)
    assert.is(clock.timers, 0)
    const others = createReadingLeases(READER, clock)
    others.end(ref, (await others.open(ref, ADDRESS)).lease!)
    assert.is(clock.timers, 1)
    others.close()
    assert.is(clock.timers, 0)
    state.hasRoom = true
    await clock.advance(10_000)
    assert.equal(ended, [])
  }),
)

test.run()
