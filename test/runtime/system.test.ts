import { MINUTE } from '../../src/base/units.ts'
import { child, type SupervisorSpec } from '../../src/runtime/actor.ts'
import { createSystem } from '../../src/runtime/system.ts'
import { type ProbeProtocol, probe } from '../support/probe.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('system')

const spec: SupervisorSpec = {
  name: 'root',
  strategy: 'one-for-one',
  intensity: { restartsMax: 3, periodMs: MINUTE },
  backoff: { minMs: 1, maxMs: 10, jitter: 0 },
  decide: () => 'restart',
  children: [child(probe, 'first', {}), child(probe, 'second', {})],
}

test(
  'a tell arrives and an ask is answered',
  deadline(1000, async () => {
    const system = await createSystem({ spec })
    const first = system.ref<ProbeProtocol>('root/first')
    assert.is(first.tell('note', { note: 'one' }), true)
    assert.is(await first.ask('note', { note: 'two' }, { withinMs: 100 }), 2)
    assert.equal(await first.ask('notes', {}, { withinMs: 100 }), ['one', 'two'])
    await rejectsWith('DISK_IO', () =>
      first.ask('fail', { kind: 'fault', code: 'DISK_IO' }, { withinMs: 100 }),
    )
    assert.equal(await first.ask('notes', {}, { withinMs: 100 }), [])
    assert.is(await first.ask('commit', { delayMs: 5 }, { withinMs: 100 }), 'synced')
    await system.close()
    assert.is(await system.closed, undefined)
    await rejectsWith('ACTOR_STOPPED', () => first.ask('notes', {}, { withinMs: 100 }))
  }),
)

test.run()
