// `moraine verify` against real damage: each kind is found, and named with its disk, its file and its place.
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { unavailable } from '../../src/base/errors.ts'
import { createStore } from '../../src/index.ts'
import { formatFinding } from '../../src/offline/findings.ts'
import { formatSummary, verifyStore } from '../../src/offline/verify.ts'
import { decodeIdentity, encodeIdentity } from '../../src/storage/identity-file.ts'
import { emptyDirectory, flipByte, snapshotOf } from '../support/disk-damage.ts'
import { copyStoppedStore, OBJECTS, PARTS, type StoppedStore } from '../support/offline-stores.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'
import { dataOf, finds, shardsOf, verify } from '../support/verifying.ts'

const test = suite('verify')
const LIMIT_MS = 60_000
let store: StoppedStore

test.before.each(async () => {
  store = await copyStoppedStore()
})
test.after.each(() => rmSync(store.parent, { recursive: true, force: true }))

test(
  'a whole store is whole, and not a byte of it is touched',
  deadline(LIMIT_MS, async () => {
    const before = snapshotOf(store.parent)
    const { findings, summary } = await verify(store.disks)
    assert.equal(findings, [])
    const { storeId, bytes, ...rest } = summary
    const numbers = { lost: 0, damaged: 0, notes: 0, orphans: { count: 0, bytes: 0 } }
    assert.equal(rest, { result: 'whole', objects: 5, ...numbers })
    assert.match(storeId, /^[0-9a-f]{32}$/)
    // Half as much again as there are bytes that are cut into 4 and 2.
    assert.ok(bytes > 1.5 * (OBJECTS['a/large'].length + OBJECTS.packed.length + PARTS[0]!.length))
    assert.match(formatSummary(summary), /^everything is whole: 5 objects/)
    assert.equal(snapshotOf(store.parent), before)
  }),
)

test(
  'a store that runs is not verified, one that is not there neither',
  deadline(LIMIT_MS, async () => {
    const running = await createStore({ disks: store.disks })
    const { message } = await rejectsWith('STORE_IN_USE', () => verify(store.disks))
    assert.match(message, /is in use by another Moraine/)
    await running.close()
    await finds(store.disks, 'whole')
    const elsewhere = ['x', 'y', 'z'].map((name) => join(store.parent, name))
    await rejectsWith('DISK_FORMAT', () => verifyStore(elsewhere, { onFinding: () => undefined }))
  }),
)

test(
  'a store that runs cannot be started while it is verified',
  deadline(LIMIT_MS, async () => {
    flipByte(join(store.disks[0]!, 'store.key'), 20)
    const started: Promise<Error>[] = []
    const onFinding = (): void => {
      started.push(rejectsWith('STORE_IN_USE', () => createStore({ disks: store.disks })))
    }
    await verifyStore(store.disks, { onFinding })
    assert.is(started.length, 1)
    await started[0]
  }),
)

test(
  'one that is ended early leaves nothing, and all as it was',
  deadline(LIMIT_MS, async () => {
    const before = snapshotOf(store.parent)
    const temporary = join(store.parent, 'temporary')
    mkdirSync(temporary)
    const stop = new AbortController()
    let objects = 0
    const onProgress = (progress: { objects: number }): void => {
      objects = progress.objects
      stop.abort(unavailable('DRAINING', 'enough'))
    }
    const { signal } = stop
    await rejectsWith('DRAINING', () =>
      verifyStore(store.disks, { onFinding: () => undefined, onProgress, temporary, signal }),
    )
    assert.ok(objects < 5)
    rmdirSync(temporary)
    assert.equal(snapshotOf(store.parent), before)
  }),
)

test(
  'a byte of a shard file, and of a packed shard',
  deadline(LIMIT_MS, async () => {
    const [, large] = await shardsOf(store.disks, 'a/large')
    const [packed] = await shardsOf(store.disks, 'packed')
    flipByte(large!.path, 1_052_672 + 5000)
    flipByte(packed!.path, packed!.offset + 1000)
    const findings = await finds(
      store.disks,
      'reduced',
      new RegExp(
        `^damaged shard  disk ${large!.disk}  .*${large!.file}  at 1052672  shard 1 of bucket/a/large: block 0`,
      ),
      new RegExp(
        `^damaged shard  disk ${packed!.disk}  .*${packed!.file}  at ${packed!.offset}  shard 0 of bucket/packed: `,
      ),
    )
    assert.equal(
      findings.map(({ what, disk, directory }) => [what, directory, disk]),
      findings.map(({ disk }) => ['shard', store.disks[disk! - 1], disk]),
    )
  }),
)

test(
  'a shard file that was removed, one that was cut, a volume that was removed',
  deadline(LIMIT_MS, async () => {
    const [first, second] = await shardsOf(store.disks, 'a/large')
    const [packed] = await shardsOf(store.disks, 'packed')
    rmSync(first!.path)
    truncateSync(second!.path, 1_052_672 + 100)
    rmSync(packed!.path)
    await finds(
      store.disks,
      'reduced',
      /shard 0 of bucket\/a\/large is missing$/,
      /at 1052672 {2}shard 1 of bucket\/a\/large: the file is too short$/,
      new RegExp(`disk ${packed!.disk}  .*at ${packed!.offset}  shard 0 of bucket/packed is missing$`),
    )
  }),
)

test(
  'an object with too little left, and a part',
  deadline(LIMIT_MS, async () => {
    for (const { path } of (await shardsOf(store.disks, 'a/large')).slice(0, 3)) flipByte(path, 4096)
    const parts = await dataOf(store.disks, 'parts')
    const data = parts.kind === 'parts' ? parts.parts[0]!.data : null
    if (data?.kind !== 'shards') throw new Error('no shards')
    for (const { directory, file } of data.shards.slice(2, 5)) rmSync(join(directory!, file))
    await finds(
      store.disks,
      'lost',
      ...[0, 1, 2].map((index) => new RegExp(`at 0  shard ${index} of bucket/a/large: block 0`)),
      /^lost object {2}bucket\/a\/large: 3 whole shards are left, 4 are needed$/,
      ...[2, 3, 4].map((index) => new RegExp(`shard ${index} of part 1 of bucket/parts is missing$`)),
      /^lost object {2}part 1 of bucket\/parts: 3 whole shards/,
    )
  }),
)

test(
  'a disk.json with an older table, and an empty directory in place of a disk',
  deadline(LIMIT_MS, async () => {
    const path = join(store.disks[0]!, 'disk.json')
    const decoded = decodeIdentity(readFileSync(path))
    if (decoded.kind !== 'ok') throw new Error('damaged')
    const { table } = decoded.value
    writeFileSync(path, encodeIdentity({ ...decoded.value, table: { ...table, version: table.version - 1 } }))
    await finds(
      store.disks,
      'reduced',
      /disk 1 .*disk\.json {2}it is older than that of other disks; a start renews it$/,
    )
    emptyDirectory(store.disks[2]!)
    const before = snapshotOf(store.parent)
    await finds(
      store.disks,
      'reduced',
      /disk 1 .*disk\.json/,
      /^note disk .*d3 {2}it would take the place of a missing disk at the next start, as number 7$/,
      /^damaged disk {2}disk 3 {2}the disk at position 3 is missing, 3 shards should be on it: .*d3 is empty$/,
    )
    assert.equal(snapshotOf(store.parent), before)
  }),
)

test(
  'who a disk is: disk.json, store.key, its session, its directories',
  deadline(LIMIT_MS, async () => {
    flipByte(join(store.disks[0]!, 'disk.json'), 30)
    rmSync(join(store.disks[1]!, 'disk.json'))
    rmSync(join(store.disks[2]!, 'store.key'))
    flipByte(join(store.disks[3]!, 'session'), 25)
    rmSync(join(store.disks[4]!, 'session'))
    rmSync(join(store.disks[5]!, 'shards'), { recursive: true })
    const { findings, summary } = await verify(store.disks)
    const lines = findings.filter(({ what }) => what === 'identity').map(formatFinding)
    assert.equal(lines, [
      `damaged identity  disk 1  ${store.disks[0]}/disk.json  it is missing or damaged; a start writes it anew`,
      `damaged identity  disk 2  ${store.disks[1]}/disk.json  it is missing or damaged; a start writes it anew`,
      `damaged identity  disk 3  ${store.disks[2]}/store.key  it is missing or damaged; a start writes it anew`,
      `damaged identity  disk 4  ${store.disks[3]}/session  it is damaged; a start looks over all that is on the disk`,
      `damaged identity  disk 6  ${store.disks[5]}/shards  the directory is missing`,
      `damaged identity  disk 5  ${store.disks[4]}/session  it is missing; a start looks over all that is on the disk`,
    ])
    const others = findings.filter(({ what }) => what !== 'identity')
    assert.equal([...new Set(others.map(({ what, disk }) => `${what} ${disk}`))], ['shard 6'])
    assert.is(summary.result, 'reduced')
  }),
)

test(
  'a store.key of another disk',
  deadline(LIMIT_MS, async () => {
    copyFileSync(join(store.disks[1]!, 'store.key'), join(store.disks[0]!, 'store.key'))
    await finds(store.disks, 'reduced', /disk 1 .*store.key {2}it is not the key of this disk$/)
  }),
)

test(
  'disks that are missing, as many as may be and one more',
  deadline(LIMIT_MS, async () => {
    for (const disk of store.disks.slice(2, 4)) rmSync(disk, { recursive: true })
    const findings = await finds(
      store.disks,
      'reduced',
      /^note disk .*d3/,
      /^note disk .*d4/,
      /^damaged disk/,
      /^damaged disk/,
    )
    const lines = findings.filter(({ severity }) => severity === 'damaged').map(formatFinding)
    assert.match(
      lines[0]!,
      /disk 3 {2}the disk at position 3 is missing, 3 shards should be on it: .*d3 does not exist/,
    )
    rmSync(store.disks[4]!, { recursive: true })
    await rejectsWith('TOO_FEW_DISKS', () => verify(store.disks))
  }),
)

test(
  'orphans and strays are notes, and no damage',
  deadline(LIMIT_MS, async () => {
    const orphan = '00112233445566778899aabbccddeeff'
    mkdirSync(join(store.disks[0]!, 'shards/00'), { recursive: true })
    writeFileSync(join(store.disks[0]!, 'shards/00', orphan), 'x'.repeat(777))
    writeFileSync(join(store.disks[0]!, 'shards/00', 'mine'), '')
    writeFileSync(join(store.disks[1]!, 'notes.txt'), '')
    writeFileSync(join(store.disks[1]!, 'journal/0/9.log.part'), '')
    writeFileSync(join(store.disks[1]!, 'journal/0/999.log'), 'nothing')
    writeFileSync(join(store.disks[1]!, 'volumes/x'), '')
    const [packed] = await shardsOf(store.disks, 'packed')
    copyFileSync(packed!.path, packed!.path.replace(/\d+\.vol$/, '99999.vol'))
    const findings = await finds(
      store.disks,
      'whole',
      new RegExp(`^note orphan  disk 1  .*shards/00/${orphan}  777 bytes  no record refers to it$`),
      /^note stray {2}disk 1 {2}.*shards\/00\/mine/,
      /^note stray {2}disk 2 {2}.*notes\.txt/,
      /^note stray {2}disk 2 {2}.*journal\/0\/9\.log\.part/,
      /^note stray {2}disk 2 {2}.*journal\/0\/999\.log {2}the journal does not list it/,
      /^note stray {2}disk 2 {2}.*volumes\/x/,
      new RegExp(`^note stray  disk ${packed!.disk}  .*volumes/99999.vol  at 0  its header is damaged`),
      new RegExp(
        `^note orphan  disk ${packed!.disk}  .*volumes/99999.vol  at ${packed!.offset}  50112 bytes`,
      ),
      // What was deleted lies in that copy, too, and was freed in the other.
      new RegExp(`^note orphan  disk ${packed!.disk}  .*volumes/99999.vol  at \\d+  25\\d\\d\\d bytes`),
    )
    const bytes = findings.reduce((sum, finding) => sum + (finding.bytes ?? 0), 0)
    const { summary } = await verify(store.disks)
    assert.equal(summary.orphans, { count: 3, bytes })
  }),
)

test(
  'a shard that counts and is noted as garbage; notes that are damaged',
  deadline(LIMIT_MS, async () => {
    const [first, second] = await shardsOf(store.disks, 'packed')
    const noteOf = (offset: number, volume: number): Buffer => {
      const note = Buffer.alloc(16)
      note.writeUInt32LE(offset / 64, 0)
      note.writeUInt32LE(50112 / 64, 4)
      note.writeUInt32LE(50112 / 64, 8)
      note.writeUInt32LE(crc32(note.subarray(0, 12), volume), 12)
      return note
    }
    const notesOf = (path: string): string => path.replace(/vol$/, 'free')
    const volume = Number(/(\d+)\.vol$/.exec(first!.path)![1])
    appendFileSync(notesOf(first!.path), noteOf(first!.offset, volume))
    appendFileSync(notesOf(second!.path), noteOf(second!.offset, volume + 1))
    await finds(
      store.disks,
      'reduced',
      new RegExp(
        `^damaged shard  disk ${first!.disk}  .*at ${first!.offset}  it is noted as garbage, and a record`,
      ),
      new RegExp(
        `^note stray  disk ${second!.disk}  .*\\.free  at \\d+  1 notes of what was freed are damaged$`,
      ),
    )
  }),
)

test.run()
