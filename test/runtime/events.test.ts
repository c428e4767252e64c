import { isMainThread } from 'node:worker_threads'
import { MINUTE } from '../../src/base/units.ts'
import { type Behavior, behavior, child } from '../../src/runtime/actor.ts'
import { createEvents } from '../../src/runtime/events.ts'
import { publisher } from '../../src/runtime/publisher.ts'
import { createSystem } from '../../src/runtime/system.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

interface Happened {
  readonly kind: 'created'
  readonly key: string
}
interface Announcer {
  announce(message: { key: string }): boolean
}
export const announcer: Behavior<Announcer, object> = behavior<Announcer, object>(
  import.meta.url,
  'announcer',
  {
    mailbox: { messagesMax: 8, bytesMax: 10_000 },
    setup(context) {
      const publish = publisher<Happened>(context)
      return { announce: ({ key }) => publish({ kind: 'created', key }) }
    },
  },
)

const test = suite('events')

test(
  'what any thread publishes comes out of one stream, in its order',
  deadline(10_000, async () => {
    const events = createEvents<Happened>()
    const seen: string[] = []
    const whole = new Promise<void>((complete) =>
      events.stream.subscribe({ next: ({ key }) => void seen.push(key), complete }),
    )
    const system = await createSystem({
      spec: {
        name: 'root',
        strategy: 'one-for-one',
        intensity: { restartsMax: 1, periodMs: MINUTE },
        backoff: { minMs: 1, maxMs: 1, jitter: 0 },
        decide: () => 'restart',
        children: [events.spec, child(announcer, 'near', {}), child(announcer, 'far', {})],
      },
      placement: { 'root/far': 'other' },
    })
    for (const [where, key] of [
      ['near', '1'],
      ['far', '2'],
      ['far', '3'],
    ] as const) {
      const ref = system.ref<Announcer>(`root/${where}`)
      assert.is(await ref.ask('announce', { key }, { withinMs: 1000 }), true)
    }
    await system.close()
    events.complete()
    await whole
    assert.equal(seen, ['1', '2', '3'])
  }),
)

// This module is loaded by the thread under test too.
if (isMainThread) test.run()
