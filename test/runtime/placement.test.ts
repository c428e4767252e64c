import { MINUTE } from '../../src/base/units.ts'
import { type Behavior, type ChildSpec, child, type SupervisorSpec } from '../../src/runtime/actor.ts'
import { type Placement, planPlacement } from '../../src/runtime/placement.ts'
import { probe } from '../support/probe.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('placement')

const group = (name: string, children: readonly ChildSpec[], place?: string): SupervisorSpec => ({
  name,
  strategy: 'one-for-one',
  intensity: { restartsMax: 1, periodMs: MINUTE },
  backoff: { minMs: 1, maxMs: 1, jitter: 0 },
  decide: () => 'restart',
  children,
  ...(place === undefined ? {} : { place }),
})
const tree = group('root', [
  child(probe, 'gateway', {}, { place: 'gateway' }),
  group('storage', [child(probe, 'disk-1', {}), child(probe, 'disk-2', {}, { place: 'spare' })], 'disks'),
])

const check = (placement: Placement, expected: Record<string, string>): void => {
  const planned = planPlacement(tree, placement).map(({ path, thread }) => [path, thread])
  assert.equal(planned, Object.entries(expected))
}

test('an actor goes where its path, its place or its supervisor is sent, and else stays on main', () => {
  const all = (gateway: string, first: string, second: string) => ({
    'root/gateway': gateway,
    'root/storage/disk-1': first,
    'root/storage/disk-2': second,
  })
  check({}, all('main', 'main', 'main'))
  check({ gateway: 'g', disks: 'd' }, all('g', 'd', 'd'))
  check({ disks: 'd', spare: 's' }, all('main', 'd', 's'))
  check({ disks: 'd', spare: 's', 'root/storage/disk-2': 'x' }, all('main', 'd', 'x'))
  check({ root: 'r', 'root/storage': 'main' }, all('r', 'main', 'main'))
})

test('what cannot be placed is refused before anything starts', async () => {
  const homeless: Behavior<Record<string, never>, object> = {
    mailbox: { messagesMax: 1, bytesMax: 1 },
    setup: () => ({}),
  }
  const bad: [ChildSpec[], Placement][] = [
    [[child(homeless, 'a', {})], { 'root/a': 'elsewhere' }],
    [[child(probe, 'a', {}), child(probe, 'a', {})], {}],
    [[child(probe, 'a/b', {})], {}],
  ]
  for (const [children, placement] of bad) {
    await rejectsWith('ASSERTION', () => planPlacement(group('root', children), placement))
  }
  assert.is(planPlacement(group('root', [child(homeless, 'a', {})]), {}).length, 1)
})

test.run()
