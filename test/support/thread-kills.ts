// A system of two threads beside main, and what the tests do to it: kill its threads under load. Every ask must settle, all
// memory must come back, and those who were not killed must not notice.
import { sleep, systemClock } from '../../src/base/clock.ts'
import { codeOf } from '../../src/base/errors.ts'
import { MINUTE, MiB, SECOND } from '../../src/base/units.ts'
import { child, type SupervisorSpec } from '../../src/runtime/actor.ts'
import { type Arena, createArena } from '../../src/runtime/arena.ts'
import { createSystem, type System } from '../../src/runtime/system.ts'
import { type ProbeProtocol, probe } from './probe.ts'
import { assert } from './uvu.ts'

/** Asks go down only, or two could wait for each other. */
const BELOW: Record<string, string> = { 'root/a': 'root/c', 'root/b': 'root/c', 'root/c': 'root/here' }
export const SOON = { withinMs: 5 * SECOND }

export const spec: SupervisorSpec = {
  name: 'root',
  strategy: 'one-for-one',
  intensity: { restartsMax: 10_000, periodMs: MINUTE },
  backoff: { minMs: 1, maxMs: 1, jitter: 0 },
  decide: () => 'restart',
  children: [
    child(probe, 'here', {}),
    child(probe, 'a', {}, { place: 'left' }),
    child(probe, 'b', {}, { place: 'left' }),
    child(probe, 'c', { watches: ['root/a'] }, { place: 'right' }),
  ],
}

/** Runs `body` in a system of two threads beside main, and looks that nothing of the arena is left over. */
export const withSystem = async (body: (system: System, arena: Arena) => Promise<void>): Promise<void> => {
  const arena = createArena({ bytes: 16 * MiB })
  const system = await createSystem({
    spec,
    arena,
    hangMs: 200,
    placement: { left: 'left', right: 'right' },
    threads: { left: { resourceLimits: { maxOldGenerationSizeMb: 24 } } },
  })
  try {
    await body(system, arena)
  } finally {
    await system.close()
    assert.equal(arena.inUse(), { small: 0, large: 0 })
  }
}

/** Resolves when the actor at `path` answers. */
export const untilUp = async (system: System, path: string): Promise<void> => {
  for (;;) {
    const answer = system.ref<ProbeProtocol>(path).ask('notes', {}, { withinMs: SECOND })
    const isUp = await answer.then(
      () => true,
      () => false,
    )
    if (isUp) return
    await sleep(systemClock, 2)
  }
}

/** Ends one thread after the other, `kills` times in all, while every actor is kept busy. */
export const killUnderLoad = (kills: number): Promise<void> =>
  withSystem(async (system, arena) => {
    const outcomes = new Map<string, number>()
    let isOver = false
    const count = (code: string) => outcomes.set(code, (outcomes.get(code) ?? 0) + 1)
    let asked = 0
    let settled = 0
    const lane = async (path: string, random: number) => {
      const ref = system.ref<ProbeProtocol>(path)
      for (let i = random; !isOver; i++) {
        asked++
        try {
          const below = BELOW[path]
          if (i % 4 === 3 && below) await ref.ask('relay', { to: below, times: 8 }, SOON)
          else if (i % 3 === 0) {
            const slab = await ref.ask('makeSlab', { byte: 7 }, SOON)
            assert.is(slab.bytes[5], 7)
            slab.release()
          } else if (i % 3 === 1) {
            const [slab] = await arena.acquire({ class: 'large', count: 1, isUrgent: true, ...SOON })
            slab!.bytes[0] = 9
            const answer = ref.ask('readSlab', { slab: slab!, delayMs: 1 }, SOON)
            slab!.release()
            assert.is(await answer, 9)
          } else await ref.ask('echo', { value: new Uint8Array(i % 7 === 0 ? 50_000 : 50) }, SOON)
          count('ok')
        } catch (error) {
          count(codeOf(error))
          await sleep(systemClock, 1)
        }
        settled++
      }
    }
    const paths = ['root/here', 'root/a', 'root/b', 'root/c']
    const lanes = paths.flatMap((path) => [0, 1, 2].map((random) => lane(path, random)))
    for (let kill = 0; kill < kills; kill++) {
      await system.killThread(kill % 2 === 0 ? 'left' : 'right')
      await untilUp(system, kill % 2 === 0 ? 'root/a' : 'root/c')
      await sleep(systemClock, kill % 5)
    }
    isOver = true
    await Promise.all(lanes)
    assert.is(settled, asked)
    const codes = [...outcomes.keys()].sort()
    for (const code of codes) assert.ok(['ok', 'THREAD_EXITED', 'MAILBOX_FULL'].includes(code), code)
    // Whenever one dies, several asks are on their way to it.
    const told = JSON.stringify([...outcomes])
    assert.ok(outcomes.get('ok')! > 100 && outcomes.get('THREAD_EXITED')! > 2 * kills, told)
    // What those who died held or had reserved was given back at their exit.
    for (const path of paths) await untilUp(system, path)
    const { actors } = await system.inspect()
    for (const { mailbox } of actors) assert.equal([mailbox.messages, mailbox.bytes], [0, 0])
    assert.equal(arena.inUse(), { small: 0, large: 0 })
  })
