// `moraine key export` and `key import`: the store's key in a file of its own, for the day when store.key is lost on every disk.
// Without it nothing that is sealed can be read again, the root identity above all.
//
//   moraine key 1
//   store 32 hex digits
//   key 64 hex digits
//   checksum 8 hex digits        CRC-32 of the three lines before, their ends included
import { dirname, resolve } from 'node:path'
import { crc32 } from 'node:zlib'
import { asMoraineError, fault } from '../base/errors.ts'
import { FileError, type FileSystem } from '../base/files.ts'
import { silentLog } from '../base/log.ts'
import { nodeFiles } from '../storage/files-node.ts'
import { encodeKey, readSmallFile, replaceFile } from '../storage/identity-file.ts'
import { type DirectoryState, inspectDirectory } from '../storage/inspect.ts'
import { KEY_NAME } from '../storage/layout.ts'
import { createLevelLock } from '../storage/lock.ts'
import { StartLocks, Undo } from '../storage/start-locks.ts'
import { readStore } from './known-store.ts'

const VERSION = 1
const FORM = /^(moraine key (\d+)\nstore ([0-9a-f]{32})\nkey ([0-9a-f]{64})\n)checksum ([0-9a-f]{8})\n?$/
const BEGINNING = /^moraine key (\d+)\n/

export interface ExportedKey {
  readonly storeId: string
  readonly key: Uint8Array
}

const checksumOf = (text: string): string => crc32(text).toString(16).padStart(8, '0')

export const formatKey = ({ storeId, key }: ExportedKey): string => {
  const text = `moraine key ${VERSION}\nstore ${storeId}\nkey ${Buffer.from(key).toString('hex')}\n`
  return `${text}checksum ${checksumOf(text)}\n`
}

/** Throws CONFIG_INVALID when it is no exported key, or not whole; RECORD_VERSION when a later release wrote it. */
export const parseKey = (text: string): ExportedKey => {
  // An editor of another system may have been at it.
  const lines = text.replaceAll('\r\n', '\n')
  const version = BEGINNING.exec(lines)?.[1]
  if (version === undefined) throw fault('CONFIG_INVALID', 'the file is no exported key')
  if (Number(version) !== VERSION) {
    throw fault('RECORD_VERSION', `the exported key has format ${version}: use a newer release`)
  }
  const [, content = '', , storeId = '', key = '', checksum] = FORM.exec(lines) ?? []
  if (checksum === undefined || checksum !== checksumOf(content)) {
    throw fault('CONFIG_INVALID', 'the exported key is damaged')
  }
  return { storeId, key: Uint8Array.from(Buffer.from(key, 'hex')) }
}

/** Writes the store's key to `path`, where nothing may be, readable by its owner alone. Durable when it resolves. */
export const exportKey = async (
  roots: readonly string[],
  path: string,
  files: FileSystem = nodeFiles,
): Promise<void> => {
  const { storeId, key } = await readStore(roots, files)
  const target = resolve(path)
  try {
    const file = await files.open(target, 'create')
    try {
      await file.write([Buffer.from(formatKey({ storeId, key }))], 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await files.syncDirectory(dirname(target))
  } catch (error) {
    if (!(error instanceof FileError)) throw error
    if (error.code === 'EEXIST')
      throw fault('CONFIG_INVALID', `${path} is there already: it is not overwritten`)
    throw fault('CONFIG_INVALID', `${path} cannot be written (${error.code})`, {}, error)
  }
}

const readKey = async (path: string, files: FileSystem): Promise<ExportedKey> => {
  const bytes = await readSmallFile(files, resolve(path)).catch((error: unknown) => {
    throw fault('CONFIG_INVALID', `${path} cannot be read (${asMoraineError(error).message})`, {}, error)
  })
  if (!bytes) throw fault('CONFIG_INVALID', `${path} does not exist`)
  return parseKey(Buffer.from(bytes).toString('utf8'))
}

/** Where the key is to be written: disks that know who they are, and whose store.key cannot be read. Throws CONFIG_INVALID. */
const planImport = (states: readonly DirectoryState[], { storeId, key }: ExportedKey) => {
  const disks = states.flatMap(({ root, content }) => (content.kind === 'disk' ? [{ root, ...content }] : []))
  if (disks.length === 0) throw fault('DISK_FORMAT', 'no disk of a store can be read in these directories')
  const stranger = disks.find(({ identity }) => identity.storeId !== storeId)
  if (stranger) {
    throw fault(
      'CONFIG_INVALID',
      `the exported key is that of another store than ${stranger.root} belongs to`,
    )
  }
  const other = disks.find((disk) => disk.key && Buffer.compare(disk.key.key, key) !== 0)
  if (other)
    throw fault(
      'CONFIG_INVALID',
      `${other.root} has a ${KEY_NAME} that is whole, and is not the exported one`,
    )
  return disks.filter((disk) => !disk.key)
}

/**
 * Writes the exported key to each disk that has lost its store.key; resolves to their directories. The store must be stopped. A
 * store.key that is whole is never replaced, and who a disk is only its own disk.json says.
 */
export const importKey = async (
  roots: readonly string[],
  path: string,
  files: FileSystem = nodeFiles,
): Promise<string[]> => {
  const exported = await readKey(path, files)
  const inspect = (): Promise<DirectoryState[]> =>
    Promise.all(roots.map((root) => inspectDirectory(files, root)))
  const locks = new StartLocks({ filesOf: () => files, takeLock: createLevelLock(files), log: silentLog })
  const undo = new Undo()
  try {
    const planned = planImport(await inspect(), exported).map(({ root }) => root)
    await locks.takeAll(planned, undo)
    for (const failure of locks.failures.values()) throw failure
    // Looked at again: before it was locked somebody else may have been faster.
    const written: string[] = []
    for (const { root, identity } of planImport(await inspect(), exported)) {
      if (!planned.includes(root)) continue
      await replaceFile(files, root, KEY_NAME, encodeKey({ ...identity, key: exported.key }))
      written.push(root)
    }
    return written
  } finally {
    await undo.run(silentLog)
  }
}
