// A disk that was replaced by an older copy of itself, while the store was stopped or ran: what it lacks is found at the start, not by
// readers, redundancy is not full until it is there again, and no volume's number is given twice.
import { Buffer } from 'node:buffer'
import type { InspectorProtocol, Redundancy } from '../../src/actors/inspector.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import type { FileSystem } from '../../src/base/files.ts'
import { type Log, silentLog } from '../../src/base/log.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import type { ShardPlace } from '../../src/metadata/records.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { readFile, writeFile } from '../support/disks.ts'
import { openProbedStore, type ProbedStore } from '../support/engine-probe.ts'
import { createLogLines } from '../support/log-lines.ts'
import { emptyTree, eventually } from '../support/memory-tree.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('a disk rolled back')
const LIMIT_MS = 60_000
const OWNER = 'a'.repeat(64)
const SIZES = [100, 20 * KiB, 300 * KiB, 9 * MiB]
const ROLLED = 1
const address = (key: string) => ({ bucket: 'bucket', key })
const bytesOf = (key: string, size: number): Buffer => Buffer.alloc(size, `${key}/${size} moraine `)

const putAll = async ({ engine }: ProbedStore, name: string): Promise<ShardPlace[]> => {
  const places: ShardPlace[] = []
  for (const size of SIZES) {
    const key = `${name}-${size}`
    const request = { ...address(key), owner: OWNER, headers: [], metadata: [] }
    const { data } = await engine.objects.put(request, bodyOf(bytesOf(key, size)))
    if (data.kind === 'shards') places.push(...data.places)
  }
  return places
}
const checkAll = async ({ engine }: ProbedStore, names: readonly string[]): Promise<void> => {
  for (const name of names) {
    for (const size of SIZES) {
      const key = `${name}-${size}`
      const read = await readBytes(engine, address(key))
      assert.ok(Buffer.compare(read, bytesOf(key, size)) === 0, key)
    }
  }
}
const redundancy = ({ system }: ProbedStore): Promise<Redundancy> =>
  system.ref<InspectorProtocol>(PATHS.inspector).ask('redundancy', {}, { withinMs: 10_000 })

const copyTree = async (files: FileSystem, from: string, to: string): Promise<void> => {
  for (const name of await files.list(from)) {
    const [source, target] = [`${from}/${name}`, `${to}/${name}`]
    if ((await files.stat(source))?.kind === 'directory') {
      await files.makeDirectory(target)
      await copyTree(files, source, target)
    } else await writeFile(files, target, await readFile(files, source))
  }
}
/** Volumes of the disk that was rolled back. */
const volumesOf = (places: readonly ShardPlace[]): number[] =>
  places.flatMap(({ disk, volume }) => (disk === ROLLED + 1 && volume !== undefined ? [volume] : []))

/** Two runs of a store, with a copy of one disk from between them; stopped. */
const prepare = async () => {
  const first = await openProbedStore()
  await first.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
  await putAll(first, 'first')
  await first.close()
  const { files, roots } = first
  await files.makeDirectory('/copy')
  await copyTree(files, roots[ROLLED]!, '/copy')
  const second = await openProbedStore(files)
  const places = await putAll(second, 'second')
  assert.equal((await redundancy(second)).waiting, { shards: 0, bytes: 0 })
  await second.close()
  return { files, roots, places }
}
const rollBack = async (files: FileSystem, root: string): Promise<void> => {
  await emptyTree(files, root)
  await copyTree(files, '/copy', root)
}

test(
  'what an older copy lacks is made anew before two other disks are lost',
  deadline(LIMIT_MS, async () => {
    const { files, roots, places } = await prepare()
    await rollBack(files, roots[ROLLED]!)
    const store = await openProbedStore(files)
    const { waiting, disks } = await redundancy(store)
    assert.ok(waiting.shards > 0, 'it is known from the start')
    assert.match(disks[ROLLED]!.message ?? '', 'holds an older copy')
    const fresh = await putAll(store, 'third')
    assert.ok(Math.min(...volumesOf(fresh)) > Math.max(...volumesOf(places)), 'no number is given twice')
    await eventually('full redundancy', LIMIT_MS / 2, async () => {
      const now = await redundancy(store)
      return now.waiting.shards === 0 && now.disks.every(({ message }) => message === undefined)
    })
    await store.close()
    for (const slot of [3, 4]) await files.rename(roots[slot]!, `/away-${slot}`)
    const poor = await openProbedStore(files)
    await checkAll(poor, ['first', 'second', 'third'])
    await poor.close()
  }),
)

test(
  'an end in the middle is a new beginning, and what was looked over is not looked over again',
  deadline(LIMIT_MS, async () => {
    const { files, roots } = await prepare()
    await rollBack(files, roots[ROLLED]!)
    const isSuspect = async (store: ProbedStore): Promise<boolean> =>
      (await redundancy(store)).disks[ROLLED]!.message !== undefined
    // Two of the others are out, so nothing can be made anew in this run.
    const away = [3, 4].map((slot) => [roots[slot]!, `/away-${slot}`] as const)
    for (const [root, there] of away) await files.rename(root, there)
    const short = await openProbedStore(files)
    assert.ok(await isSuspect(short))
    await short.close()
    for (const [root, there] of away) await files.rename(there, root)
    const long = await openProbedStore(files)
    assert.ok(await isSuspect(long))
    await eventually('the disk is looked over', LIMIT_MS / 2, async () => !(await isSuspect(long)))
    await long.close()
    const last = await openProbedStore(files)
    assert.not.ok(await isSuspect(last))
    assert.equal((await redundancy(last)).waiting, { shards: 0, bytes: 0 })
    await checkAll(last, ['first', 'second'])
    await last.close()
  }),
)

test(
  'a start that can serve nothing says of no disk that it is current',
  deadline(LIMIT_MS, async () => {
    const { files, roots } = await prepare()
    await rollBack(files, roots[ROLLED]!)
    // Without both of these the newest segment has no copy, and the only partition is not served.
    const away = [0, 2].map((slot) => [roots[slot]!, `/away-${slot}`] as const)
    for (const [root, there] of away) await files.rename(root, there)
    const shut = await openProbedStore(files)
    await shut.close()
    for (const [root, there] of away) await files.rename(there, root)

    const store = await openProbedStore(files)
    assert.match((await redundancy(store)).disks[ROLLED]!.message ?? '', 'holds an older copy')
    await store.close()
  }),
)

test(
  'an older copy that comes back while the store runs is given no number of a volume again',
  deadline(LIMIT_MS, async () => {
    const { files, roots } = await prepare()
    const store = await openProbedStore(files)
    const places = await putAll(store, 'third')
    await files.rename(roots[ROLLED]!, '/gone')
    await eventually(
      'the disk is out',
      LIMIT_MS / 4,
      async () => (await redundancy(store)).disks[ROLLED]!.state === 'out',
    )
    await files.makeDirectory('/fresh')
    await copyTree(files, '/copy', '/fresh')
    await files.rename('/fresh', roots[ROLLED]!)
    await eventually('full redundancy', LIMIT_MS / 2, async () => {
      const { waiting, disks } = await redundancy(store)
      const isPresent = disks.every(({ state, message }) => state === 'present' && message === undefined)
      return isPresent && waiting.shards === 0
    })
    const used = Math.max(...volumesOf(places))
    assert.not((await files.list(`${roots[ROLLED]}/volumes`)).includes(`${used}.vol`))
    await store.close()

    const next = await openProbedStore(files)
    assert.is((await redundancy(next)).disks[ROLLED]!.message, undefined, 'it is not looked over again')
    await putAll(next, 'fourth')
    await next.close()
    for (const slot of [3, 4]) await files.rename(roots[slot]!, `/away-${slot}`)
    const poor = await openProbedStore(files)
    await checkAll(poor, ['first', 'second', 'third', 'fourth'])
    await poor.close()
  }),
)

const removeAll = async ({ engine }: ProbedStore, name: string): Promise<void> => {
  for (const size of SIZES) await engine.objects.delete(address(`${name}-${size}`))
}
const checkAllGone = async ({ engine }: ProbedStore, name: string): Promise<void> => {
  for (const size of SIZES)
    await rejectsWith('NoSuchKey', () => engine.objects.head(address(`${name}-${size}`)))
}
/** A store with a copy of one disk that was made while it ran; something was written and something deleted since. */
const prepareRunning = async (log: Log) => {
  const store = await openProbedStore(createMemoryFiles(), 6, undefined, log)
  const { files, roots } = store
  await store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
  await putAll(store, 'first')
  await files.makeDirectory('/copy')
  await copyTree(files, roots[ROLLED]!, '/copy')
  await putAll(store, 'second')
  await removeAll(store, 'first')
  return { store, files, root: roots[ROLLED]! }
}
const checkMended = async (store: ProbedStore): Promise<void> => {
  await eventually('full redundancy', LIMIT_MS / 2, async () => {
    const { waiting, disks } = await redundancy(store)
    const isPresent = disks.every(({ state, message }) => state === 'present' && message === undefined)
    return isPresent && waiting.shards === 0
  })
  await store.close()
  const { files, roots } = store
  for (const slot of [3, 4]) await files.rename(roots[slot]!, `/away-${slot}`)
  const poor = await openProbedStore(files)
  await checkAll(poor, ['second', 'third'])
  await checkAllGone(poor, 'first')
  await poor.close()
}

test(
  'a copy that was made while the store runs is looked over when it takes the place of the disk, before two others are lost',
  deadline(LIMIT_MS, async () => {
    const { log, of } = createLogLines()
    const { store, files, root } = await prepareRunning(log)
    await files.rename(root, '/gone')
    await eventually(
      'the disk is out',
      LIMIT_MS / 4,
      async () => (await redundancy(store)).disks[ROLLED]!.state === 'out',
    )
    await putAll(store, 'third')
    await files.rename('/copy', root)
    await eventually('the copy is told', LIMIT_MS / 4, () => of('disk-copied').length === 1)
    await checkAll(store, ['second', 'third'])
    await checkAllGone(store, 'first')
    await eventually('it was looked over', LIMIT_MS / 2, () => of('disk-verified').length === 1)
    await checkMended(store)
  }),
)

test(
  'a copy that was made while the store ran is looked over at the next start',
  deadline(LIMIT_MS, async () => {
    const { store, files, root } = await prepareRunning(silentLog)
    await putAll(store, 'third')
    await store.close()
    await files.rename(root, '/gone')
    await files.rename('/copy', root)
    const next = await openProbedStore(files)
    const { waiting, disks } = await redundancy(next)
    assert.ok(waiting.shards > 0, 'it is known from the start')
    assert.match(disks[ROLLED]!.message ?? '', 'holds a copy')
    await checkMended(next)
  }),
)

test(
  'a disk that was away and comes back as it went is taken for itself',
  deadline(LIMIT_MS, async () => {
    const { log, of } = createLogLines()
    const { store, files, root } = await prepareRunning(log)
    for (let i = 0; i < 2; i++) {
      await files.rename(root, '/gone')
      await eventually('it is out', LIMIT_MS / 4, async () => {
        return (await redundancy(store)).disks[ROLLED]!.state === 'out'
      })
      await files.rename('/gone', root)
      await eventually('it is back', LIMIT_MS / 4, async () => {
        return (await redundancy(store)).disks[ROLLED]!.state === 'present'
      })
    }
    await putAll(store, 'third')
    assert.equal([of('disk-copied'), of('disk-rolled-back')], [[], []])
    await checkMended(store)
  }),
)

test.run()
