// A disk that is a hundred times slower than its peers, for reads alone: what clients wait for stays within three times of
// what they waited for before, whatever they read; when all disks are slow hedging does not add to their load; and
// a disk that has recovered is read from again. Nothing here is measured in real time.
import { KiB, MINUTE, MiB, SECOND } from '../../src/base/units.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { PacedFiles } from '../support/paced-files.ts'
import { roundsOf } from '../support/rounds.ts'
import {
  createSimulation,
  openSimulatedStore,
  type SimulatedStore,
  type Simulation,
} from '../support/simulated-store.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('a slow disk')
const LIMIT_MS = 120_000
const ROOTS = ['/d1', '/d2', '/d3', '/d4', '/d5', '/d6']
const OWNER = 'a'.repeat(64)
const SLOWNESS = 100
const GETS = 110

interface Kind {
  readonly name: string
  readonly size: number
  /** Small ones are kept in memory once they were read: there are enough that each is read once. */
  readonly objects: number
  readonly rangeBytes?: number
}
const KINDS: readonly Kind[] = [
  { name: 'copies', size: 20 * KiB, objects: 24 },
  { name: 'packed', size: 200 * KiB, objects: 24 },
  { name: 'range', size: 5 * MiB, objects: 3, rangeBytes: 150 * KiB },
  { name: 'inline', size: 5 * KiB, objects: 4 * GETS },
  { name: 'large', size: 5 * MiB, objects: 3 },
]

const contents = new Map<string, Buffer>()
const contentOf = ({ name, size }: Kind, object: number): Buffer => {
  const text = `${name} ${object} `
  const known = contents.get(text) ?? Buffer.alloc(size, text)
  contents.set(text, known)
  return known
}
const addressOf = ({ name }: Kind, object: number) => ({ bucket: 'bucket', key: `${name}-${object}` })

interface Story {
  readonly simulation: Simulation
  readonly paced: PacedFiles
  readonly store: SimulatedStore
  /** How long each of so many GETs took, sorted; each had the right bytes. */
  get(kind: Kind, count?: number): Promise<number[]>
  /** The p99 of as many, and the reads it took. */
  p99Of(kind: Kind): Promise<{ ms: number; readsOf: ReadonlyMap<string, number> }>
}

const begin = async (seed: number, kinds: readonly Kind[]): Promise<Story> => {
  const simulation = createSimulation(seed)
  const { clock, random } = simulation
  const paced = new PacedFiles(createMemoryFiles(), ROOTS, clock, random)
  const first = await openSimulatedStore(simulation, { files: paced.files, roots: ROOTS })
  await first.run(first.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
  for (const kind of kinds) {
    for (let object = 0; object < kind.objects; object++) {
      const request = { ...addressOf(kind, object), owner: OWNER, headers: [], metadata: [] }
      await first.run(first.engine.objects.put(request, bodyOf(contentOf(kind, object))))
    }
  }
  await first.close()
  // Another life of the store: nothing is in its memory.
  const store = await openSimulatedStore(simulation, { files: paced.files, roots: ROOTS })
  let turn = 0
  const getOne = async (kind: Kind): Promise<number> => {
    const { size, rangeBytes: length = size } = kind
    const object = turn++ % kind.objects
    const start = random.below(size - length + 1)
    const startedMs = clock.monotonicMs()
    const bytes = await readBytes(store.engine, addressOf(kind, object), { start, length })
    assert.ok(
      contentOf(kind, object)
        .subarray(start, start + length)
        .equals(bytes),
      `${kind.name} is right`,
    )
    return clock.monotonicMs() - startedMs
  }
  const get = async (kind: Kind, count = GETS): Promise<number[]> => {
    const tookMs: number[] = []
    // Two clients at a time.
    const client = async (): Promise<void> => {
      while (count-- > 0) tookMs.push(await getOne(kind))
    }
    await store.run(Promise.all([client(), client()]))
    return tookMs.sort((a, b) => a - b)
  }
  const p99Of: Story['p99Of'] = async (kind) => {
    paced.takeReads()
    const tookMs = await get(kind)
    return { ms: tookMs[Math.ceil(tookMs.length * 0.99) - 1]!, readsOf: paced.takeReads() }
  }
  return { simulation, paced, store, get, p99Of }
}

const sumOf = (reads: ReadonlyMap<string, number>): number =>
  [...reads.values()].reduce((sum, count) => sum + count, 0)

const end = async ({ simulation, store }: Story): Promise<void> => {
  await store.pass(MINUTE)
  assert.equal(simulation.arena.inUse(), { small: 0, large: 0 })
  await store.close()
}

for (const kind of KINDS.slice(0, roundsOf(3, KINDS.length))) {
  test(
    `${kind.name}: the p99 with one disk a hundred times slower stays within three times of normal`,
    seeded(LIMIT_MS, async (_, seed) => {
      const story = await begin(seed, [kind])
      const normal = await story.p99Of(kind)
      assert.ok(normal.ms > 0)
      const [[root] = ['']] = [...normal.readsOf].sort(([, a], [, b]) => b - a)
      story.paced.slowness.set(root, SLOWNESS)
      const slow = await story.p99Of(kind)
      assert.ok(slow.ms <= 3 * normal.ms, `${slow.ms} ms, normally ${normal.ms} ms`)
      await end(story)
    }),
  )
}

test(
  'with all disks slow hedges add a twentieth to the reads and what was saved up, and no more',
  seeded(LIMIT_MS, async (_, seed) => {
    const kinds = KINDS.filter(({ name }) => name === 'packed' || name === 'large')
    const story = await begin(seed, kinds)
    for (const kind of kinds) {
      await story.get(kind)
      const normal = await story.p99Of(kind)
      for (const root of ROOTS) story.paced.slowness.set(root, SLOWNESS)
      const slow = await story.p99Of(kind)
      const [reads, normally] = [sumOf(slow.readsOf), sumOf(normal.readsOf)]
      assert.ok(reads <= normally * 1.06 + 64, `${reads} reads, normally ${normally}`)
      story.paced.slowness.clear()
      await story.get(kind)
    }
    await end(story)
  }),
)

test(
  'a disk that has recovered is found to be quick by a read now and then, and is read from as before',
  seeded(LIMIT_MS, async (_, seed) => {
    const kind = KINDS.find(({ name }) => name === 'packed')!
    const story = await begin(seed, [kind])
    const { paced, get, store } = story
    const readsOfD2 = (): number => paced.takeReads().get('/d2') ?? 0
    await get(kind)
    paced.takeReads()
    await get(kind)
    const normally = readsOfD2()
    assert.ok(normally > GETS / 4)
    paced.slowness.set('/d2', SLOWNESS)
    await get(kind)
    paced.takeReads()
    await get(kind)
    assert.ok(readsOfD2() < normally / 4, 'it is passed over')
    for (let i = 0; i < 10; i++) {
      await store.pass(30 * SECOND)
      await get(kind, 24)
    }
    assert.ok(readsOfD2() < normally / 2, 'a try is one read')
    paced.slowness.clear()
    await store.pass(MINUTE)
    await get(kind, 24)
    paced.takeReads()
    await get(kind)
    assert.ok(readsOfD2() > normally / 2, 'it is used again')
    await end(story)
  }),
)

test.run()
