// The arena full of those who do not go on: uploads that send next to nothing, and readers that stop. Small bodies of others
// are written and read meanwhile, as if nothing were, and everything is given back afterwards.
import type { Body } from '../../src/actors/engine.ts'
import { codeOf } from '../../src/base/errors.ts'
import { KiB, MiB, SECOND } from '../../src/base/units.ts'
import { createSeal } from '../../src/s3/checksums.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { createSimulation, openSimulatedStore, type SimulatedStore } from '../support/simulated-store.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('a crowded arena')
const LIMIT_MS = 60_000
const ROOTS = ['/d1', '/d2', '/d3', '/d4', '/d5', '/d6']
const OWNER = 'a'.repeat(64)
const address = (key: string) => ({ bucket: 'bucket', key })
const request = (key: string) => ({ ...address(key), owner: OWNER, headers: [], metadata: [] })
/** More than there are small slabs. */
const CROWD = 120

/** Sends one byte, and ends by an error when it is let go. */
const stuckBody = (size: number, letGo: Promise<void>): Body => ({
  size,
  chunks: (async function* () {
    yield Buffer.alloc(1)
    await letGo
    throw new Error('the client is gone')
  })(),
  ...createSeal(undefined),
})

/** Takes one chunk and no other until it is let go. */
const stopReading = async ({ engine }: SimulatedStore, letGo: Promise<void>): Promise<void> => {
  const reading = await engine.objects.open(address('large'))
  try {
    for await (const chunk of reading.read({ start: 0, length: reading.version.size })) {
      await letGo
      chunk.release()
      return
    }
  } finally {
    reading.close()
  }
}

/** Objects in the journal, packed, and packed with units of their own slabs. */
const bustle = async ({ run, engine }: SimulatedStore): Promise<void> => {
  for (const size of [4 * KiB, 30 * KiB, 100 * KiB, MiB]) {
    const body = Buffer.alloc(size, size & 255)
    await run(engine.objects.put(request('other'), bodyOf(body)))
    assert.ok(Buffer.from(await run(readBytes(engine, address('other')))).equals(body), `${size} bytes`)
  }
}

for (const who of ['uploads', 'readers'] as const) {
  test(
    `${CROWD} ${who} that stop leave room for small bodies`,
    seeded(LIMIT_MS, async (_, seed) => {
      const simulation = createSimulation(seed)
      const files = createMemoryFiles()
      const store = await openSimulatedStore(simulation, { files, roots: ROOTS })
      const { run, engine } = store
      await run(engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
      await run(engine.objects.put(request('large'), bodyOf(Buffer.alloc(6 * MiB, 7))))
      let release = (): void => undefined
      const letGo = new Promise<void>((resolve) => {
        release = resolve
      })
      const crowd = Array.from({ length: CROWD }, (_, i) =>
        (who === 'uploads'
          ? engine.objects.put(request(`stuck-${i}`), stuckBody(6 * MiB, letGo))
          : stopReading(store, letGo)
        ).then(() => 'ended', codeOf),
      )
      await store.pass(SECOND)
      await bustle(store)
      // Of the crowd itself some found no place within ten seconds; the others hold theirs.
      await store.pass(15 * SECOND)
      await bustle(store)
      release()
      const codes = new Set(await run(Promise.all(crowd)))
      assert.ok(codes.has('ARENA_FULL') && codes.size === 2, [...codes].join())
      await store.pass(SECOND)
      assert.equal(simulation.arena.inUse(), { small: 0, large: 0 })
      await store.close()
    }),
  )
}

test.run()
