// What a start records of its disks, beside partitions that do not always answer.

import type { BucketProtocol } from '../../src/actors/bucket-protocol.ts'
import { createDiskSessions, type SeenDisk } from '../../src/actors/disk-sessions.ts'
import { unavailable } from '../../src/base/errors.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { silentLog } from '../../src/base/log.ts'
import type { ActorRef } from '../../src/runtime/actor.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { readSession, writeSession } from '../../src/storage/session-file.ts'
import { flipByte } from '../support/disks.ts'
import { createLogLines } from '../support/log-lines.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('disk sessions')
const LIMIT_MS = 5_000

/** A partition with its entry; while it is `isShut` it answers nothing. */
const partitionWith = (entry: Record<string, number>) => {
  const partition = { entry, isShut: false, path: 'bucket' }
  const ask = async (type: string, message: { value: Record<string, number> }): Promise<unknown> => {
    if (partition.isShut) throw unavailable('MAILBOX_FULL', 'busy')
    if (type === 'putConfig') partition.entry = message.value
    return type === 'config' ? partition.entry : undefined
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
    disks.push({ slot, number: (slot + 1) as DiskNumber, id, root })
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
    assert.equal(await sessions.record(disks), [disks[1]])
    assert.equal(await said(), [10, 5, 10])
    assert.equal(partition.entry, { 1: 10, 2: 9, 3: 10 })
    assert.ok(await sessions.confirm(disks[1]!))
    assert.equal(await said(), [10, 10, 10])
    assert.equal(partition.entry, { 1: 10, 2: 10, 3: 10 })
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
    assert.equal(await sessions.record(disks.slice(0, 1)), [])
    assert.equal(behind.partition.entry, { 1: 10 })
    assert.equal(ahead.partition.entry, { 1: 9, 2: 9, 3: 9 })

    ahead.partition.isShut = false
    assert.equal(await sessions.record(disks), [disks[2]])
    assert.equal(ahead.partition.entry, { 1: 9, 2: 10, 3: 9 })
  }),
)

test(
  'a disk that is known in this session and comes back as an older copy is found, and confirmed on the disk too',
  deadline(LIMIT_MS, async () => {
    const { files, disks, said } = await disksWith([9, 9])
    const { ref } = partitionWith({ 1: 9, 2: 9 })
    const sessions = createDiskSessions({ files, buckets: [ref], session: 10, log: silentLog })
    assert.equal(await sessions.record(disks), [])
    await writeSession(files, disks[0]!.root, disks[0]!.id, 9)
    assert.equal(await sessions.record(disks.slice(0, 1)), [disks[0]])
    assert.ok(await sessions.confirm(disks[0]!))
    assert.equal(await said(), [10, 10])
    assert.equal(await sessions.record(disks), [])
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
    for (let i = 0; i < 2; i++) assert.equal(await sessions.record(disks), [disks[1]])
    assert.is(of('disk-rolled-back').length, 1)
    assert.equal(
      of('session-damaged').map(({ level, fields }) => [level, fields]),
      [['warn', { slot: 1, disk: 2, root: '/d1' }]],
    )
  }),
)

test.run()
