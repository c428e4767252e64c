// `moraine verify`: every copy of the journal's segments, to the last byte.
import { mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeIdentity, encodeIdentity } from '../../src/storage/identity-file.ts'
import { flipByte } from '../support/disk-damage.ts'
import { copyStoppedStore, namesIn, type StoppedStore } from '../support/offline-stores.ts'
import { assert, deadline, suite } from '../support/uvu.ts'
import { finds, inlineOf, verify } from '../support/verifying.ts'

const test = suite('verify segments')
const LIMIT_MS = 60_000
let store: StoppedStore

test.before.each(async () => {
  store = await copyStoppedStore()
})
test.after.each(() => rmSync(store.parent, { recursive: true, force: true }))

test(
  'a copy of a sealed segment with a byte that flipped, one that was cut, one that is missing',
  deadline(LIMIT_MS, async () => {
    const data = await inlineOf(store.disks, 'inline')
    const [first, second, third] = data.copies.map(({ directory, file }) => join(directory!, file))
    const { segment } = data
    flipByte(first!, data.offset + 10)
    const damaged = `^damaged segment  disk ${data.copies[0]!.disk}  .*journal/0/${segment}.log  at \\d+  a frame`
    await finds(store.disks, 'reduced', new RegExp(damaged))
    truncateSync(second!, 5000)
    rmSync(third!)
    await finds(
      store.disks,
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
    const data = await inlineOf(store.disks, 'inline')
    for (const { directory, file } of data.copies) flipByte(join(directory!, file), data.offset + 10)
    await finds(
      store.disks,
      'lost',
      ...data.copies.map(({ disk }) => new RegExp(`^damaged segment  disk ${disk} .* a frame is damaged`)),
      /^lost object {2}bucket\/inline: no copy of segment \d+ has its bytes$/,
    )
  }),
)

test(
  'a journal of which a segment is gone',
  deadline(LIMIT_MS, async () => {
    const data = await inlineOf(store.disks, 'inline')
    for (const { directory, file } of data.copies) rmSync(join(directory!, file))
    const { lines, summary } = await verify(store.disks)
    assert.equal([summary.result, summary.objects, summary.orphans.count], ['lost', 0, 0])
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
      store.disks,
      'reduced',
      new RegExp(`^damaged segment .*journal/0/${newest}.log  at ${frame}  a frame is damaged or missing$`),
      new RegExp(`^damaged segment .*journal/0/${newest}.log  at 0  its header is damaged$`),
    )
  }),
)

test(
  'a last frame with a byte that flipped, and one in the zeros behind a header',
  deadline(LIMIT_MS, async () => {
    const held = store.disks.flatMap((disk) =>
      namesIn(disk, 'journal/0', /^\d+\.log$/).map((name) => join(disk, 'journal/0', name)),
    )
    const [newest] = held.filter((path) => !path.endsWith('/1.log'))
    const frame = readFileSync(newest!).lastIndexOf('MFRM')
    flipByte(newest!, frame + 70)
    // Behind the list of the header: no checksum covers those zeros, they are compared.
    const [oldest] = held.filter((path) => path.endsWith('/1.log'))
    flipByte(oldest!, 4000)
    await finds(
      store.disks,
      'reduced',
      new RegExp(`^damaged segment .*${newest}  at ${frame}  the last frame is damaged$`),
      new RegExp(`^damaged segment .*${oldest}  at 0  its header is damaged$`),
    )
  }),
)

test(
  'a copy of a segment that was made on another disk is as good',
  deadline(LIMIT_MS, async () => {
    const data = await inlineOf(store.disks, 'inline')
    const [copy] = data.copies
    const path = join(copy!.directory!, copy!.file)
    const other = store.disks.find((disk) => !data.copies.some(({ directory }) => directory === disk))
    mkdirSync(join(other!, 'journal/0'), { recursive: true })
    renameSync(path, join(other!, copy!.file))
    await finds(store.disks, 'whole')
    rmSync(join(other!, copy!.file))
    await finds(
      store.disks,
      'reduced',
      new RegExp(`^damaged segment  disk ${copy!.disk}  .* the copy is missing$`),
    )
  }),
)

test(
  'a segment whose copies were on a disk that left the store',
  deadline(LIMIT_MS, async () => {
    const data = await inlineOf(store.disks, 'inline')
    const left = data.copies[0]!.disk
    for (const disk of store.disks) {
      const path = join(disk, 'disk.json')
      const decoded = decodeIdentity(readFileSync(path))
      if (decoded.kind !== 'ok') throw new Error('damaged')
      const { table } = decoded.value
      const disks = table.disks.filter(({ number }) => number !== left)
      writeFileSync(path, encodeIdentity({ ...decoded.value, table: { ...table, version: 2, disks } }))
    }
    const { lines } = await verify(store.disks)
    const line = `damaged segment  segment ${data.segment} of partition 0 has 2 of 3 copies; the others were on disks that left`
    assert.ok(lines.includes(line), lines.join('\n'))
    assert.ok(
      lines.some((other) => /disk 1 {2}\d shards should be on this disk, which left the store/.test(other)),
    )
  }),
)

test.run()
