// A disk on a file system of the test's choice, with an identity file, so that it can be opened.
import type { FileSystem } from '../../src/base/files.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { type Log, silentLog } from '../../src/base/log.ts'
import { Disk, type DiskOptions } from '../../src/storage/disk.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { DIRECTORIES } from '../../src/storage/layout.ts'
import type { ReadRequest, ShardRead } from '../../src/storage/shard-reader.ts'
import { payloadBytesOf } from '../../src/storage/stripes.ts'
import { blocksOf, PAGE_BYTES } from '../../src/storage/unit.ts'
import type { PackedPlace } from '../../src/storage/volumes.ts'
import { createSlabs, type SealedBody } from './stripes.ts'

export const TEST_ROOT = '/disk'

export const writeFile = async (files: FileSystem, path: string, bytes: Uint8Array): Promise<void> => {
  const file = await files.open(path, 'create')
  await file.write([bytes], 0)
  await file.sync()
  await file.close()
}

export const readFile = async (files: FileSystem, path: string): Promise<Uint8Array> => {
  const file = await files.open(path, 'read')
  const bytes = new Uint8Array((await file.stat()).size)
  await file.read(bytes, 0)
  await file.close()
  return bytes
}

/** Changes one byte behind the back of whoever owns the file. */
export const flipByte = async (files: FileSystem, path: string, position: number): Promise<void> => {
  const file = await files.open(path, 'update')
  const byte = new Uint8Array(1)
  await file.read(byte, position)
  byte[0]! ^= 0x10
  await file.write([byte], position)
  await file.close()
}

/** A directory that `Disk.open` takes for a disk. */
export const formDirectory = async (files: FileSystem, root: string): Promise<void> => {
  await files.makeDirectory(root)
  await writeFile(files, `${root}/disk.json`, new TextEncoder().encode('{}'))
  for (const name of DIRECTORIES) await files.makeDirectory(`${root}/${name}`)
  await files.syncDirectory(root)
  await files.syncDirectory('/')
}

export const openTestDisk = (files: FileSystem, options: Partial<DiskOptions> = {}): Promise<Disk> =>
  Disk.open({
    root: TEST_ROOT,
    files,
    log: silentLog,
    storeId: '5'.repeat(32),
    diskId: 'd'.repeat(32),
    number: 1 as DiskNumber,
    ...options,
  })

export const makeTestDisk = async (
  options: Partial<DiskOptions> = {},
): Promise<{ files: FileSystem; disk: Disk }> => {
  const files = options.files ?? createMemoryFiles()
  await formDirectory(files, TEST_ROOT)
  return { files, disk: await openTestDisk(files, options) }
}

/** A log that remembers the names of its events. */
export const recordingLog = (): { log: Log; events: string[] } => {
  const events: string[] = []
  const note = (event: string): void => void events.push(event)
  return { log: { debug: note, info: note, warn: note, error: note }, events }
}

/** Writes shard `index` of a body the way its size asks for. */
export const writeShard = async (
  disk: Disk,
  sealed: SealedBody,
  index: number,
): Promise<PackedPlace | undefined> => {
  if (sealed.plan.isPacked) return disk.writePacked(sealed.units[0]![index]!, sealed.plan.lastPayloadBytes)
  const writer = await disk.createShard(sealed.write, sealed.plan.diskBytes)
  for (const units of sealed.units) await writer.append(units[index]!)
  await writer.seal()
  return undefined
}

/** Reads blocks of a unit (all of them by default) into a slab of their own. */
export const readUnit = async (
  disk: Disk,
  sealed: SealedBody,
  index: number,
  stripe: number,
  options: Partial<ReadRequest> = {},
): Promise<{ read: ShardRead; payload: Uint8Array; slab: Uint8Array }> => {
  const slab = createSlabs(1).slab(0)
  const payloadBytes = payloadBytesOf(sealed.plan, stripe)
  const { write, k, m } = sealed
  const whole = { firstBlock: 0, blockCount: blocksOf(payloadBytes) }
  const read = await disk.readBlocks({ write, k, m, index, stripe, payloadBytes, slab, ...whole, ...options })
  return { read, slab, payload: slab.subarray(PAGE_BYTES, PAGE_BYTES + payloadBytes) }
}

/** Whether the disk gives the whole shard back, byte for byte. */
export const readsBack = async (
  disk: Disk,
  sealed: SealedBody,
  index: number,
  place?: PackedPlace,
): Promise<boolean> => {
  for (const [stripe, units] of sealed.units.entries()) {
    const options = place === undefined ? {} : { place }
    const { read, payload } = await readUnit(disk, sealed, index, stripe, options)
    const wanted = units[index]!.subarray(PAGE_BYTES, PAGE_BYTES + payload.length)
    if (read.status !== 'ok' || Buffer.compare(payload, wanted) !== 0) return false
  }
  return true
}
