// Each kind of thread of the real store killed under mixed load, 50 times in a campaign: by a throw, by an exit, from outside, and out of
// memory; first one at a time, then several at once. Clients see 503 or a broken connection and then
// service; whatever was acknowledged is there and whole at the end, no actor of another thread is started again,
// connections on other threads go on, and nothing has leaked: no descriptor, no slab, no room in a mailbox.
import { createStoreClient } from '../../bench/load/store-client.ts'
import type { Random } from '../../src/base/prng.ts'
import type { ActorView } from '../../src/runtime/system.ts'
import { roundsOf } from '../support/rounds.ts'
import type { How } from '../support/saboteur-orders.ts'
import { createSteadyLedger } from '../support/steady-ledger.ts'
import {
  createHolder,
  type Descriptors,
  descriptorsOf,
  type StormedServer,
  startStormed,
} from '../support/thread-storm.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('threads of the store, killed')
const LIMIT_MS = 1_200_000
const PLACES = ['gateways', 'metadata', 'storage', 'upkeep', 'codec'] as const
type Place = (typeof PLACES)[number]
/** Between two kills, so that there is something to lose. */
const SERVICE_MS = 30
const HOWS: readonly How[] = ['throw', 'exit', 'terminate']
/** A thread takes a second and two hundred megabytes to run out of memory. */
const OUT_OF_MEMORY = HOWS.length
const HOLDERS = 4
/** The first of every way to end is among them, however few. */
const KILLS = roundsOf(OUT_OF_MEMORY + 1, 50)

/**
 * A thread that ends while it reads a module leaves the descriptor to nobody: Node knows nothing of it. The slower the machine, the
 * longer threads read, and each time it is another file; a kill that leaks one would come to `kills` of the same.
 */
const strayMax = (kills: number): number => Math.max(3, kills / 5)

/** How often the one that is there most often is. */
const mostOf = (paths: readonly string[]): number => {
  const counts = new Map<string, number>()
  for (const path of paths) counts.set(path, (counts.get(path) ?? 0) + 1)
  return Math.max(0, ...counts.values())
}

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))

interface Storm {
  /** The machine that the threads are laid out for. */
  readonly cores: number
  /** Places on threads of their own, other than that of the gateway. */
  readonly behind: readonly Place[]
  /** Of each kind. */
  readonly kills: number
  /** So many of them one at a time; then upkeep dies with the gateway, if it is behind it, and the others at once. */
  readonly alone: number
}

/** How often the actors of each place but `places` have been started. Those on the main thread live through everything. */
const restartsBeside = (
  places: readonly Place[],
  actors: readonly ActorView[],
): Readonly<Record<string, number>> => {
  const others = PLACES.filter((place) => !places.includes(place))
  const count = (place: Place): number =>
    actors
      .filter(({ path, thread }) => path.startsWith(`root/${place}/`) && thread !== 'main')
      .reduce((sum, { restarts }) => sum + restarts, 0)
  return Object.fromEntries(others.map((place) => [place, count(place)]))
}

const howOf = (kill: number): How => (kill === OUT_OF_MEMORY ? 'memory' : HOWS[kill % HOWS.length]!)

/** Ends a thread of each of these places, and waits for service. `sharing`: places that live on one of these threads, too. */
const kill = async (
  server: StormedServer,
  places: readonly Place[],
  number: number,
  sharing: readonly Place[],
): Promise<void> => {
  const before = await server.actors()
  for (const place of places) await server.order({ kind: 'end', place, how: howOf(number) })
  await server.untilServes(places, before)
  const dead = [...places, ...sharing]
  assert.equal(restartsBeside(dead, await server.actors()), restartsBeside(dead, before))
}

const without = (places: readonly Place[], left: Place): Place[] => places.filter((place) => place !== left)

/** What the store holds when it has nothing to do, and every thread is one that took another's place. */
const atRest = async (server: StormedServer, behind: readonly Place[]): Promise<Descriptors> => {
  // The codec's threads begin with the gateway's: whoever kills them then leaves descriptors of modules that are being read.
  for (const places of [['gateways'], behind] as const) {
    const before = await server.actors()
    for (const place of places) await server.order({ kind: 'end', place, how: 'throw' })
    await server.untilServes(places, before)
  }
  await pause(500)
  return descriptorsOf(server.pid, server.data)
}

/** Kills those behind the gateway while clients hold their connections to it. */
const killBehind = async (
  server: StormedServer,
  { behind, kills, alone }: Storm,
  sharing: readonly Place[],
): Promise<void> => {
  const path = server.signer.presign('GET', '/service/probe')
  const holders = Array.from({ length: HOLDERS }, () => createHolder(server.endpoint, path))
  const ask = (): Promise<number[]> => Promise.all(holders.map((holder) => holder.ask()))
  const killThem = async (places: readonly Place[], number: number): Promise<void> => {
    await kill(server, places, number, sharing)
    await pause(SERVICE_MS)
    // Another thread died, not theirs: they are answered, on the connections they have.
    for (const status of await ask()) assert.ok([200, 503].includes(status), `${places}: ${status}`)
  }
  try {
    assert.equal(await ask(), new Array(HOLDERS).fill(200))
    const ports = holders.map(({ localPort }) => localPort)
    for (let number = 0; number < kills; number++) {
      if (number >= alone) await killThem(without(behind, 'upkeep'), number)
      else for (const place of behind) await killThem([place], number)
    }
    assert.equal(
      holders.map(({ localPort }) => localPort),
      ports,
    )
  } finally {
    for (const holder of holders) holder.close()
  }
}

const rage = async (random: Random, storm: Storm): Promise<void> => {
  const { cores, behind, kills } = storm
  const server = await startStormed(cores)
  const load = createStoreClient(server.endpoint, server.signer)
  const sharing = PLACES.filter((place) => place !== 'gateways' && !behind.includes(place))
  let isOver = false
  try {
    const before = await atRest(server, behind)
    const ledger = createSteadyLedger(random, { client: load, presign: server.signer.presign })
    const loading = ledger.load(() => isOver)
    const killing = async (): Promise<void> => {
      for (let number = 0; number < kills; number++) {
        const withUpkeep = number >= storm.alone && behind.includes('upkeep')
        // Its codec dies with it.
        const places: Place[] = withUpkeep ? ['gateways', 'upkeep'] : ['gateways']
        await kill(server, places, number, [...sharing, 'codec'])
        await pause(SERVICE_MS)
      }
      await killBehind(server, storm, sharing)
    }
    await Promise.race([killing(), loading])
    isOver = true
    await loading
    load.close()

    const { keys, doubts } = await ledger.verify()
    const told = JSON.stringify([...ledger.tally])
    assert.ok((ledger.tally.get('PUT 200') ?? 0) > kills && (ledger.tally.get('GET 200') ?? 0) > kills, told)
    process.stdout.write(`  ${cores} cores: ${keys} keys, ${doubts} in doubt, ${told}\n`)
    const after = await atRest(server, behind)
    assert.equal(after.fixed, before.fixed)
    const { stray } = after
    const said = `without a use: ${stray.join(' ')}`
    assert.ok(mostOf(stray) < mostOf(before.stray) + strayMax(kills), said)
    assert.ok(stray.length < before.stray.length + Math.max(kills, 10), said)
    await server.untilArenaIsWhole()
    for (const { path, state, mailbox, restarts, thread, isTemporary } of await server.untilIdle()) {
      if (isTemporary) continue
      assert.equal([state, mailbox.messages, mailbox.bytes], ['up', 0, 0], path)
      const wasKilled = PLACES.some((place) => path.startsWith(`root/${place}/`)) && thread !== 'main'
      if (wasKilled) assert.ok(restarts >= kills, `${path} was started again ${restarts} times`)
    }
  } finally {
    isOver = true
    load.close()
    await server.close()
  }
}

test(
  `four cores: gateway, metadata, disks, upkeep and codec, each killed ${KILLS} times under load`,
  seeded(LIMIT_MS, (random) =>
    rage(random, {
      cores: 4,
      behind: ['metadata', 'storage', 'upkeep', 'codec'],
      kills: KILLS,
      alone: OUT_OF_MEMORY,
    }),
  ),
)

const KILLS_ON_TWO = roundsOf(HOWS.length, 4)
test(
  `two cores: front, disks and codec, each killed ${KILLS_ON_TWO} times under load`,
  seeded(LIMIT_MS, (random) =>
    rage(random, { cores: 2, behind: ['storage', 'codec'], kills: KILLS_ON_TWO, alone: 2 }),
  ),
)

test.run()
