// `moraine verify` against real damage: each kind is found, and named with its disk, its file and its place.
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { createStore } from '../../src/index.ts'
import type { Finding } from '../../src/offline/findings.ts'
import { formatFinding } from '../../src/offline/findings.ts'
import { type InspectedData, inspectObject } from '../../src/offline/inspect.ts'
import { formatSummary, type VerifySummary, verifyStore } from '../../src/offline/verify.ts'
import { decodeIdentity, encodeIdentity } from '../../src/storage/identity-file.ts'
import { emptyDirectory, flipByte, snapshotOf } from '../support/disk-damage.ts'
import { copyStoppedStore, namesIn, OBJECTS, PARTS, type StoppedStore } from '../support/offline-stores.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('verify')
const LIMIT_MS = 60_000
let store: StoppedStore

test.before.each(async () => {
  store = await copyStoppedStore()
})
test.after.each(() => rmSync(store.parent, { recursive: true, force: true }))

const verify = async (): Promise<{ findings: Finding[]; summary: VerifySummary }> => {
  const findings: Finding[] = []
  const summary = await verifyStore(store.disks, { onFinding: (finding) => findings.push(finding) })
  return { findings, summary }
}

/** Exactly these findings, each a line that has the words. */
const finds = async (result: VerifySummary['result'], ...expected: RegExp[]): Promise<Finding[]> => {
  const { findings, summary } = await verify()
  const lines = findings.map(formatFinding)
  assert.is(summary.result, result, lines.join('\n'))
  const unmatched = [...lines]
  for (const pattern of expected) {
    const index = unmatched.findIndex((line) => pattern.test(line))
    assert.ok(index >= 0, `${pattern} is not among\n${lines.join('\n')}`)
    unmatched.splice(index, 1)
  }
  assert.equal(unmatched, [])
  return findings
}

const dataOf = async (key: string): Promise<InspectedData> =>
  (await inspectObject(store.disks, { bucket: 'bucket', key })).versions[0]!.data

/** The files of the shards of an object, and where a packed one begins. */
const shardsOf = async (key: string) => {
  const data = await dataOf(key)
  if (data.kind !== 'shards') throw new Error('no shards')
  return data.shards.map(({ disk, directory, file, offset = 0 }) => {
    return { disk, file, offset, path: join(directory!, file) }
  })
}

test(
  'a whole store is whole, and not a byte of it is touched',
  deadline(LIMIT_MS, async () => {
    const before = snapshotOf(store.parent)
    const { findings, summary } = await verify()
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
    const { message } = await rejectsWith('STORE_IN_USE', verify)
    assert.match(message, /is in use by another Moraine/)
    await running.close()
    await finds('whole')
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
  'a byte of a shard file, and of a packed shard',
  deadline(LIMIT_MS, async () => {
    const [, large] = await shardsOf('a/large')
    const [packed] = await shardsOf('packed')
    flipByte(large!.path, 1_052_672 + 5000)
    flipByte(packed!.path, packed!.offset + 1000)
    const findings = await finds(
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
    const [first, second] = await shardsOf('a/large')
    const [packed] = await shardsOf('packed')
    rmSync(first!.path)
    truncateSync(second!.path, 1_052_672 + 100)
    rmSync(packed!.path)
    await finds(
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
    for (const { path } of (await shardsOf('a/large')).slice(0, 3)) flipByte(path, 4096)
    const parts = await dataOf('parts')
    const data = parts.kind === 'parts' ? parts.parts[0]!.data : null
    if (data?.kind !== 'shards') throw new Error('no shards')
    for (const { directory, file } of data.shards.slice(2, 5)) rmSync(join(directory!, file))
    await finds(
      'lost',
      ...[0, 1, 2].map((index) => new RegExp(`at 0  shard ${index} of bucket/a/large: block 0`)),
      /^lost object {2}bucket\/a\/large: 3 whole shards are left, 4 are needed$/,
      ...[2, 3, 4].map((index) => new RegExp(`shard ${index} of part 1 of bucket/parts is missing$`)),
      /^lost object {2}part 1 of bucket\/parts: 3 whole shards/,
    )
  }),
)

test(
  'a copy of a sealed segment with a byte that flipped, one that was cut, one that is missing',
  deadline(LIMIT_MS, async () => {
    const data = await dataOf('inline')
    if (data.kind !== 'inline') throw new Error('not inline')
    const [first, second, third] = data.copies.map(({ directory, file }) => join(directory!, file))
    const { segment } = data
    flipByte(first!, data.offset + 10)
    const damaged = `^damaged segment  disk ${data.copies[0]!.disk}  .*journal/0/${segment}.log  at \\d+  a frame`
    await finds('reduced', new RegExp(damaged))
    truncateSync(second!, 5000)
    rmSync(third!)
    await finds(
      'lost',
      new RegExp(damaged),
      new RegExp(`disk ${data.copies[1]!.disk}  .*/${segment}.log  at \\d+  a frame is damaged or missing$`),
      new RegExp(`disk ${data.copies[2]!.disk}  .*/${segment}.log  the copy is missing$`),
      // Its records can still be read of the first copy, and its body of none.
      /^lost object {2}bucket\/inline: no copy of segment \d+ has its bytes$/,
    )
  }),
)

test(
  'an inline body that no copy has',
  deadline(LIMIT_MS, async () => {
    const data = await dataOf('inline')
    if (data.kind !== 'inline') throw new Error('not inline')
    for (const { directory, file } of data.copies) flipByte(join(directory!, file), data.offset + 10)
    await finds(
      'lost',
      ...data.copies.map(({ disk }) => new RegExp(`^damaged segment  disk ${disk} .* a frame is damaged`)),
      /^lost object {2}bucket\/inline: no copy of segment \d+ has its bytes$/,
    )
  }),
)

test(
  'a journal of which a segment is gone',
  deadline(LIMIT_MS, async () => {
    const data = await dataOf('inline')
    if (data.kind !== 'inline') throw new Error('not inline')
    for (const { directory, file } of data.copies) rmSync(join(directory!, file))
    const { findings, summary } = await verify()
    assert.equal([summary.result, summary.objects, summary.orphans.count], ['lost', 0, 0])
    const lines = findings.map(formatFinding)
    assert.equal(lines, [
      `lost segment  partition 0 cannot be read: segment ${data.segment} of partition 0 is missing; it needs disk 1 or 2 or 3`,
    ])
  }),
)

test(
  'the newest segment, frame by frame, and its header',
  deadline(LIMIT_MS, async () => {
    const segments = store.disks.flatMap((disk) =>
      namesIn(disk, 'journal/0', /^\d+\.log$/).map((name) => ({
        number: Number.parseInt(name, 10),
        path: join(disk, 'journal/0', name),
      })),
    )
    const newest = Math.max(...segments.map(({ number }) => number))
    const [first, second] = segments.filter(({ number }) => number === newest)
    const frame = readFileSync(first!.path).indexOf('MFRM')
    flipByte(first!.path, frame + 70)
    flipByte(second!.path, 30)
    await finds(
      'reduced',
      new RegExp(`^damaged segment .*journal/0/${newest}.log  at ${frame}  a frame is damaged or missing$`),
      new RegExp(`^damaged segment .*journal/0/${newest}.log  at 0  its header is damaged$`),
    )
  }),
)

test(
  'a last frame with a byte that flipped, and a header that has not its hash',
  deadline(LIMIT_MS, async () => {
    const held = store.disks.flatMap((disk) =>
      namesIn(disk, 'journal/0', /^\d+\.log$/).map((name) => join(disk, 'journal/0', name)),
    )
    const [newest] = held.filter((path) => !path.endsWith('/1.log'))
    const frame = readFileSync(newest!).lastIndexOf('MFRM')
    flipByte(newest!, frame + 70)
    // Zeros behind the list of the header: no checksum of its own covers them.
    const [oldest] = held.filter((path) => path.endsWith('/1.log'))
    flipByte(oldest!, 4000)
    await finds(
      'reduced',
      new RegExp(`^damaged segment .*${newest}  at ${frame}  the last frame is damaged$`),
      new RegExp(`^damaged segment .*${oldest}  it does not have its hash$`),
    )
  }),
)

test(
  'a copy of a segment that was made on another disk is as good',
  deadline(LIMIT_MS, async () => {
    const data = await dataOf('inline')
    if (data.kind !== 'inline') throw new Error('not inline')
    const [copy] = data.copies
    const path = join(copy!.directory!, copy!.file)
    const other = store.disks.find((disk) => !data.copies.some(({ directory }) => directory === disk))
    mkdirSync(join(other!, 'journal/0'), { recursive: true })
    renameSync(path, join(other!, copy!.file))
    await finds('whole')
    rmSync(join(other!, copy!.file))
    await finds('reduced', new RegExp(`^damaged segment  disk ${copy!.disk}  .* the copy is missing$`))
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
    await finds('reduced', /disk 1 .*disk\.json {2}it is older than that of other disks; a start renews it$/)
    emptyDirectory(store.disks[2]!)
    const before = snapshotOf(store.parent)
    await finds(
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
    const { findings, summary } = await verify()
    const lines = findings.filter(({ what }) => what === 'identity').map(formatFinding)
    assert.equal(lines, [
      `damaged identity  disk 1  ${store.disks[0]}/disk.json  it is missing or damaged; a start writes it anew`,
      `damaged identity  disk 2  ${store.disks[1]}/disk.json  it is missing or damaged; a start writes it anew`,
      `damaged identity  disk 3  ${store.disks[2]}/store.key  it is missing or damaged; a start writes it anew`,
      `damaged identity  disk 4  ${store.disks[3]}/session  it is damaged; a start looks over all that is on the disk`,
      `damaged identity  disk 6  ${store.disks[5]}/shards  the directory is missing`,
      `damaged identity  disk 5  ${store.disks[4]}/session  it says session 0, the metadata 2: the disk is an older copy of itself`,
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
    await finds('reduced', /disk 1 .*store.key {2}it is not the key of this disk$/)
  }),
)

test(
  'disks that are missing, as many as may be and one more',
  deadline(LIMIT_MS, async () => {
    for (const disk of store.disks.slice(2, 4)) rmSync(disk, { recursive: true })
    const findings = await finds(
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
    await rejectsWith('TOO_FEW_DISKS', verify)
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
    const [packed] = await shardsOf('packed')
    copyFileSync(packed!.path, packed!.path.replace(/\d+\.vol$/, '99999.vol'))
    const findings = await finds(
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
    const { summary } = await verify()
    assert.equal(summary.orphans, { count: 3, bytes })
  }),
)

test(
  'a shard that counts and is noted as garbage; notes that are damaged',
  deadline(LIMIT_MS, async () => {
    const [first, second] = await shardsOf('packed')
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
