// The session a disk was last seen whole in: a number that goes up with each start of the store, in a file of its own. The
// metadata remember the same number; a disk that says an older one than they do is an older copy of itself.
import { crc32 } from 'node:zlib'
import { fault } from '../base/errors.ts'
import type { FileSystem } from '../base/files.ts'
import { readSmallFile, replaceFile } from './identity-file.ts'
import { SESSION_NAME } from './layout.ts'

const MAGIC = 0x5353_524d // 'MRSS'
const VERSION = 1
const BYTES = 32
/** Numbers of volumes that a session has before it takes those of the next: 4 TiB of packed shards on one disk. */
const VOLUMES_PER_SESSION = 2 ** 12
/** A volume's number is four bytes wide. */
const SESSION_MAX = 2 ** 32 / VOLUMES_PER_SESSION - 1

/** The first volume of a session: no copy of the disk from an earlier one has ever had that number, or a higher one. */
export const firstVolumeOf = (session: number): number =>
  Math.min(session, SESSION_MAX) * VOLUMES_PER_SESSION + 1

/** The file that was written to a disk last, as the metadata remember it. */
export interface SessionFile {
  readonly session: number
  readonly bornMs: number
}

/** What the metadata remember of a disk. `file`: not what a release wrote that did not look at it. */
export interface RecordedSession {
  readonly session: number
  readonly file: SessionFile | undefined
}

/** `older`: its number says so. `copy`: it has the number, in another file: it may lack what was written since it was made. */
export type CopyKind = 'older' | 'copy'

/** What a disk is when it is not the one that was recorded. */
export const copyKindOf = (
  { session, bornMs }: SeenSession,
  recorded: RecordedSession,
): CopyKind | undefined => {
  if (session < recorded.session) return 'older'
  const { file } = recorded
  const isKnown = file !== undefined && file.session === session && file.bornMs !== 0 && bornMs !== 0
  return isKnown && file.bornMs !== bornMs ? 'copy' : undefined
}

const encode = (diskId: string, session: number): Uint8Array => {
  const file = Buffer.alloc(BYTES)
  file.writeUInt32LE(MAGIC, 0)
  file.writeUInt16LE(VERSION, 4)
  file.writeUInt16LE(BYTES, 6)
  file.write(diskId, 8, 'hex')
  file.writeUInt32LE(session, 24)
  file.writeUInt32LE(crc32(file.subarray(0, BYTES - 4)), BYTES - 4)
  return file
}

export interface SeenSession {
  /** 0 where there is none that can be read: such a disk is looked over as one that was never seen. */
  readonly session: number
  /** There is a file, and it is not this disk's, or not whole. */
  readonly isDamaged: boolean
  /** When the file was made; 0 where its file system does not say. A copy of it, which says the same session, has its own. */
  readonly bornMs: number
}

const NONE: SeenSession = { session: 0, isDamaged: false, bornMs: 0 }
const DAMAGED: SeenSession = { ...NONE, isDamaged: true }

const decode = (bytes: Uint8Array, diskId: string, bornMs: number): SeenSession => {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (file.length < BYTES || file.readUInt32LE(0) !== MAGIC) return DAMAGED
  const end = file.length - 4
  if (file.readUInt16LE(6) !== file.length || file.readUInt32LE(end) !== crc32(file.subarray(0, end)))
    return DAMAGED
  const version = file.readUInt16LE(4)
  if (version !== VERSION) {
    throw fault('RECORD_VERSION', `the file ${SESSION_NAME} has format ${version}: use a newer release`)
  }
  return file.toString('hex', 8, 24) === diskId
    ? { session: file.readUInt32LE(24), isDamaged: false, bornMs }
    : DAMAGED
}

/** Rejects with RECORD_VERSION when a later release wrote it. */
export const inspectSession = async (
  files: FileSystem,
  root: string,
  diskId: string,
): Promise<SeenSession> => {
  const path = `${root}/${SESSION_NAME}`
  let bytes: Uint8Array | undefined
  let bornMs: number
  try {
    bytes = await readSmallFile(files, path)
    bornMs = await birthOf(files, path)
  } catch {
    return DAMAGED
  }
  return bytes === undefined ? NONE : decode(bytes, diskId, bornMs)
}

const birthOf = async (files: FileSystem, path: string): Promise<number> =>
  (await files.stat(path))?.bornMs ?? 0

/** As `inspectSession`, where only the number matters. */
export const readSession = async (files: FileSystem, root: string, diskId: string): Promise<number> =>
  (await inspectSession(files, root, diskId)).session

/** Whole or not at all; durable when it resolves, to when the file was made. */
export const writeSession = async (
  files: FileSystem,
  root: string,
  diskId: string,
  session: number,
): Promise<number> => {
  await replaceFile(files, root, SESSION_NAME, encode(diskId, session))
  return birthOf(files, `${root}/${SESSION_NAME}`)
}
