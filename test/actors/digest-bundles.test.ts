// Which steps go to the pool together, and which alone.
import { createDigestBundles } from '../../src/actors/digest-bundles.ts'
import type { DigestStep } from '../../src/codec/portable-digests.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('digest bundles')
const LIMIT_MS = 10_000

const stepOf = (offset: number): DigestStep => ({
  name: 'md5',
  state: undefined,
  pieces: [{ offset, length: 1 }],
  isLast: false,
})
const turns = async (count = 3): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** A pool whose bundles end when the test says so; each step comes to its own offset. */
const open = (bundlesMax: number) => {
  const begun: { offsets: number[]; end: (error?: Error) => void }[] = []
  const send = createDigestBundles(
    (steps) =>
      new Promise((resolve, reject) => {
        const offsets = steps.map(({ pieces }) => pieces[0]!.offset)
        const states = offsets.map((offset) => Uint8Array.of(offset))
        begun.push({ offsets, end: (error) => (error ? reject(error) : resolve(states)) })
      }),
    bundlesMax,
  )
  return {
    begun,
    send: (offset: number) => send(stepOf(offset)),
    told: () => begun.map((one) => one.offsets),
  }
}

test(
  'a step goes at once while a thread is free; those that wait go together, four at most, and none is lost',
  deadline(LIMIT_MS, async () => {
    const { begun, send, told } = open(1)
    const states = [1, 2, 3, 4, 5, 6, 7].map(send)
    assert.equal(told(), [[1]])
    begun[0]!.end()
    await turns()
    assert.equal(told(), [[1], [2, 3, 4, 5]])
    begun[1]!.end()
    await turns()
    assert.equal(told(), [[1], [2, 3, 4, 5], [6, 7]])
    begun[2]!.end()
    assert.equal(
      (await Promise.all(states)).map(([state]) => state),
      [1, 2, 3, 4, 5, 6, 7],
    )
  }),
)

test(
  'what waits is divided among the threads that are free',
  deadline(LIMIT_MS, async () => {
    const { begun, send, told } = open(2)
    const states = [1, 2, 3, 4, 5].map(send)
    assert.equal(told(), [[1], [2]])
    begun[0]!.end()
    begun[1]!.end()
    await turns()
    assert.equal(told().slice(2).flat(), [3, 4, 5])
    assert.is(begun.length, 4)
    for (const { end } of begun) end()
    await Promise.all(states)
  }),
)

test(
  'next steps that come with their answers go along with those that wait',
  deadline(LIMIT_MS, async () => {
    const { begun, send, told } = open(1)
    const sendTwo = async (offset: number): Promise<void> => {
      await send(offset)
      // What lies between the two in a body: promises that are settled, but no turn.
      for (let i = 0; i < 10; i++) await undefined
      await send(offset + 10)
    }
    const bodies = [1, 2, 3].map(sendTwo)
    begun[0]!.end()
    await turns()
    assert.equal(told(), [[1], [2, 3, 11]])
    const last = send(4)
    begun[1]!.end()
    await turns()
    assert.equal(told(), [[1], [2, 3, 11], [4, 12, 13]])
    begun[2]!.end()
    await Promise.all([last, ...bodies])
  }),
)

test(
  'a bundle that fails fails each of its steps, and what waits goes on',
  deadline(LIMIT_MS, async () => {
    const { begun, send } = open(1)
    const outcomes = Promise.allSettled([1, 2, 3].map(send))
    begun[0]!.end()
    await turns()
    const later = send(4)
    begun[1]!.end(new Error('lost'))
    await turns()
    begun[2]!.end()
    assert.equal(
      (await outcomes).map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected'],
    )
    assert.equal(await later, Uint8Array.of(4))
  }),
)

test.run()
