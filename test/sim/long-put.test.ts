// History 28: a PUT that takes two hours, while everything else goes on: objects come and go, volumes and journal segments
// are dropped, and in one of the stories a disk is replaced. What it wrote is touched by nobody; when a disk that it wrote
// to is no longer the one it was, it is told to come again, and nothing of it appears.
import type { Body } from '../../src/actors/engine.ts'
import type { FinishedTour } from '../../src/actors/scrub-state.ts'
import type { ScrubberProtocol } from '../../src/actors/scrubber.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import { sleep } from '../../src/base/clock.ts'
import { asMoraineError } from '../../src/base/errors.ts'
import { createPrng } from '../../src/base/prng.ts'
import { KiB, MINUTE, MiB } from '../../src/base/units.ts'
import { createSeal } from '../../src/s3/checksums.ts'
import { createMemoryFiles, type MemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { filesBelow } from '../support/memory-tree.ts'
import {
  createSimulation,
  openSimulatedStore,
  type SimulatedStore,
  type Simulation,
} from '../support/simulated-store.ts'
import { assert, rejectsWith, seeded, suite } from '../support/uvu.ts'

const test = suite('a long PUT')
const LIMIT_MS = 120_000
const ROOTS = ['/d1', '/d2', '/d3', '/d4', '/d5']
const OWNER = 'a'.repeat(64)
const address = (key: string) => ({ bucket: 'bucket', key })
const request = (key: string) => ({ ...address(key), owner: OWNER, headers: [], metadata: [] })

/** Sends half of the bytes, waits, sends the rest, waits, and ends. */
const slowBody = ({ clock }: Simulation, bytes: Uint8Array): Body => ({
  size: bytes.length,
  chunks: (async function* () {
    yield bytes.subarray(0, bytes.length / 2)
    await sleep(clock, 60 * MINUTE)
    yield bytes.subarray(bytes.length / 2)
    await sleep(clock, 60 * MINUTE)
  })(),
  ...createSeal(undefined),
})

interface Story {
  readonly simulation: Simulation
  readonly files: MemoryFiles
  readonly store: SimulatedStore
  readonly bytes: Uint8Array
  /** The PUT, which has just begun. */
  readonly putting: Promise<unknown>
}

/** Small objects that replace each other: journal of which little is alive. */
const putSmall = async ({ run, engine: { objects } }: SimulatedStore, rounds: number): Promise<void> => {
  const names = Array.from({ length: 32 }, (_, i) => `small-${i}`)
  for (let round = 0; round < rounds; round++) {
    const body = Buffer.alloc(16 * KiB, `${round}`)
    await run(Promise.all(names.map((name) => objects.put(request(name), bodyOf(body)))))
  }
}

const begin = async (seed: number, size: number): Promise<Story> => {
  const simulation = createSimulation(seed)
  const files = createMemoryFiles()
  const first = await openSimulatedStore(simulation, { files, roots: ROOTS })
  await first.run(first.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
  await putSmall(first, 20)
  await first.close()
  const store = await openSimulatedStore(simulation, { files, roots: ROOTS })
  const bytes = createPrng(seed).bytes(size)
  const putting = store.engine.objects.put(request('slow'), slowBody(simulation, bytes))
  putting.catch(() => undefined)
  return { simulation, files, store, bytes, putting }
}

/** A tour of the scrub, which removes what nobody knows. */
const scrub = async ({ store: { run, pass, system } }: Story): Promise<FinishedTour> => {
  const scrubber = system.ref<ScrubberProtocol>(PATHS.scrubber)
  await run(scrubber.ask('begin', {}, { withinMs: MINUTE }))
  for (let i = 0; i < 20; i++) {
    await pass(MINUTE)
    const { state, last } = await run(scrubber.ask('status', {}, { withinMs: MINUTE }))
    if (state === 'idle' && last) return last
  }
  throw new Error('the tour does not end')
}

/** Objects of every kind come and go. */
const bustle = async ({ store }: Story): Promise<void> => {
  const { objects } = store.engine
  for (const size of [300 * KiB, 4 * MiB]) {
    for (let round = 0; round < 3; round++) {
      await store.run(objects.put(request(`${size}`), bodyOf(Buffer.alloc(size, `${round}`))))
    }
    await store.run(objects.delete(address(`${size}`)))
  }
  await putSmall(store, 2)
  await store.pass(MINUTE)
}

const segmentsOf = async (files: MemoryFiles): Promise<string[]> =>
  (await Promise.all(ROOTS.map((root) => filesBelow(files, `${root}/journal`))))
    .flat()
    .map(({ path }) => path)

const replaceDisk = async ({ files, store }: Story): Promise<void> => {
  await files.rename('/d2', '/lost')
  await files.makeDirectory('/d2')
  await store.pass(MINUTE)
  assert.ok(
    (await filesBelow(files, '/d2')).some(({ path }) => path.endsWith('disk.json')),
    'it was taken in',
  )
}

for (const [kind, size] of [
  ['packed', 200 * KiB],
  ['large', 7 * MiB],
] as const) {
  test(
    `history 28: in two hours nobody touches the shards of a PUT, ${kind}`,
    seeded(LIMIT_MS, async (_, seed) => {
      const story = await begin(seed, size)
      const { simulation, files, store, bytes, putting } = story
      const before = await segmentsOf(files)
      const tours: FinishedTour[] = []
      for (const waitMs of [10, 45, 10]) {
        await store.pass(waitMs * MINUTE)
        await bustle(story)
        tours.push(await scrub(story))
      }
      const findings = tours.map(({ findings: { missing, corrupt, orphans } }) => [missing, corrupt, orphans])
      assert.equal(findings, [
        [0, 0, 0],
        [0, 0, 0],
        [0, 0, 0],
      ])
      const after = new Set(await segmentsOf(files))
      assert.ok(
        [...before].some((path) => !after.has(path)),
        'segments were dropped',
      )
      await store.run(putting)
      await store.close()
      // All of its shards are there: any two disks may go.
      for (const [i, root] of ROOTS.entries()) {
        const other = ROOTS[(i + 1) % ROOTS.length]!
        for (const out of [root, other]) await files.rename(out, `/away${out.slice(1)}`)
        const again = await openSimulatedStore(simulation, { files, roots: ROOTS })
        const read = await again.run(readBytes(again.engine, address('slow')))
        assert.ok(Buffer.from(read).equals(bytes))
        await again.close()
        for (const out of [root, other]) await files.rename(`/away${out.slice(1)}`, out)
      }
    }),
  )

  for (const [when, afterMs] of [
    ['half-way', 30 * MINUTE],
    ['after its last byte', 90 * MINUTE],
  ] as const) {
    test(
      `history 28: a disk is replaced under a PUT, ${kind}, ${when}: it is told to come again`,
      seeded(LIMIT_MS, async (_, seed) => {
        const story = await begin(seed, size)
        const { store, bytes, putting } = story
        await store.pass(afterMs)
        await replaceDisk(story)
        const outcome = await store.run(putting.then(() => undefined, asMoraineError))
        assert.is(outcome?.kind, 'unavailable', String(outcome))
        await rejectsWith('NoSuchKey', () => store.run(store.engine.objects.head(address('slow'))))
        await store.run(store.engine.objects.put(request('slow'), bodyOf(bytes)))
        await store.pass(MINUTE)
        assert.ok(Buffer.from(await store.run(readBytes(store.engine, address('slow')))).equals(bytes))
        await store.close()
      }),
    )
  }
}

test.run()
