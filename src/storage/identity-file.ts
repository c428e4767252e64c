// disk.json and store.key: what makes a directory a disk of a store (docs/format.md). Both carry checksums and are only
// ever replaced whole. store.key repeats who the disk is, so that a damaged disk.json can be written anew.
import { crc32 } from 'node:zlib'
import type { FileSystem } from '../base/files.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { DiskIds } from './disk-context.ts'
import { isNotThere } from './shard-files.ts'

export const IDENTITY_FORMAT = 1
export const KEY_BYTES = 32
const KEY_VERSION = 1
const KEY_MAGIC = 0x4b53_524d // 'MRSK'
const KEY_FILE_BYTES = 80
/** Far above what 256 disks need; a longer file is not one of ours. */
const IDENTITY_BYTES_MAX = 256 * 1024

export interface TableDisk {
  readonly id: string
  readonly number: DiskNumber
  /** In the order of the configured directories when the disk joined; tells an operator which one is meant. */
  readonly position: number
  readonly set: number
  /** `draining`: nothing new is written to it, and it leaves the store when nothing is left on it. At most one of a store. */
  readonly state: 'active' | 'draining'
  /** Where it was when it was added to the store. Of those that the store was made with there is none. */
  readonly directory?: string
}

/** Which disks make up the store. Goes up by one version with every change; the highest one counts. */
export interface DiskTable {
  readonly version: number
  /** Of the metadata; fixed when the store is made. */
  readonly partitions: number
  /** Parity, of every set. */
  readonly m: number
  /** Numbers below this are taken, those of disks that left too. */
  readonly nextDiskNumber: DiskNumber
  readonly disks: readonly TableDisk[]
}

/**
 * `forming`: the first start is not known to have reached every disk. `joining`: a replacement that does not count yet; its
 * table is the one that is proposed. `member`: counts.
 */
export type DiskPhase = 'forming' | 'joining' | 'member'

export interface DiskIdentity extends DiskIds {
  readonly phase: DiskPhase
  readonly table: DiskTable
}

export interface StoreKey extends DiskIds {
  readonly key: Uint8Array
}

/** What a file turned out to be. */
export type Decoded<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'damaged' }
  | { readonly kind: 'newer'; readonly format: number }

const DAMAGED = { kind: 'damaged' } as const

const checksumOf = (content: object): string => crc32(JSON.stringify(content)).toString(16).padStart(8, '0')

export const encodeIdentity = (identity: DiskIdentity): Uint8Array => {
  const { storeId, diskId, number, phase, table } = identity
  const content = { format: IDENTITY_FORMAT, storeId, diskId, number, phase, table }
  const text = JSON.stringify({ ...content, checksum: checksumOf(content) }, undefined, 2)
  return new TextEncoder().encode(`${text}\n`)
}

export const decodeIdentity = (bytes: Uint8Array): Decoded<DiskIdentity> => {
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return DAMAGED
  }
  if (typeof parsed !== 'object' || parsed === null) return DAMAGED
  // JSON keeps the order of members, so what was summed can be written again. Every later format keeps this rule.
  const { checksum, ...content } = parsed as { checksum?: unknown; format?: unknown }
  if (checksum !== checksumOf(content)) return DAMAGED
  if (content.format !== IDENTITY_FORMAT) return { kind: 'newer', format: Number(content.format) }
  const { format: _format, ...identity } = content as unknown as DiskIdentity & { format: number }
  return { kind: 'ok', value: identity }
}

export const encodeKey = ({ storeId, diskId, number, key }: StoreKey): Uint8Array => {
  const file = Buffer.alloc(KEY_FILE_BYTES)
  file.writeUInt32LE(KEY_MAGIC, 0)
  file.writeUInt16LE(KEY_VERSION, 4)
  file.writeUInt16LE(KEY_FILE_BYTES, 6)
  file.write(storeId, 8, 'hex')
  file.write(diskId, 24, 'hex')
  file.writeUInt32LE(number, 40)
  file.set(key, 44)
  file.writeUInt32LE(crc32(file.subarray(0, KEY_FILE_BYTES - 4)), KEY_FILE_BYTES - 4)
  return file
}

export const decodeKey = (bytes: Uint8Array): Decoded<StoreKey> => {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (file.length < KEY_FILE_BYTES || file.readUInt32LE(0) !== KEY_MAGIC) return DAMAGED
  const end = file.length - 4
  if (file.readUInt16LE(6) !== file.length || file.readUInt32LE(end) !== crc32(file.subarray(0, end))) {
    return DAMAGED
  }
  const version = file.readUInt16LE(4)
  if (version !== KEY_VERSION) return { kind: 'newer', format: version }
  return {
    kind: 'ok',
    value: {
      storeId: file.toString('hex', 8, 24),
      diskId: file.toString('hex', 24, 40),
      number: file.readUInt32LE(40) as DiskNumber,
      key: new Uint8Array(file.subarray(44, 44 + KEY_BYTES)),
    },
  }
}

/** The first bytes of a file, `bytesMax` at most; undefined when there is none. */
export const readBeginning = async (
  files: FileSystem,
  path: string,
  bytesMax: number,
): Promise<Buffer | undefined> => {
  try {
    const file = await files.open(path, 'read')
    try {
      const { size } = await file.stat()
      const bytes = Buffer.alloc(Math.min(size, bytesMax))
      return bytes.subarray(0, await file.read(bytes, 0))
    } finally {
      await file.close()
    }
  } catch (error) {
    if (isNotThere(error)) return undefined
    throw error
  }
}

/** The bytes of a small file, none of one that is too large to be ours; undefined when there is none. */
export const readSmallFile = async (files: FileSystem, path: string): Promise<Uint8Array | undefined> => {
  const bytes = await readBeginning(files, path, IDENTITY_BYTES_MAX + 1)
  return bytes && bytes.length > IDENTITY_BYTES_MAX ? new Uint8Array(0) : bytes
}

/** Writes a small file in place of the old one, whole or not at all; durable when it resolves. */
export const replaceFile = async (
  files: FileSystem,
  directory: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> => {
  const path = `${directory}/${name}`
  const fresh = `${path}.new`
  // What a crash left of an earlier try.
  if ((await files.stat(fresh)) !== undefined) await files.remove(fresh)
  const file = await files.open(fresh, 'create')
  try {
    await file.write([bytes], 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await files.rename(fresh, path)
  await files.syncDirectory(directory)
}
