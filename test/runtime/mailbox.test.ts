import { type Envelope, Mailbox, Occupancy } from '../../src/runtime/mailbox.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('mailbox')
const envelope = (message: number, bytes: number): Envelope => ({
  type: 'm',
  message,
  bytes,
  slabs: undefined,
  ask: undefined,
  ticker: undefined,
})

test(
  'any mix of reserve, push and take keeps the order, the counters and the bounds',
  seeded(5000, (random) => {
    const mailbox = new Mailbox(new Occupancy({ messagesMax: 50, bytesMax: 1000 }))
    const model: Envelope[] = []
    for (let step = 0; step < 20_000; step++) {
      if (random.below(100) < 52) {
        const bytes = random.below(60)
        const weight = model.reduce((sum, one) => sum + one.bytes, 0)
        const fits = model.length < 50 && weight + bytes <= 1000
        assert.is(mailbox.occupancy.reserve(bytes), fits)
        if (!fits) continue
        model.push(envelope(step, bytes))
        mailbox.push(model.at(-1)!)
      } else assert.is(mailbox.take(), model.shift())
      assert.is(mailbox.length, model.length)
      assert.is(mailbox.peek(), model[0])
      assert.is(mailbox.occupancy.messages, model.length)
    }
    while (mailbox.take());
    assert.equal([mailbox.occupancy.messages, mailbox.occupancy.bytes], [0, 0])
  }),
)

test('what a sender that died had reserved and not delivered can be told', () => {
  const counters = new Int32Array(6)
  const sent = new Int32Array(6)
  const received = new Int32Array(6)
  const bounds = { messagesMax: 2, bytesMax: 100 }
  const ours = new Occupancy(bounds, counters, 3)
  const theirs = new Occupancy(bounds, counters, 3, sent)
  assert.is(theirs.reserve(40), true)
  assert.is(theirs.reserve(70), false)
  assert.is(theirs.reserve(50), true)
  assert.is(ours.reserve(1), false)
  ours.arrived(received, 40)
  assert.equal([sent[3]! - received[3]!, sent[4]! - received[4]!], [1, 50])
  theirs.unreserve(50)
  assert.equal([ours.messages, ours.bytes, sent[3]], [1, 40, 1])
})

test.run()
