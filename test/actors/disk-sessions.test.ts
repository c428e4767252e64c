// What a start records of its disks, beside partitions that do not always answer.

import type { BucketProtocol } from '../../src/actors/bucket-protocol.ts'
import { createDiskSessions, type SeenDisk } from '../../src/actors/disk-sessions.ts'
import { unavailable } from '../../src/base/errors.ts'
import { FileError, type FileSystem } from '../../src/base/files.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { silentLog } from '../../src/base/log.ts'
import { SESSIONS_ENTRY } from '../../src/metadata/configuration.ts'
import type { ActorRef } from '../../src/runtime/actor.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { readSession, writeSession } from '../../src/storage/session-file.ts'
import { flipByte, readFile, writeFile } from '../support/disks.ts'
import { createLogLines } from '../support/log-lines.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('disk sessions')
const LIMIT_MS = 5_000

/** A partition with its entries; while it is `isShut` it answers nothing. */
const partitionWith = (entry: Record<string, number>) => {
  const entries = new Map<string, unknown>([[SESSIONS_ENTRY, entry]])
  const partition = {
    isShut: false,
    get entry() {
      return entries.get(SESSIONS_ENTRY)
    },
  }
  const ask = async (type: string, message: { name: string; value: unknown }): Promise<unknown> => {
    if (partition.isShut) throw unavailable('MAILBOX_FULL', 'busy')
    if (type === 'putConfig') entries.set(message.name, message.value)
    return type === 'config' ? entries.get(message.name) : undefined
  }
  return { partition, ref: { path: 'bucket', ask } as unknown as ActorRef<BucketProtocol> }
}

/** Disks 1, 2, … whose files say `sessions`. */
const disksWith = async (sessions: readonly number[]) => {
  const files = createMemoryFiles()
  const disks: SeenDisk[] = []
  for (const [slot, session] of sessions.entries()) {
    const root = `/d${slot}`
    const id = `${slot}`.repeat(32)
    await files.makeDirectory(root)
    await writeSession(files, root, id, session)
    disks.push({ slot, number: (slot + 1) as DiskNumber, id, root, opening: 1 })
  }
  const said = (): Promise<number[]> => Promise.all(disks.map(({ root, id }) => readSession(files, root, id)))
  return { files, disks, said }
}

test(
  'as long as no partition says what it knows nothing is judged and nothing is written',
  deadline(LIMIT_MS, async () => {
    const { files, disks, said } = await disksWith([9, 5, 9])
    const { partition, ref } = partitionWith({ 1: 9, 2: 9, 3: 9 })
    const sessions = createDiskSessions({ files, buckets: [ref], session: 10, log: silentLog })
    partition.isShut = true
    assert.is(await sessions.record(disks), undefined)
    assert.not.ok(await sessions.confirm(disks[1]!))
    assert.equal(await said(), [9, 5, 9])

    partition.isShut = false
    assert.equal((await sessions.record(disks))?.copies, [{ disk: disks[1], kind: 'older' }])
    assert.equal(await said(), [10, 5, 10])
    assert.equal(partition.entry, { 1: 10, 2: 9, 3: 10 })
    assert.ok(await sessions.confirm(disks[1]!))
    assert.equal(await said(), [10, 11, 10])
    assert.equal(partition.entry, { 1: 10, 2: 11, 3: 10 })
  }),
)

test(
  'a partition keeps what it knows more than the others, and is not told anything while it does not answer',
  deadline(LIMIT_MS, async () => {
    const { files, disks } = await disksWith([9, 9, 3])
    const behind = partitionWith({ 1: 8 })
    const ahead = partitionWith({ 1: 9, 2: 9, 3: 9 })
    const buckets = [behind.ref, ahead.ref]
    const sessions = createDiskSessions({ files, buckets, session: 10, log: silentLog })
    ahead.partition.isShut = true
    assert.equal((await sessions.record(disks.slice(0, 1)))?.copies, [])
    assert.equal(behind.partition.entry, { 1: 10 })
    assert.equal(ahead.partition.entry, { 1: 9, 2: 9, 3: 9 })

    ahead.partition.isShut = false
    assert.equal((await sessions.record(disks))?.copies, [{ disk: disks[2], kind: 'older' }])
    assert.equal(ahead.partition.entry, { 1: 9, 2: 10, 3: 9 })
  }),
)

test(
  'a disk that is known in this session and comes back as an older copy is found, and confirmed on the disk too',
  deadline(LIMIT_MS, async () => {
    const { files, disks, said } = await disksWith([9, 9])
    const { ref } = partitionWith({ 1: 9, 2: 9 })
    const sessions = createDiskSessions({ files, buckets: [ref], session: 10, log: silentLog })
    assert.equal((await sessions.record(disks))?.copies, [])
    await writeSession(files, disks[0]!.root, disks[0]!.id, 9)
    assert.equal((await sessions.record(disks.slice(0, 1)))?.copies, [{ disk: disks[0], kind: 'older' }])
    assert.ok(await sessions.confirm(disks[0]!))
    assert.equal(await said(), [11, 10])
    assert.equal((await sessions.record(disks))?.copies, [])
  }),
)

/** What `cp -a` makes of a disk: the same bytes in files of its own. */
const copyFile = async (files: FileSystem, { root }: SeenDisk): Promise<void> => {
  const bytes = await readFile(files, `${root}/session`)
  await files.remove(`${root}/session`)
  await writeFile(files, `${root}/session`, bytes)
}

test(
  'a copy that says the same session is found, in the same process and at the next start, and confirmed',
  deadline(LIMIT_MS, async () => {
    const { files, disks } = await disksWith([9, 9])
    const { ref } = partitionWith({ 1: 9, 2: 9 })
    const { log, of } = createLogLines()
    const start = (session: number) => createDiskSessions({ files, buckets: [ref], session, log })
    const first = start(10)
    assert.equal((await first.record(disks))?.copies, [])
    await copyFile(files, disks[0]!)
    const found = [{ disk: disks[0], kind: 'copy' }]
    for (let i = 0; i < 2; i++) assert.equal((await first.record(disks))?.copies, found)
    const second = start(11)
    assert.equal((await second.record(disks))?.copies, found)
    assert.ok(await second.confirm(disks[0]!))
    assert.equal((await second.record(disks))?.copies, [])
    assert.equal((await start(12).record(disks))?.copies, [])
    assert.equal(
      of('disk-copied').map(({ level, fields }) => [level, fields]),
      Array(2).fill(['warn', { slot: 0, disk: 1, root: '/d0', session: 10 }]),
    )
  }),
)

test(
  'where the file system does not say when a file was made no copy is told by it',
  deadline(LIMIT_MS, async () => {
    const { files: memory, disks } = await disksWith([9])
    const files: FileSystem = {
      ...memory,
      stat: async (path) => {
        const stat = await memory.stat(path)
        return stat && { ...stat, bornMs: 0 }
      },
    }
    const { ref } = partitionWith({ 1: 9 })
    const sessions = createDiskSessions({ files, buckets: [ref], session: 10, log: silentLog })
    for (let i = 0; i < 2; i++) {
      assert.equal((await sessions.record(disks))?.copies, [])
      await copyFile(files, disks[0]!)
    }
  }),
)

test(
  'a disk that is opened anew gets a number that no earlier copy of it has, and only then',
  deadline(LIMIT_MS, async () => {
    const { files, disks, said } = await disksWith([9, 9, 9])
    const { partition, ref } = partitionWith({ 1: 9, 2: 9, 3: 9 })
    const sessions = createDiskSessions({ files, buckets: [ref], session: 10, log: silentLog })
    const again = async (slot: number, opening: number) =>
      (await sessions.record([{ ...disks[slot]!, opening }]))?.copies
    for (let i = 0; i < 2; i++) assert.equal((await sessions.record(disks))?.copies, [])
    assert.equal(await said(), [10, 10, 10])
    assert.equal(await again(0, 2), [])
    assert.equal(await said(), [11, 10, 10])
    // All of them were away: each is written to once.
    for (const slot of [0, 1, 2]) assert.equal(await again(slot, 3), [])
    assert.equal(await said(), [12, 12, 12])
    assert.equal(partition.entry, { 1: 12, 2: 12, 3: 12 })

    // One that is put back as a whole, with the file that was written then.
    await writeSession(files, disks[1]!.root, disks[1]!.id, 11)
    assert.equal(await again(1, 4), [{ disk: { ...disks[1]!, opening: 4 }, kind: 'older' }])
  }),
)

test(
  'a file of a session that is damaged is told as such, and its disk is looked over',
  deadline(LIMIT_MS, async () => {
    const { files, disks } = await disksWith([9, 9])
    const { ref } = partitionWith({ 1: 9, 2: 9 })
    await flipByte(files, `${disks[1]!.root}/session`, 25)
    const { log, of } = createLogLines()
    const sessions = createDiskSessions({ files, buckets: [ref], session: 10, log })
    const found = [{ disk: disks[1], kind: 'older' }]
    for (let i = 0; i < 2; i++) assert.equal((await sessions.record(disks))?.copies, found)
    assert.is(of('disk-rolled-back').length, 1)
    assert.equal(
      of('session-damaged').map(({ level, fields }) => [level, fields]),
      [['warn', { slot: 1, disk: 2, root: '/d1' }]],
    )
  }),
)

test(
  'a disk that cannot be written to holds up no other, and is recorded when it can',
  deadline(LIMIT_MS, async () => {
    const { files: memory, disks, said } = await disksWith([9, 9])
    let isFull = true
    let fail = (): void => undefined
    const files: FileSystem = {
      ...memory,
      async open(path, mode) {
        if (!isFull || !path.startsWith('/d0') || mode !== 'create') return memory.open(path, mode)
        // Like one that hangs before it says what is wrong.
        await new Promise<void>((resolve) => {
          fail = resolve
        })
        throw new FileError('open', path, 'ENOSPC')
      },
    }
    const { partition, ref } = partitionWith({ 1: 9, 2: 9 })
    const sessions = createDiskSessions({ files, buckets: [ref], session: 10, log: silentLog })
    const recording = sessions.record(disks)
    while ((partition.entry as Record<number, number>)[2] !== 10) await new Promise(setImmediate)
    fail()
    assert.equal(await recording, { copies: [], isWhole: false })
    assert.equal(await said(), [9, 10])
    isFull = false
    assert.equal(await sessions.record(disks), { copies: [], isWhole: true })
    assert.equal(partition.entry, { 1: 10, 2: 10 })
  }),
)

test.run()
