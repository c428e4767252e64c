// A disk is opened only where its directory is locked: one that comes back while the store runs as well as one of the start.
import type { InspectorProtocol } from '../../src/actors/inspector.ts'
import { attachRoster } from '../../src/actors/roster.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import { fault } from '../../src/base/errors.ts'
import { MiB } from '../../src/base/units.ts'
import type { System } from '../../src/runtime/system.ts'
import { factsOf } from '../../src/server.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { noLock, type TakeLock } from '../../src/storage/lock.ts'
import { createProbeArena, openEngine } from '../support/engine-probe.ts'
import { createLogLines } from '../support/log-lines.ts'
import { eventually } from '../support/memory-tree.ts'
import { diskRoots, listTree, startTestStore } from '../support/stores.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('slot claims')
const LIMIT_MS = 90_000
const PATIENCE_MS = 40_000

test(
  'a disk that is in use elsewhere when it comes back is not touched, and taken in once it is free',
  deadline(LIMIT_MS, async () => {
    const files = createMemoryFiles()
    const roots = diskRoots(4)
    const locked: string[] = []
    let isHeldElsewhere = false
    const takeLock: TakeLock = (root) => {
      if (isHeldElsewhere)
        return Promise.reject(fault('STORE_IN_USE', `${root} is in use by another Moraine`))
      locked.push(root)
      return noLock(root)
    }
    const open = () =>
      openEngine({ files, roots, arena: createProbeArena(64 * MiB), partitions: 1, takeLock })
    await (await open()).system.close()
    await files.rename('/d2', '/away')
    locked.splice(0)
    const { system } = await open()
    assert.equal(locked, ['/d1', '/d3', '/d4'])
    const second = async () => {
      const inspector = system.ref<InspectorProtocol>(PATHS.inspector)
      return (await inspector.ask('redundancy', {}, { withinMs: 10_000 })).disks[1]
    }
    const { position, directory, state } = (await second())!
    assert.equal([position, directory, state], [2, '/d2', 'out'])

    isHeldElsewhere = true
    const before = await listTree(files, '/away')
    await files.rename('/away', '/d2')
    const message = '/d2 is in use by another Moraine: its disk is out'
    await eventually('it is said that it is in use', PATIENCE_MS, async () => {
      return (await second())?.message === message
    })
    assert.equal(Object.values(await listTree(files, '/d2')), Object.values(before))
    isHeldElsewhere = false
    await eventually('it is back', PATIENCE_MS, async () => (await second())?.state === 'present')
    assert.equal(locked, ['/d1', '/d3', '/d4', '/d2'])
    await system.close()
  }),
)

const redundancyOf = (system: System) =>
  system.ref<InspectorProtocol>(PATHS.inspector).ask('redundancy', {}, { withinMs: 10_000 })

test(
  'disks that changed places are gone once, found once, and locked where they are',
  deadline(LIMIT_MS, async () => {
    const files = createMemoryFiles()
    const roots = diskRoots(6)
    const { log, of } = createLogLines()
    const locked: string[] = []
    const takeLock: TakeLock = (root) => {
      locked.push(root)
      return noLock(root)
    }
    const { system } = await openEngine({
      ...{ files, roots, arena: createProbeArena(64 * MiB), partitions: 1, takeLock, log },
    })
    locked.splice(0)
    await files.rename('/d1', '/aside')
    await files.rename('/d2', '/d1')
    await files.rename('/aside', '/d2')
    await eventually('they are found', PATIENCE_MS, () => of('disk-found').length === 2)
    await eventually('they are in use', PATIENCE_MS, async () => {
      const { disks } = await redundancyOf(system)
      const places = disks.map(({ position, directory, state }) => `${position} ${directory} ${state}`)
      return places.join().startsWith('1 /d2 present,2 /d1 present,3 /d3 present')
    })
    await system.close()
    assert.equal([...locked].sort(), ['/d1', '/d2'])
    assert.is(of('disk-gone').length, 2)
    assert.equal(of('actor failed'), [])
  }),
)

test(
  'of more disks than the store can do without it is said why each is out',
  deadline(LIMIT_MS, async () => {
    const files = createMemoryFiles()
    const roots = diskRoots(6)
    const { system } = await openEngine({ files, roots, arena: createProbeArena(64 * MiB), partitions: 1 })
    for (const number of [1, 2, 3]) await files.rename(`/d${number}`, `/away${number}`)
    await files.makeDirectory('/d3')
    const causes = [
      '/d1 does not exist: its disk is out',
      '/d2 does not exist: its disk is out',
      '/d3 is empty, and too few disks of this store are present to take in another',
    ]
    await eventually('it is said', PATIENCE_MS, async () => {
      const { disks } = await redundancyOf(system)
      return causes.every((cause, slot) => disks[slot]?.message === cause)
    })
    await system.close()
  }),
)

test(
  'a disk that is missing is looked for where it was, unless another disk is there now',
  deadline(LIMIT_MS, async () => {
    const files = createMemoryFiles()
    const roots = diskRoots(6)
    await startTestStore(files, roots)
    for (const number of [3, 4]) await files.rename(`/d${number}`, `/away${number}`)
    await files.rename('/d1', '/d4')
    const started = await startTestStore(files, roots)
    const facts = await factsOf({ disks: roots, region: 'us-east-1' }, started, files)
    const numbers = attachRoster(facts.roster)
      .rows()
      .map(({ number }) => number)
    assert.equal(numbers as number[], [4, 2, 3, 1, 5, 6])
  }),
)

test.run()
