// What the runtime promises, one test a promise. The tests know neither where the actors run nor what drives them.
import { MINUTE, SECOND } from '../../src/base/units.ts'
import { type ActorOptions, type ChildSpec, child, type SupervisorSpec } from '../../src/runtime/actor.ts'
import { type ProbeArgs, probe } from '../support/probe.ts'
import { assert, rejectsWith } from '../support/uvu.ts'
import { SOON, type World } from './world.ts'

/** A probe that writes down what happens to it. */
const actor = (name: string, args: ProbeArgs = {}, options: ActorOptions = {}): ChildSpec =>
  child(probe, name, { name, ...args }, options)

const group = (
  name: string,
  children: readonly ChildSpec[],
  more: Partial<SupervisorSpec> = {},
): SupervisorSpec => ({
  name,
  strategy: 'one-for-one',
  intensity: { restartsMax: 3, periodMs: MINUTE },
  backoff: { minMs: 1, maxMs: 20, jitter: 0 },
  decide: () => 'restart',
  children,
  ...more,
})

const fault = { kind: 'fault', code: 'DISK_IO' } as const

/** Waits until `count` lines are written, and returns them. */
const untilWritten = async (world: World, count: number): Promise<string[]> => {
  for (let tries = 0; ; tries++) {
    const written = world.written()
    if (written.length >= count || tries === 500) return written
    await world.sleep(5)
  }
}

const untilTrue = async (world: World, isTrue: () => boolean | Promise<boolean>): Promise<void> => {
  for (let tries = 0; !(await isTrue()); tries++) {
    assert.ok(tries < 500, 'it never came true')
    await world.sleep(5)
  }
}

export const promises = (test: (name: string, body: (world: World) => Promise<void>) => void): void => {
  // -- tell --

  test('tells of one sender arrive in their order', async (world) => {
    await world.open([actor('a')])
    const notes = Array.from({ length: 60 }, (_, i) => String(i))
    for (const note of notes) assert.is(world.ref('root/a').tell('note', { note }), true)
    assert.equal(await world.ref('root/a').ask('notes', {}, SOON), notes)
  })

  test('a tell to a full mailbox is refused, not sent, and counted', async (world) => {
    const system = await world.open([actor('a')])
    const a = world.ref('root/a')
    const busy = a.ask('work', { name: 'w', delayMs: 100 }, SOON)
    let sent = 0
    while (a.tell('note', { note: 'x' })) sent++
    assert.ok(sent >= 63 && sent <= 64, `${sent}`)
    await busy
    const notes = await a.ask('notes', {}, SOON)
    assert.is(notes.filter((note) => note === 'x').length, sent)
    assert.is((await system.inspect()).refused, 1)
  })

  test('a tell to nobody is a dead letter, logged once per path per minute', async (world) => {
    const system = await world.open([actor('a', {}, { restart: 'temporary' })])
    const a = world.ref('root/a')
    await a.ask('stopSelf', {}, SOON)
    await untilTrue(world, async () => !a.tell('note', { note: 'x' }))
    // What was still accepted on its way to the end is a dead letter when its thread comes to it.
    await untilTrue(world, async () => (await system.inspect()).actors[0]!.mailbox.messages === 0)
    const before = (await system.inspect()).deadLetters
    for (let i = 0; i < 5; i++) assert.is(a.tell('note', { note: 'x' }), false)
    assert.is(world.ref('root/nobody').tell('note', { note: 'x' }), false)
    assert.is((await system.inspect()).deadLetters, before + 6)
    const lines = world.logged.filter(
      ({ event, fields }) => event === 'dead letter' && fields['actor'] === 'root/a',
    )
    assert.is(lines.length, 1)
  })

  test('in an orderly end a dead letter is told to who looks closely alone', async (world) => {
    // The recorder ends first, and is told of the end of the other.
    const system = await world.open([actor('a', { record: 'root/recorder' }), actor('recorder')])
    await system.close()
    await untilTrue(world, () => world.logged.some(({ event }) => event === 'dead letter'))
    const levels = world.logged.filter(({ event }) => event === 'dead letter').map(({ level }) => level)
    assert.equal(levels, ['debug'])
  })

  test('a line is logged as it was said, whatever the thread', async (world) => {
    await world.open([actor('a')])
    const value = { disks: [1, 2], why: { code: 'EIO' } }
    await world.ref('root/a').ask('say', { value }, SOON)
    await untilTrue(world, () => world.logged.some(({ event }) => event === 'said'))
    assert.equal(world.logged.find(({ event }) => event === 'said')?.fields['value'], value)
  })

  // -- ask --

  test('an ask rejects with the error of the handler', async (world) => {
    await world.open([actor('a')])
    const a = world.ref('root/a')
    const error = await rejectsWith('NoSuchKey', () =>
      a.ask('fail', { kind: 'refusal', code: 'NoSuchKey' }, SOON),
    )
    assert.is((error as unknown as { kind: string }).kind, 'refusal')
  })

  test('an ask that is not answered in time rejects with ASK_TIMEOUT, not earlier', async (world) => {
    await world.open([actor('a')])
    const startMs = world.clock.monotonicMs()
    const work = { name: 'w', delayMs: 200 }
    await rejectsWith('ASK_TIMEOUT', () => world.ref('root/a').ask('work', work, { withinMs: 50 }))
    assert.ok(world.clock.monotonicMs() - startMs >= 50)
  })

  test('an ask that expired in the mailbox is never handled', async (world) => {
    await world.open([actor('a')])
    const a = world.ref('root/a')
    const busy = a.ask('work', { name: 'w', delayMs: 150 }, SOON)
    await rejectsWith('ASK_TIMEOUT', () => a.ask('note', { note: 'late' }, { withinMs: 40 }))
    await busy
    assert.equal(await a.ask('notes', {}, SOON), ['w begins', 'w ends'])
  })

  test('an ask to a full mailbox rejects with MAILBOX_FULL', async (world) => {
    await world.open([actor('a')])
    const a = world.ref('root/a')
    const busy = a.ask('work', { name: 'w', delayMs: 100 }, SOON)
    while (a.tell('note', { note: 'x' }));
    await rejectsWith('MAILBOX_FULL', () => a.ask('notes', {}, SOON))
    await busy
  })

  test('an ask to an actor that has ended, or ends before it is answered, rejects with ACTOR_STOPPED', async (world) => {
    await world.open([actor('a', {}, { restart: 'temporary', stopWithinMs: 50 })])
    const a = world.ref('root/a')
    const waiting = rejectsWith('ACTOR_STOPPED', () =>
      a.ask('commit', { delayMs: 60_000 }, { withinMs: 50_000 }),
    )
    a.tell('stopSelf', {})
    const queued = rejectsWith('ACTOR_STOPPED', () => a.ask('notes', {}, SOON))
    await Promise.all([waiting, queued])
    await rejectsWith('ACTOR_STOPPED', () => a.ask('notes', {}, SOON))
    await rejectsWith('ACTOR_STOPPED', () => world.ref('root/nobody').ask('notes', {}, SOON))
  })

  // -- mailbox --

  test('a mailbox is bounded by bytes, and its occupancy is seen from outside', async (world) => {
    const system = await world.open([actor('a')])
    const a = world.ref('root/a')
    const busy = a.ask('work', { name: 'w', delayMs: 1000 }, SOON)
    await untilTrue(world, async () => (await system.inspect()).actors[0]!.mailbox.messages === 0)
    const big = () => ({ value: new Uint8Array(3_000_000) })
    assert.is(a.tell('echo', big()), true)
    assert.is(a.tell('echo', big()), true)
    assert.is(a.tell('echo', big()), false)
    const { mailbox } = (await system.inspect()).actors[0]!
    assert.is(mailbox.messages, 2)
    assert.ok(mailbox.bytes >= 6_000_000 && mailbox.bytes < 6_010_000)
    await busy
    await a.ask('notes', {}, SOON)
    assert.is((await system.inspect()).actors[0]!.mailbox.bytes, 0)
  })

  test('values come out as they went in, whatever their size', async (world) => {
    await world.open([actor('a')])
    const a = world.ref('root/a')
    for (const length of [0, 1, 63, 64, 32_768, 32_769, 300_000, 4_000_000]) {
      const value = {
        length,
        bytes: new Uint8Array(length).fill(length & 255),
        tail: ['é', -1.5, null, undefined],
      }
      const copy = structuredClone(value)
      assert.equal(await a.ask('echo', { value }, SOON), copy)
    }
  })

  test('bytes that were sent are moved: using them again fails', async (world) => {
    await world.open([actor('a')])
    for (const length of [10, 100_000]) {
      const bytes = new Uint8Array(length)
      const sent = world.ref('root/a').ask('echo', { value: bytes }, SOON)
      assert.is(bytes.length, 0)
      assert.throws(() => bytes.set([1], 0))
      assert.is(((await sent) as Uint8Array).length, length)
    }
  })

  test('a view that was sent is copied, and spoiled for its sender', async (world) => {
    await world.open([actor('a')])
    const whole = new Uint8Array(100).fill(1)
    const sent = world.ref('root/a').ask('echo', { value: whole.subarray(10, 20) }, SOON)
    assert.equal([whole[9], whole[10], whole[19], whole[20]], [1, 0xdb, 0xdb, 1])
    assert.equal(await sent, new Uint8Array(10).fill(1))
  })

  test('a slab moves by its handle, and is free when the last of its holders is done', async (world) => {
    await world.open([actor('a'), actor('b')])
    const slab = await world.ref('root/a').ask('makeSlab', { byte: 42 }, SOON)
    assert.is(slab.bytes[0], 42)
    const sent = { slab, delayMs: 80 }
    const slow = rejectsWith('ASK_TIMEOUT', () => world.ref('root/b').ask('readSlab', sent, { withinMs: 40 }))
    slab.release()
    await slow
    // The asker has given up; the operation goes on, and holds the slab until it ends.
    assert.is(world.arena.inUse().small, 1)
    await untilTrue(world, () => world.arena.inUse().small === 0)
    await rejectsWith('ASSERTION', () => slab.bytes)
  })

  test('a slab in a message nobody takes is given back', async (world) => {
    await world.open([actor('a', {}, { restart: 'temporary' })])
    const a = world.ref('root/a')
    const [slab] = world.arena.tryAcquire({ class: 'small', count: 1 })!
    const busy = a.ask('work', { name: 'w', delayMs: 50 }, SOON)
    const expired = rejectsWith('ASK_TIMEOUT', () =>
      a.ask('readSlab', { slab: slab!, delayMs: 0 }, { withinMs: 10 }),
    )
    await busy
    await expired
    a.tell('stopSelf', {})
    const stopped = rejectsWith('ACTOR_STOPPED', () => a.ask('readSlab', { slab: slab!, delayMs: 0 }, SOON))
    slab!.release()
    await stopped
    await untilTrue(world, () => world.arena.inUse().small === 0)
  })

  // -- one at a time --

  test('a message runs to completion, and named queries overlap each other only', async (world) => {
    await world.open([actor('a')])
    const a = world.ref('root/a')
    const run = (type: 'work' | 'query', name: string) => a.ask(type, { name, delayMs: 40 }, SOON)
    await Promise.all([run('work', 'w1'), run('query', 'q1'), run('query', 'q2'), run('work', 'w2')])
    const notes = await a.ask('notes', {}, SOON)
    assert.equal(notes.slice(0, 4), ['w1 begins', 'w1 ends', 'q1 begins', 'q2 begins'])
    assert.equal(notes.slice(4, 6).sort(), ['q1 ends', 'q2 ends'])
    assert.equal(notes.slice(6), ['w2 begins', 'w2 ends'])
  })

  test('no more queries overlap than the behaviour allows', async (world) => {
    await world.open([actor('a')])
    const a = world.ref('root/a')
    const queries = Array.from({ length: 12 }, (_, i) => a.ask('query', { name: `${i}`, delayMs: 10 }, SOON))
    await Promise.all(queries)
    let most = 0
    let now = 0
    for (const note of await a.ask('notes', {}, SOON)) {
      now += note.endsWith('begins') ? 1 : -1
      most = Math.max(most, now)
    }
    assert.is(most, 4)
  })

  test('a deferred reply lets the next message in, and is answered with its group', async (world) => {
    await world.open([actor('a')])
    const a = world.ref('root/a')
    const order: string[] = []
    const committed = a.ask('commit', { delayMs: 60 }, SOON).then((value) => order.push(value))
    await a.ask('notes', {}, SOON).then(() => order.push('notes'))
    await committed
    assert.equal(order, ['notes', 'synced'])
    // A group that fails is a fault: its askers hear it, and the actor starts again.
    await rejectsWith('DISK_IO', () => a.ask('commit', { delayMs: 1, fail: 'DISK_IO' }, SOON))
    assert.equal(await untilWritten(world, 3), ['a up', 'a down', 'a up'])
  })

  // -- errors --

  test('a refusal leaves the actor as it was; from a tell it is counted and logged', async (world) => {
    const system = await world.open([actor('a')])
    const a = world.ref('root/a')
    await a.ask('note', { note: 'kept' }, SOON)
    await rejectsWith('BadDigest', () => a.ask('fail', { kind: 'refusal', code: 'BadDigest' }, SOON))
    await rejectsWith('DRAINING', () => a.ask('fail', { kind: 'unavailable', code: 'DRAINING' }, SOON))
    a.tell('fail', { kind: 'refusal', code: 'BadDigest' })
    assert.equal(await a.ask('notes', {}, SOON), ['kept'])
    assert.is((await system.inspect()).refused, 1)
    await untilTrue(world, () => world.logged.some(({ event }) => event === 'refused tell'))
    assert.equal(world.written(), ['a up'])
  })

  test('a fault or a bug is the asker\u2019s and the supervisor\u2019s; the message is not tried again', async (world) => {
    await world.open([actor('a')])
    const a = world.ref('root/a')
    await a.ask('note', { note: 'lost' }, SOON)
    await rejectsWith('DISK_IO', () => a.ask('fail', fault, SOON))
    assert.equal(await a.ask('notes', {}, SOON), [])
    await rejectsWith('ASSERTION', () => a.ask('fail', { kind: 'bug', code: 'ASSERTION' }, SOON))
    await rejectsWith('UNEXPECTED', () => a.ask('nothing' as 'notes', {}, SOON))
    assert.equal(await untilWritten(world, 7), ['a up', ...Array(3).fill(['a down', 'a up']).flat()])
  })

  test('a fault outside of any message counts as one', async (world) => {
    await world.open([actor('a')])
    await world.ref('root/a').ask('failLater', { code: 'DISK_IO' }, SOON)
    assert.equal(await untilWritten(world, 3), ['a up', 'a down', 'a up'])
  })

  // -- restart --

  test('at a restart cleanups run last in first out, and queued messages survive', async (world) => {
    await world.open([actor('a', { cleanups: 2 })])
    const a = world.ref('root/a')
    const failed = rejectsWith('DISK_IO', () => a.ask('fail', fault, SOON))
    a.tell('note', { note: 'queued' })
    const notes = await a.ask('notes', {}, SOON)
    await failed
    assert.equal(notes, ['queued'])
    assert.equal(await untilWritten(world, 5), ['a up', 'a cleanup 2', 'a cleanup 1', 'a down', 'a up'])
  })

  test('a setup that fails backs off and is tried again', async (world) => {
    const setupFailures = new SharedArrayBuffer(4)
    new Int32Array(setupFailures)[0] = 3
    const startMs = world.clock.monotonicMs()
    const system = await world.open([actor('a', { setupFailures })])
    // 1 + 2 + 4 ms, with a fifth of jitter either way.
    assert.ok(world.clock.monotonicMs() - startMs >= 5)
    assert.is((await system.inspect()).actors[0]!.restarts, 3)
    assert.is(await world.ref('root/a').ask('note', { note: 'x' }, SOON), 1)
  })

  test('children made at run time stop with their parent, before its cleanups', async (world) => {
    await world.open([actor('a')])
    const a = world.ref('root/a')
    assert.is(await a.ask('spawn', { name: 'child' }, SOON), 'root/a/child')
    const theChild = world.ref('root/a/child')
    assert.is(await theChild.ask('note', { note: 'x' }, SOON), 1)
    await rejectsWith('DISK_IO', () => a.ask('fail', fault, SOON))
    assert.equal(await untilWritten(world, 5), ['a up', 'child up', 'child down', 'a down', 'a up'])
    await rejectsWith('ACTOR_STOPPED', () => theChild.ask('notes', {}, SOON))
  })

  test('a child made at run time stops when told, or when it breaks, and its name is free again', async (world) => {
    const system = await world.open([actor('a', { watches: ['root/a/child'] })])
    const a = world.ref('root/a')
    for (let i = 0; i < 3; i++) {
      const path = await a.ask('spawn', { name: 'child' }, SOON)
      assert.is((await system.inspect()).actors.filter(({ isTemporary }) => isTemporary).length, 1)
      if (i === 0) await a.ask('stopChild', { path }, SOON)
      if (i === 1) await world.ref(path).ask('stopSelf', {}, SOON)
      if (i === 2) await rejectsWith('DISK_IO', () => world.ref(path).ask('fail', fault, SOON))
      await untilTrue(
        world,
        async () => !(await system.inspect()).actors.some(({ isTemporary }) => isTemporary),
      )
    }
    const written = world.written()
    assert.equal(
      written.filter((line) => line === 'a down'),
      [],
    )
    assert.is(written.filter((line) => line === 'child down').length, 3)
  })

  // -- strategies --

  test('the tree is shown with its supervisors: whoever has children before them, each with its restarts', async (world) => {
    const inner = group('inner', [actor('b'), actor('c')], {
      strategy: 'one-for-all',
      intensity: { restartsMax: 0, periodMs: MINUTE },
    })
    const system = await world.open([actor('a'), group('outer', [inner, actor('d')])])
    await world.ref('root/a').ask('spawn', { name: 'child' }, SOON)
    const shown = async (): Promise<string[]> =>
      (await system.inspect()).tree.map((node) => {
        const { path, state, restarts } = node
        return `${path} ${node.kind === 'supervisor' ? node.strategy : node.isTemporary} ${state} ${restarts}`
      })
    const rows = (innerRestarts: number): string[] => [
      'root one-for-one up 0',
      'root/a false up 0',
      'root/a/child true up 0',
      'root/outer one-for-one up 0',
      `root/outer/inner one-for-all up ${innerRestarts}`,
      'root/outer/inner/b false up 0',
      'root/outer/inner/c false up 0',
      'root/outer/d false up 0',
    ]
    await untilTrue(world, async () => (await shown()).join() === rows(0).join())
    await rejectsWith('DISK_IO', () => world.ref('root/outer/inner/b').ask('fail', fault, SOON))
    await untilTrue(world, async () => (await shown()).join() === rows(1).join())
    const { tree, actors } = await system.inspect()
    assert.equal(
      actors,
      tree.filter(({ kind }) => kind === 'actor'),
    )
    assert.equal(new Set(tree.flatMap((node) => (node.kind === 'supervisor' ? node.thread : []))).size, 1)
  })

  const restartsUnder = async (world: World, strategy: SupervisorSpec['strategy']): Promise<string[]> => {
    await world.open([group('g', [actor('a'), actor('b'), actor('c')], { strategy })])
    await untilWritten(world, 3)
    await rejectsWith('DISK_IO', () => world.ref('root/g/b').ask('fail', fault, SOON))
    const expected = { 'one-for-one': 5, 'rest-for-one': 7, 'one-for-all': 9 }[strategy]
    return (await untilWritten(world, expected)).slice(3)
  }

  test('one-for-one restarts the one that broke', async (world) => {
    assert.equal(await restartsUnder(world, 'one-for-one'), ['b down', 'b up'])
  })

  test('rest-for-one restarts it and those started after it', async (world) => {
    assert.equal(await restartsUnder(world, 'rest-for-one'), ['c down', 'b down', 'b up', 'c up'])
  })

  test('one-for-all restarts all', async (world) => {
    const order = ['c down', 'b down', 'a down', 'a up', 'b up', 'c up']
    assert.equal(await restartsUnder(world, 'one-for-all'), order)
  })

  test('children start in order and stop in the reverse order', async (world) => {
    const system = await world.open([actor('a'), group('g', [actor('b'), actor('c')]), actor('d')])
    assert.equal(world.written(), ['a up', 'b up', 'c up', 'd up'])
    await system.close()
    assert.equal(world.written().slice(4), ['d down', 'c down', 'b down', 'a down'])
  })

  // -- intensity and decisions --

  test('past its intensity a supervisor stops its children in reverse and fails upward', async (world) => {
    await world.open([
      group('g', [actor('a'), actor('b')], { intensity: { restartsMax: 1, periodMs: MINUTE } }),
    ])
    const a = world.ref('root/g/a')
    await rejectsWith('DISK_IO', () => a.ask('fail', fault, SOON))
    assert.equal(await untilWritten(world, 4), ['a up', 'b up', 'a down', 'a up'])
    await rejectsWith('DISK_IO', () => a.ask('fail', fault, SOON))
    assert.equal((await untilWritten(world, 8)).slice(4), ['b down', 'a down', 'a up', 'b up'])
    assert.is(await world.ref('root/g/b').ask('note', { note: 'good' }, SOON), 1)
  })

  test('restarts that lie further apart than the period do not add up', async (world) => {
    await world.open([group('g', [actor('a')], { intensity: { restartsMax: 1, periodMs: 60 } })])
    for (let i = 0; i < 3; i++) {
      await rejectsWith('DISK_IO', () => world.ref('root/g/a').ask('fail', fault, SOON))
      await world.sleep(100)
    }
    assert.is(world.logged.filter(({ event }) => event === 'actor failed').length, 3)
  })

  test('resume keeps the state, stop ends the actor, escalate fails upward', async (world) => {
    await world.open([
      group('resumed', [actor('a')], { decide: () => 'resume' }),
      group('stopped', [actor('b'), actor('c')], {
        decide: ({ code }) => (code === 'DISK_IO' ? 'stop' : 'restart'),
      }),
      group('escalated', [actor('d'), actor('e')], { decide: () => 'escalate' }),
    ])
    const a = world.ref('root/resumed/a')
    await a.ask('note', { note: 'kept' }, SOON)
    await rejectsWith('DISK_IO', () => a.ask('fail', fault, SOON))
    assert.equal(await a.ask('notes', {}, SOON), ['kept'])
    const b = world.ref('root/stopped/b')
    await rejectsWith('DISK_IO', () => b.ask('fail', fault, SOON))
    await rejectsWith('ACTOR_STOPPED', () => b.ask('notes', {}, SOON))
    assert.equal(await world.ref('root/stopped/c').ask('notes', {}, SOON), [])
    await rejectsWith('DISK_IO', () => world.ref('root/escalated/d').ask('fail', fault, SOON))
    const written = (await untilWritten(world, 10)).slice(5)
    assert.equal(written, ['b down', 'e down', 'd down', 'd up', 'e up'])
  })

  test('a fault that is an answer is heard by its asker alone, and the actor goes on', async (world) => {
    await world.open([actor('a')], { decide: () => 'stop' })
    const a = world.ref('root/a')
    await a.ask('note', { note: 'kept' }, SOON)
    await rejectsWith('DISK_FULL', () => a.ask('fail', { kind: 'fault', code: 'DISK_FULL' }, SOON))
    await rejectsWith('DISK_FULL', () => a.ask('commit', { delayMs: 1, fail: 'DISK_FULL' }, SOON))
    assert.equal(await a.ask('notes', {}, SOON), ['kept'])
    const child = (await a.ask('spawn', { name: 'child' }, SOON)) ?? ''
    await rejectsWith('DISK_FULL', () =>
      world.ref(child).ask('fail', { kind: 'fault', code: 'DISK_FULL' }, SOON),
    )
    assert.equal(await world.ref(child).ask('notes', {}, SOON), [])
    assert.is(world.logged.filter(({ level }) => level !== 'debug').length, 0)
  })

  test('a fault that belongs to the life of an actor is told by its name', async (world) => {
    await world.open([actor('a')])
    const a = world.ref('root/a')
    await rejectsWith('DISK_GONE', () => a.ask('fail', { kind: 'fault', code: 'DISK_GONE' }, SOON))
    assert.equal(await a.ask('notes', {}, SOON), [])
    const child = await a.ask('spawn', { name: 'child' }, SOON)
    await rejectsWith('DISK_GONE', () =>
      world.ref(child).ask('fail', { kind: 'fault', code: 'DISK_GONE' }, SOON),
    )
    const told = (): [string, string][] =>
      world.logged.flatMap(({ level, event }) => (level === 'debug' ? [] : [[level, event]]))
    await untilTrue(world, () => told().length >= 2)
    assert.equal(told(), [
      ['warn', 'probe-gone'],
      ['warn', 'probe-gone'],
    ])
  })

  test('permanent is always restarted, transient after a fault, temporary never', async (world) => {
    await world.open([
      actor('permanent'),
      actor('transient', {}, { restart: 'transient' }),
      actor('broken', {}, { restart: 'transient' }),
      actor('temporary', {}, { restart: 'temporary' }),
    ])
    await world.ref('root/permanent').ask('stopSelf', {}, SOON)
    await world.ref('root/transient').ask('stopSelf', {}, SOON)
    await rejectsWith('DISK_IO', () => world.ref('root/broken').ask('fail', fault, SOON))
    await rejectsWith('DISK_IO', () => world.ref('root/temporary').ask('fail', fault, SOON))
    await untilWritten(world, 10)
    await world.sleep(50)
    const written = world.written().slice(4)
    const of = (name: string) => written.filter((line) => line.startsWith(name))
    assert.equal(of('permanent'), ['permanent down', 'permanent up'])
    assert.equal(of('transient'), ['transient down'])
    assert.equal(of('broken'), ['broken down', 'broken up'])
    assert.equal(of('temporary'), ['temporary down'])
  })

  // -- watch --

  test('a watcher is told of an end once, also of one long past, and not of restarts', async (world) => {
    await world.open([
      actor('a', {}, { restart: 'transient' }),
      actor('b', { watches: ['root/a', 'root/a', 'root/nobody'] }),
    ])
    const b = world.ref('root/b')
    await untilTrue(world, async () => (await b.ask('notes', {}, SOON)).length === 1)
    assert.equal(await b.ask('notes', {}, SOON), ['root/nobody ended'])
    await rejectsWith('DISK_IO', () => world.ref('root/a').ask('fail', fault, SOON))
    await world.ref('root/a').ask('stopSelf', {}, SOON)
    await untilTrue(world, async () => (await b.ask('notes', {}, SOON)).length === 3)
    await world.sleep(30)
    assert.equal((await b.ask('notes', {}, SOON)).slice(1), ['root/a ended', 'root/a ended'])
    // Watches are set again by setup: the new life is told of the old end.
    await rejectsWith('DISK_IO', () => b.ask('fail', fault, SOON))
    await untilTrue(world, async () => (await b.ask('notes', {}, SOON)).length === 3)
  })

  test('the end of a child made at run time is told too', async (world) => {
    await world.open([actor('a'), actor('b', { watches: ['root/a/child'] })])
    // Not there yet counts as ended: the watcher was told at once.
    await untilTrue(world, async () => (await world.ref('root/b').ask('notes', {}, SOON)).length === 1)
    await world.ref('root/a').ask('spawn', { name: 'child' }, SOON)
    await rejectsWith('DISK_IO', () => world.ref('root/b').ask('fail', fault, SOON))
    assert.equal(await world.ref('root/b').ask('notes', {}, SOON), [])
    await world.sleep(20)
    await world.ref('root/a').ask('stopChild', { path: 'root/a/child' }, SOON)
    await untilTrue(world, async () => (await world.ref('root/b').ask('notes', {}, SOON)).length === 1)
    // Another child at the same path: that watch has told what it was to tell.
    await world.ref('root/a').ask('spawn', { name: 'child' }, SOON)
    await world.ref('root/a').ask('stopChild', { path: 'root/a/child' }, SOON)
    await world.sleep(30)
    assert.equal(await world.ref('root/b').ask('notes', {}, SOON), ['root/a/child ended'])
  })

  // -- every --

  test('a tick whose predecessor still waits is dropped', async (world) => {
    await world.open([actor('a', { tickMs: 10 })])
    const a = world.ref('root/a')
    const working = a.ask('work', { name: 'w', delayMs: 500 }, SOON)
    await world.sleep(100)
    // Queued while the work runs, behind the ticks that came by then: whatever comes later does not count.
    const notes = await a.ask('notes', {}, SOON)
    await working
    const waited = notes.slice(notes.indexOf('w ends') + 1)
    assert.ok(waited.length <= 2, `${waited.length} ticks after the work`)
    await untilTrue(world, async () => (await a.ask('notes', {}, SOON)).length > notes.length + 2)
  })

  // -- the end --

  test('a root that gives up settles closed with the fault', async (world) => {
    const system = await world.open([actor('a')], { intensity: { restartsMax: 0, periodMs: MINUTE } })
    await rejectsWith('DISK_IO', () => world.ref('root/a').ask('fail', fault, SOON))
    assert.is((await system.closed)?.code, 'DISK_IO')
    await rejectsWith('ACTOR_STOPPED', () => world.ref('root/a').ask('notes', {}, SOON))
  })

  test('a tree that never comes up rejects, and leaves nothing', async (world) => {
    const setupFailures = new SharedArrayBuffer(4)
    new Int32Array(setupFailures)[0] = 1000
    await rejectsWith('DISK_IO', () => world.open([actor('a', { setupFailures })]))
  })

  test('close is bounded, whatever hangs, and idempotent', async (world) => {
    const system = await world.open([actor('a', { hangs: true }, { stopWithinMs: 50 })])
    const a = world.ref('root/a')
    const stuck = rejectsWith('ACTOR_STOPPED', () =>
      a.ask('work', { name: 'w', delayMs: 60_000 }, { withinMs: 59_000 }),
    )
    await world.sleep(10)
    const startMs = world.clock.monotonicMs()
    await Promise.all([system.close({ withinMs: 2 * SECOND }), system.close()])
    assert.ok(world.clock.monotonicMs() - startMs < SECOND)
    await stuck
    assert.is(await system.closed, undefined)
  })
}
