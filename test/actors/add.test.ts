// Disks are added while the store runs: what is written from then on uses them, nothing else changes, and a start that is not given
// them says so.
import { Buffer } from 'node:buffer'
import type { AddAnswer } from '../../src/actors/adding.ts'
import type { Redundancy } from '../../src/actors/inspector.ts'
import type { KeeperProtocol } from '../../src/actors/keeper.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import { HOUR, KiB, MiB, SECOND } from '../../src/base/units.ts'
import { createMemoryFiles, type MemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { redundancyOf } from '../support/crashed-store.ts'
import { writeFile } from '../support/disks.ts'
import { createLogLines } from '../support/log-lines.ts'
import { createSimulation, openSimulatedStore, type SimulatedStore } from '../support/simulated-store.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('add')
const LIMIT_MS = 120_000
const OWNER = 'a'.repeat(64)
const LIMIT = { withinMs: HOUR }
const SIZES = [100, 20 * KiB, MiB + 1]
const ROOTS = ['/d1', '/d2', '/d3', '/d4', '/d5', '/d6']
const bytesOf = (key: string, size: number): Buffer => Buffer.alloc(size, `${key}/${size} moraine `)

interface Stage {
  readonly files: MemoryFiles
  store: SimulatedStore
}

const putAll = async ({ store: { run, engine } }: Stage, name: string): Promise<number[]> => {
  const widths: number[] = []
  for (const size of SIZES) {
    const key = `${name}-${size}`
    const request = { bucket: 'bucket', key, owner: OWNER, headers: [], metadata: [] }
    const { data } = await run(engine.objects.put(request, bodyOf(bytesOf(name, size))))
    if (data.kind === 'shards') widths.push(data.places.length)
  }
  return widths
}
const checkAll = async ({ store: { run, engine } }: Stage, names: readonly string[]): Promise<void> => {
  for (const name of names) {
    for (const size of SIZES) {
      const read = await run(readBytes(engine, { bucket: 'bucket', key: `${name}-${size}` }))
      assert.ok(Buffer.compare(read, bytesOf(name, size)) === 0, `${name}-${size}`)
    }
  }
}
const add = ({ store: { run, system } }: Stage, ...directories: string[]): Promise<AddAnswer> =>
  run(system.ref<KeeperProtocol>(PATHS.keeper).ask('add', { directories }, LIMIT))
const redundancy = ({ store }: Stage): Promise<Redundancy> => redundancyOf(store)
const refusedWith = async (stage: Stage, directory: string, what: RegExp): Promise<void> => {
  const answer = await add(stage, directory)
  assert.match(answer.kind === 'refused' ? answer.message : answer.kind, what)
}

test(
  'disks are added, used by what is written then, and found by a start that is given them',
  seeded(LIMIT_MS, async (_, seed) => {
    const simulation = createSimulation(seed)
    const files = createMemoryFiles()
    const { log, of } = createLogLines()
    const open = (roots: readonly string[]): Promise<SimulatedStore> =>
      openSimulatedStore(simulation, { files, roots, partitions: 2, spareSlots: 2, log })
    const stage: Stage = { files, store: await open(ROOTS) }
    await stage.store.run(stage.store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
    assert.is(Math.max(...(await putAll(stage, 'first'))), 6)

    await refusedWith(stage, '/d7', /\/d7 does not exist/)
    await refusedWith(stage, '/d2', /\/d2 is disk 2 of this store already/)
    await refusedWith(stage, 'd7', /no absolute path/)
    await files.makeDirectory('/d7')
    await writeFile(files, '/d7/mine.txt', new Uint8Array(3))
    await refusedWith(stage, '/d7', /not empty: it holds mine\.txt/)
    await files.remove('/d7/mine.txt')
    const answer = await add(stage, '/d7')
    assert.ok(answer.kind === 'added' && answer.size === 7, JSON.stringify(answer))
    assert.equal(answer.kind === 'added' && answer.directories, [...ROOTS, '/d7'])
    await stage.store.pass(5 * SECOND)
    const now = await redundancy(stage)
    assert.equal(
      now.disks.map(({ state }) => state),
      Array.from({ length: 7 }, () => 'present'),
    )
    assert.equal(now.waiting, { shards: 0, bytes: 0 })
    assert.is(Math.max(...(await putAll(stage, 'second'))), 7)
    await checkAll(stage, ['first', 'second'])
    await files.makeDirectory('/d8')
    assert.is((await add(stage, '/d8')).kind, 'added')
    await files.makeDirectory('/d9')
    await refusedWith(stage, '/d9', /1 disks cannot be added now: 0 more/)
    await stage.store.pass(5 * SECOND)
    assert.is(Math.max(...(await putAll(stage, 'third'))), 8)
    // Any two may go, new ones among them, and come back.
    for (const root of ['/d1', '/d7']) await files.rename(root, `/away${root.slice(1)}`)
    await stage.store.pass(10 * SECOND)
    await checkAll(stage, ['first', 'second', 'third'])
    for (const root of ['/d1', '/d7']) await files.rename(`/away${root.slice(1)}`, root)
    await stage.store.pass(10 * SECOND)
    assert.ok((await redundancy(stage)).disks.every(({ state }) => state === 'present'))
    await stage.store.close()

    // The old list, of which two are missing now.
    stage.store = await open(ROOTS)
    const message = String(of('disks.missing')[0]?.fields['message'])
    assert.match(message, /disk 7 was added as \/d7, and that directory is not among those that were given/)
    const { disks } = await redundancy(stage)
    assert.match(disks[7]?.message ?? '', /disk 8 was added as \/d8/)
    await checkAll(stage, ['first', 'second', 'third'])
    // What it says of the next start has those that were added earlier as well.
    const third = await add(stage, '/d9')
    assert.equal(third.kind === 'added' && third.directories, [...ROOTS, '/d9', '/d7', '/d8'])
    await stage.store.close()
    stage.store = await open([...ROOTS, '/d7', '/d8', '/d9'])
    await stage.store.pass(10 * SECOND)
    assert.ok((await redundancy(stage)).disks.every(({ state }) => state === 'present'))
    await checkAll(stage, ['first', 'second', 'third'])
    await stage.store.close()
  }),
)

test(
  'what a drain freed can be added again, and one that was added can be drained',
  seeded(LIMIT_MS, async (_, seed) => {
    const files = createMemoryFiles()
    const options = { files, roots: ROOTS, partitions: 1, spareSlots: 1 }
    const stage: Stage = { files, store: await openSimulatedStore(createSimulation(seed), options) }
    const { run, system } = stage.store
    await run(stage.store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
    await files.makeDirectory('/d7')
    assert.is((await add(stage, '/d7')).kind, 'added')
    await stage.store.pass(5 * SECOND)
    await putAll(stage, 'first')
    for (const [directory, left] of [
      ['/d7', 6],
      ['/d3', 5],
    ] as const) {
      const answer = await run(system.ref<KeeperProtocol>(PATHS.keeper).ask('drain', { directory }, LIMIT))
      assert.is(answer.kind, 'begun')
      for (let i = 0; i < 60 && (await redundancy(stage)).disks.length > left; i++) {
        await stage.store.pass(5 * SECOND)
      }
      assert.is((await redundancy(stage)).disks.length, left)
    }
    await refusedWith(stage, '/d3', /\/d3 holds what was a disk of this store, number 3: empty it first/)
    files.removeTree('/d3')
    await files.makeDirectory('/d3')
    assert.is((await add(stage, '/d3')).kind, 'added')
    await stage.store.pass(10 * SECOND)
    assert.ok((await redundancy(stage)).disks.every(({ state }) => state === 'present'))
    await putAll(stage, 'second')
    await checkAll(stage, ['first', 'second'])
    await stage.store.close()
  }),
)

test.run()
