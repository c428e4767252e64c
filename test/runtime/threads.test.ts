// Threads that end in every way: no ask is lost, no slab is, and the thread comes back.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { GiB, MINUTE, MiB } from '../../src/base/units.ts'
import { child } from '../../src/runtime/actor.ts'
import { createArena } from '../../src/runtime/arena.ts'
import { createSystem } from '../../src/runtime/system.ts'
import { type ProbeProtocol, probe } from '../support/probe.ts'
import { killUnderLoad, SOON, spec, untilUp, withSystem } from '../support/thread-kills.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('threads')

for (const how of ['exit', 'throw', 'reject', 'memory'] as const) {
  test(
    `a thread that ends by ${how} rejects what is in flight at once, and comes back`,
    deadline(20_000, () =>
      withSystem(async (system) => {
        const a = system.ref<ProbeProtocol>('root/a')
        const b = system.ref<ProbeProtocol>('root/b')
        await b.ask('note', { note: 'lost' }, SOON)
        const bystander = rejectsWith('THREAD_EXITED', () =>
          b.ask('work', { name: 'w', delayMs: 60_000 }, { withinMs: 60_000 }),
        )
        await rejectsWith('THREAD_EXITED', () => a.ask('ruin', { how }, { withinMs: 60_000 }))
        await bystander
        await untilUp(system, 'root/a')
        await untilUp(system, 'root/b')
        assert.equal(await b.ask('notes', {}, SOON), [])
        // One exit is one restart of each, and no end of anybody: no watcher was told.
        assert.equal(await system.ref<ProbeProtocol>('root/c').ask('notes', {}, SOON), [])
        const restarts = (await system.inspect()).actors.map((actor) => actor.restarts)
        assert.equal(restarts, [0, 1, 1, 0])
      }),
    ),
  )
}

test(
  'a thread that hangs is found by the ask it does not answer, ended, and comes back',
  deadline(20_000, () =>
    withSystem(async (system) => {
      const b = system.ref<ProbeProtocol>('root/b')
      const bystander = rejectsWith('THREAD_EXITED', () =>
        b.ask('work', { name: 'w', delayMs: 60_000 }, { withinMs: 60_000 }),
      )
      const a = system.ref<ProbeProtocol>('root/a')
      await rejectsWith('ASK_TIMEOUT', () => a.ask('ruin', { how: 'loop' }, { withinMs: 50 }))
      await bystander
      await untilUp(system, 'root/b')
    }),
  ),
)

test(
  'threads are shown with their state, and how often another took the place of one that exited',
  deadline(20_000, () =>
    withSystem(async (system) => {
      const shown = async () => (await system.inspect()).threads
      const main = { name: 'main', state: 'up', restarts: 0 }
      const right = { name: 'right', state: 'up', restarts: 0 }
      assert.equal(await shown(), [main, { name: 'left', state: 'up', restarts: 0 }, right])
      for (const restarts of [1, 2]) {
        await system.killThread('left')
        await untilUp(system, 'root/a')
        await untilUp(system, 'root/b')
        assert.equal(await shown(), [main, { name: 'left', state: 'up', restarts }, right])
      }
      await system.close()
      assert.equal(
        (await shown()).map(({ state }) => state),
        ['up', 'ended', 'ended'],
      )
    }),
  ),
)

test(
  'close ends a thread that hangs, within its limit',
  deadline(20_000, () =>
    withSystem(async (system) => {
      const a = system.ref<ProbeProtocol>('root/a')
      const hung = rejectsWith('THREAD_EXITED', () => a.ask('ruin', { how: 'loop' }, { withinMs: 60_000 }))
      const startMs = performance.now()
      await system.close({ withinMs: 300 })
      await hung
      assert.ok(performance.now() - startMs < 3000)
    }),
  ),
)

test(
  'the exit of a thread with many actors counts once against the intensity',
  deadline(10_000, async () => {
    const children = Array.from({ length: 8 }, (_, i) => child(probe, `p${i}`, {}, { place: 'left' }))
    const strict = { ...spec, intensity: { restartsMax: 1, periodMs: MINUTE }, children }
    const system = await createSystem({ spec: strict, placement: { left: 'left' } })
    await system.killThread('left')
    for (const { name } of children) await untilUp(system, `root/${name}`)
    await system.killThread('left')
    assert.is((await system.closed)?.code, 'THREAD_EXITED')
  }),
)

test(
  'killed 6 times under load (more often in test/kill): every ask settles, every slab returns, others go on',
  deadline(60_000, () => killUnderLoad(6)),
)

test(
  'the same bytes may be sent to several actors on several threads, whatever their size',
  deadline(10_000, () =>
    withSystem(async (system) => {
      for (const length of [100, 40_000, 3_000_000]) {
        const value = new Uint8Array(length).fill(length & 255)
        const asks = ['a', 'b', 'c', 'here'].map((name) =>
          system.ref<ProbeProtocol>(`root/${name}`).ask('echo', { value }, SOON),
        )
        for (const answer of await Promise.all(asks)) assert.equal(answer, value)
      }
    }),
  ),
)

test(
  'memory for bodies is shared fairly between threads: nobody in line is overtaken or forgotten',
  deadline(30_000, () =>
    withSystem(async (system, arena) => {
      const all = arena.tryAcquire({ class: 'small', count: arena.total('small'), isUrgent: true })!
      const asks = ['root/a', 'root/b', 'root/c', 'root/here'].flatMap((path) =>
        Array.from({ length: 20 }, () => system.ref<ProbeProtocol>(path).ask('makeSlab', { byte: 1 }, SOON)),
      )
      await sleep(systemClock, 20)
      for (const slab of all) {
        slab.release()
        await sleep(systemClock, 1)
      }
      await Promise.all(asks.map(async (ask) => (await ask).release()))
    }),
  ),
)

test(
  'a system leaves nothing behind: its process ends by itself',
  deadline(20_000, async () => {
    const module = new URL('../../src/runtime/', import.meta.url)
    const script = `
      import { createSystem } from '${module}system.js'
      import { child } from '${module}actor.js'
      import { probe } from '${new URL('../support/probe.js', import.meta.url)}'
      const spec = { name: 'root', strategy: 'one-for-one', intensity: { restartsMax: 1, periodMs: 1000 },
        backoff: { minMs: 1, maxMs: 1, jitter: 0 }, decide: () => 'restart',
        children: [child(probe, 'a', { tickMs: 5 }), child(probe, 'b', { tickMs: 5 })] }
      const system = await createSystem({ spec, placement: { 'root/b': 'other' } })
      const stuck = system.ref('root/b').ask('work', { name: 'w', delayMs: 100000 }, { withinMs: 100000 })
      const code = stuck.catch(({ code }) => code)
      await system.close({ withinMs: 200 })
      console.log('closed', await code)`
    const run = promisify(execFile)
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], {
      timeout: 10_000,
    })
    // Which of the two it is depends on whether the work had begun.
    assert.match(stdout, /^closed (THREAD_EXITED|ACTOR_STOPPED)$/m)
  }),
)

test('a gigabyte of arena costs nothing before it is used', () => {
  const before = process.memoryUsage.rss()
  const arena = createArena({ bytes: 1 * GiB })
  assert.ok(arena.total('large') > 700)
  assert.ok(process.memoryUsage.rss() - before < 64 * MiB)
})

test.run()
