// Each kind of thread of the real store killed 50 times under mixed load: by a throw, by an exit, from outside, and out of
// memory. Clients see 503 or a broken connection and then service; whatever was acknowledged is there and whole at the
// end, connections on other threads go on, and nothing has leaked: no descriptor, no slab, no room in a mailbox.
import { createStoreClient } from '../../bench/load/store-client.ts'
import type { Random } from '../../src/base/prng.ts'
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
const KILLS = 50
const LIMIT_MS = 600_000
/** Between two kills, so that there is something to lose. */
const SERVICE_MS = 30
const HOWS: readonly How[] = ['throw', 'exit', 'terminate']
/**
 * Not from outside: when Node 20 is ended in the middle of parsing a request's body, its parser aborts the whole process
 * (`v8::ToLocalChecked Empty MaybeLocal`). We end no thread from outside that still turns.
 */
const GATEWAY_HOWS: readonly How[] = ['throw', 'exit']
/** A thread takes a second and two hundred megabytes to run out of memory. */
const OUT_OF_MEMORY = new Set([7, 32])
const HOLDERS = 4

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))

const kill = async (server: StormedServer, place: string, how: How): Promise<void> => {
  const before = await server.actors()
  await server.order({ kind: 'end', place, how })
  await server.untilServes(place, before)
}

/**
 * A thread that ends while the kernel opens a file for it leaves the descriptor to nobody: Node knows nothing of it. That is
 * a matter of microseconds, while each kill that leaks one would come to KILLS of a kind.
 */
const STRAY_MAX = KILLS / 5

/** What the store holds when it has nothing to do, and every thread is one that took another's place. */
const atRest = async (server: StormedServer): Promise<Descriptors> => {
  for (const place of ['storage', 'metadata', 'gateways', 'codec', 'upkeep'])
    await kill(server, place, 'throw')
  await pause(500)
  return descriptorsOf(server.pid, server.data)
}

const storm = async (cores: number, places: readonly string[], random: Random): Promise<void> => {
  const server = await startStormed(cores)
  const load = createStoreClient(server.endpoint, server.signer)
  let isOver = false
  try {
    const before = await atRest(server)
    const ledger = createSteadyLedger(random, { client: load, presign: server.signer.presign })
    const loading = ledger.load(() => isOver)
    for (const place of places) await Promise.race([killOften(server, place), loading])
    isOver = true
    await loading
    load.close()

    const { keys, doubts } = await ledger.verify()
    const told = JSON.stringify([...ledger.tally])
    assert.ok((ledger.tally.get('PUT 200') ?? 0) > KILLS && (ledger.tally.get('GET 200') ?? 0) > KILLS, told)
    process.stdout.write(`  ${cores} cores: ${keys} keys, ${doubts} in doubt, ${told}\n`)
    const after = await atRest(server)
    assert.equal(after.fixed, before.fixed)
    assert.ok(after.stray < before.stray + STRAY_MAX, `${after.stray} descriptors without a use`)
    assert.equal(await server.order({ kind: 'arena' }), { answers: 'arena', small: 0, large: 0 })
    for (const { path, state, mailbox, restarts, isTemporary } of await server.actors()) {
      if (isTemporary) continue
      assert.equal([state, mailbox.messages, mailbox.bytes], ['up', 0, 0], path)
      if (places.some((place) => path.startsWith(`root/${place}/`) && path !== 'root/upkeep/keeper')) {
        assert.ok(restarts >= KILLS, `${path} was started again ${restarts} times`)
      }
    }
  } finally {
    isOver = true
    load.close()
    await server.close()
  }
}

const killOften = async (server: StormedServer, place: string): Promise<void> => {
  const path = server.signer.presign('GET', '/service/probe')
  const holders = Array.from({ length: HOLDERS }, () => createHolder(server.endpoint, path))
  try {
    assert.equal(
      await Promise.all(holders.map(({ ask }) => ask())),
      holders.map(() => 200),
    )
    const ports = holders.map(({ localPort }) => localPort)
    for (let i = 0; i < KILLS; i++) {
      const hows = place === 'gateways' ? GATEWAY_HOWS : HOWS
      await kill(server, place, OUT_OF_MEMORY.has(i) ? 'memory' : hows[i % hows.length]!)
      await pause(SERVICE_MS)
      if (place === 'gateways') continue
      // Another thread died, not theirs: they are answered, on the connections they have.
      for (const status of await Promise.all(holders.map(({ ask }) => ask())))
        assert.ok([200, 503].includes(status))
    }
    if (place !== 'gateways')
      assert.equal(
        holders.map(({ localPort }) => localPort),
        ports,
      )
  } finally {
    for (const holder of holders) holder.close()
  }
}

test(
  `two cores: front, disks and codec, each killed ${KILLS} times under load`,
  seeded(LIMIT_MS, (random) => storm(2, ['gateways', 'storage', 'codec'], random)),
)

test(
  `four cores: gateway, metadata and upkeep, each killed ${KILLS} times under load`,
  seeded(LIMIT_MS, (random) => storm(4, ['gateways', 'metadata', 'upkeep'], random)),
)

test.run()
