import { MiB } from '../../src/base/units.ts'
import { attachArena, createArena, SLAB_BYTES, type Slab } from '../../src/runtime/arena.ts'
import { SimulatedClock, settle } from '../support/simulated-clock.ts'
import { assert, deadline, rejectsWith, seeded, suite } from '../support/uvu.ts'

const test = suite('arena')
const NONE = { small: 0, large: 0 }
const open = () => {
  const clock = new SimulatedClock()
  return { clock, arena: createArena({ bytes: 16 * MiB, codecReservedBytes: 100_000, clock }) }
}

test('slabs are page aligned, of their class, apart from each other and behind the reserved region', () => {
  const { arena } = open()
  const slabs = [
    ...arena.tryAcquire({ class: 'small', count: arena.total('small'), isUrgent: true })!,
    ...arena.tryAcquire({ class: 'large', count: arena.total('large') - 2, isUrgent: true })!,
  ].sort((a, b) => a.offset - b.offset)
  let end = 100_000
  for (const slab of slabs) {
    assert.is(slab.offset % 4096, 0)
    assert.ok(slab.offset >= end)
    assert.is(slab.bytes.length, SLAB_BYTES[slab.class])
    assert.is(slab.bytes.byteOffset, slab.offset)
    end = slab.offset + slab.bytes.length
  }
  assert.ok(end <= arena.memory.buffer.byteLength)
  for (const slab of slabs) slab.release()
  assert.equal(arena.inUse(), NONE)
})

test('a slab is free when its last hold ends, and using it then throws', async () => {
  const { arena } = open()
  const [slab] = arena.tryAcquire({ class: 'large', count: 1 })!
  slab!.retain()
  slab!.release()
  assert.is(arena.inUse().large, 1)
  slab!.release()
  assert.is(arena.inUse().large, 0)
  await rejectsWith('ASSERTION', () => slab!.bytes)
  await rejectsWith('ASSERTION', () => slab!.retain())
  await rejectsWith('ASSERTION', () => slab!.release())
})

test(
  'who finds none waits in line, and is refused at the deadline',
  deadline(2000, async () => {
    const { arena, clock } = open()
    const all = arena.tryAcquire({ class: 'small', count: arena.total('small'), isUrgent: true })!
    const order: string[] = []
    const ask = (name: string, count: number, withinMs: number) =>
      arena.acquire({ class: 'small', count, isUrgent: true, withinMs }).then((slabs) => {
        order.push(name)
        return slabs
      })
    const first = ask('first', 3, 1000)
    const second = ask('second', 1, 1000)
    const late = ask('late', 2, 50)
    all.pop()!.release()
    await settle()
    assert.equal(order, [], 'the second does not overtake the first, who needs three')
    assert.is(arena.tryAcquire({ class: 'small', count: 1, isUrgent: true }), undefined)
    const refused = rejectsWith('ARENA_FULL', () => late)
    await clock.advance(60)
    await refused
    for (let i = 0; i < 3; i++) all.pop()!.release()
    const got = [...(await first), ...(await second)]
    assert.equal(order, ['first', 'second'])
    for (const slab of [...got, ...all]) slab.release()
    assert.equal(arena.inUse(), NONE)
    assert.is(clock.timers, 0)
  }),
)

for (const slabClass of ['small', 'large'] as const) {
  test(`a share of the ${slabClass} slabs is for the urgent alone`, () => {
    const { arena } = open()
    const taken: Slab[] = []
    const total = arena.total(slabClass)
    for (let got = arena.tryAcquire({ class: slabClass, count: 1 }); got; ) {
      taken.push(...got)
      got = arena.tryAcquire({ class: slabClass, count: 1 })
    }
    assert.is(taken.length, total - Math.floor(total / 4))
    const urgent = arena.tryAcquire({ class: slabClass, count: 1, isUrgent: true })
    assert.is(urgent?.length, 1)
    assert.ok(arena.pressure(slabClass) < 0.25)
    for (const slab of [...taken, ...urgent!]) slab.release()
    assert.equal(arena.inUse(), NONE)
  })

  test(
    `urgent waiters for ${slabClass} slabs do not stand in line behind the others`,
    deadline(2000, async () => {
      const { arena } = open()
      const all = arena.tryAcquire({ class: slabClass, count: arena.total(slabClass), isUrgent: true })!
      const others = arena.acquire({ class: slabClass, count: 1, withinMs: 1000 })
      const urgent = arena.acquire({ class: slabClass, count: 1, isUrgent: true, withinMs: 1000 })
      all.pop()!.release()
      for (const slab of await urgent) slab.release()
      for (const slab of all) slab.release()
      for (const slab of await others) slab.release()
      assert.equal(arena.inUse(), NONE)
    }),
  )
}

test('what a dead thread held comes back, but not what others hold too', () => {
  const { arena } = open()
  const other = attachArena(arena.shared, 3)
  const [shared] = arena.tryAcquire({ class: 'large', count: 1 })!
  const transit = new Int32Array(arena.createTransit())
  arena.sendHold(shared!.handle, transit)
  const theirs = other.takeHold(shared!.handle, transit)
  assert.is(theirs.offset, shared!.offset)
  other.tryAcquire({ class: 'small', count: 5 })
  assert.equal(arena.inUse(), { small: 5, large: 1 })
  arena.reclaim(3)
  assert.equal(arena.inUse(), { small: 0, large: 1 })
  shared!.release()
  assert.equal(arena.inUse(), NONE)
})

test('what was on its way when an end died comes back, and arrives as a dead slab later', async () => {
  const { arena } = open()
  const other = attachArena(arena.shared, 3)
  const [slab] = arena.tryAcquire({ class: 'small', count: 1 })!
  const transit = new Int32Array(arena.createTransit())
  arena.sendHold(slab!.handle, transit)
  slab!.release()
  assert.equal(arena.inUse(), { small: 1, large: 0 })
  arena.settleTransit(transit)
  assert.equal(arena.inUse(), NONE)
  const late = other.takeHold(slab!.handle, transit)
  assert.is(late.isHeld, false)
  await rejectsWith('ASSERTION', () => late.bytes)
  assert.equal(arena.inUse(), NONE)
})

test(
  'any mix of acquire, retain, grant, release and death leaves the arena whole',
  seeded(10_000, async (random) => {
    const { arena, clock } = open()
    let others = [attachArena(arena.shared, 1, clock), attachArena(arena.shared, 2, clock)]
    const held: { slab: Slab; thread: number }[] = []
    const waiting: Promise<void>[] = []
    for (let step = 0; step < 2000; step++) {
      const thread = random.below(3)
      const here = thread === 0 ? arena : others[thread - 1]!
      const keep = (slabs: Slab[] | undefined) => {
        for (const slab of slabs ?? []) held.push({ slab, thread })
      }
      const request = {
        class: random.below(2) === 0 ? ('small' as const) : ('large' as const),
        count: 1 + random.below(6),
        isUrgent: random.below(2) === 0,
      }
      const choice = random.below(10)
      if (choice < 3) keep(here.tryAcquire(request))
      else if (choice < 5) {
        const asked = here.acquire({ ...request, withinMs: 1 + random.below(20) })
        waiting.push(
          asked.then(keep, (error: { code: string }) => {
            assert.is(error.code, 'ARENA_FULL')
          }),
        )
      } else if (choice < 9) {
        const [one] = held.splice(random.below(held.length || 1), 1)
        one?.slab.release()
      } else await clock.advance(random.below(10))
      if (step % 500 === 499) {
        await clock.advance(100)
        for (const dead of [1, 2]) arena.reclaim(dead)
        others = others.map((_, i) => attachArena(arena.shared, i + 1, clock))
        held.splice(0, held.length, ...held.filter((one) => one.thread === 0))
      }
    }
    await clock.advance(1000)
    await Promise.all(waiting)
    for (const { slab, thread } of held) if (thread === 0) slab.release()
    for (const dead of [1, 2]) arena.reclaim(dead)
    assert.equal(arena.inUse(), NONE)
    assert.is(arena.pressure('small'), 1)
    assert.is(arena.pressure('large'), 1)
  }),
)

test.run()
