// A disk that fails. The fault model, written before the faults:
//
//   a power cut      Keeps what was synced before it: the bytes and length of a file up to its last `sync`, entries
//                    of a directory up to its last `syncDirectory`, each as of the moment that call began. Of everything else
//                    it keeps any subset: a write whole, not at all, or torn (any set of its 512-byte sectors, or of its
//                    4,096-byte pages); a name made, removed or renamed, or not. A rename is atomic. (crash-states.ts)
//   lost write       A write that was never synced; also one whose sync failed once: the pages are marked clean, later syncs
//                    resolve and do not write them, reads show them until the power goes.
//   lost rename, lost entry   The directory was not synced.
//   misdirected      A write lands at another place of the file, and resolves.
//   bit flip         At rest, or on its way from the disk in one read.
//   EIO, ENOSPC, EROFS, …     An operation rejects; a write may have been done in part.
//   slow, hung       An operation waits until it is let go.
//   gone             Everything rejects, files that are open too; it comes back as it was, or with old content.
//
// A kill of the process alone loses nothing that was written: `image(files.log)` with everything kept.
//
// What is not modelled: a device that acknowledges a flush and loses it, and reordering across a finished sync.
import { FileError, type FileSystem, type OpenFile } from '../../src/base/files.ts'
import { createMemoryFiles, type MemoryFilesOptions } from '../../src/storage/files-memory.ts'

/** What happened, in order. Files and directories are numbered; 0 is the root. */
export type LogRecord =
  | {
      readonly kind: 'make'
      readonly node: number
      readonly isFile: boolean
      readonly in: number
      readonly name: string
    }
  | { readonly kind: 'remove'; readonly in: number; readonly name: string }
  | {
      readonly kind: 'rename'
      readonly in: number
      readonly name: string
      readonly toIn: number
      readonly toName: string
    }
  | { readonly kind: 'write'; readonly node: number; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly node: number; readonly size: number }
  /** Everything of the node before record `upTo` is durable, but for what an earlier sync failed on. */
  | { readonly kind: 'sync'; readonly node: number; readonly upTo: number; readonly hasFailed: boolean }
  /** Of the test: a point it can name, such as an acknowledgement. */
  | { readonly kind: 'mark'; readonly label: string }

export type Operation =
  | 'open'
  | 'makeDirectory'
  | 'list'
  | 'remove'
  | 'rename'
  | 'stat'
  | 'space'
  | 'syncDirectory'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'

export interface Fault {
  readonly operation: Operation
  /** Only where this occurs in the path. */
  readonly path?: string
  /** Passes over this many of them first; 0 by default. */
  readonly after?: number
  /** How many fail; 1 by default. */
  readonly times?: number
  readonly effect:
    | { readonly kind: 'error'; readonly code: string }
    /** The first `bytes` are written, then EIO or `code`. */
    | { readonly kind: 'torn'; readonly bytes: number; readonly code?: string }
    | { readonly kind: 'misdirected'; readonly by: number }
    /** One bit of what is read. */
    | { readonly kind: 'flip'; readonly at: number }
    /** Waits for the promise, then goes on. */
    | { readonly kind: 'wait'; readonly until: Promise<void> }
}

export interface FaultyFiles extends FileSystem {
  readonly log: readonly LogRecord[]
  mark(label: string): void
  inject(fault: Fault): void
  /** Every operation rejects with `code` until `attach`. */
  detach(code?: string): void
  attach(): void
}

interface Pending {
  readonly fault: Fault
  after: number
  times: number
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'))
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

export const createFaultyFiles = async (
  options: MemoryFilesOptions = {},
  start: (files: FileSystem) => Promise<void> = async () => undefined,
): Promise<FaultyFiles> => {
  // What is there at the start was made elsewhere: each file would be a copy.
  const memory = createMemoryFiles({ hasBirths: false, ...options })
  await start(memory)
  const log: LogRecord[] = []
  const pending: Pending[] = []
  let gone: string | undefined
  /** Numbers by inode: names change, inodes do not. What was there at the start has the number of its inode. */
  const nodeOf = async (path: string): Promise<number> =>
    (await memory.stat(path === '' ? '/' : path))?.inode ?? -1

  const takeFault = (operation: Operation, path: string): Fault['effect'] | undefined => {
    for (const candidate of pending) {
      const { fault } = candidate
      if (fault.operation !== operation || !path.includes(fault.path ?? '')) continue
      if (candidate.after > 0) {
        candidate.after -= 1
        continue
      }
      if (candidate.times === 0) continue
      candidate.times -= 1
      return fault.effect
    }
    return undefined
  }
  /** Runs before every operation; the effect is left to the operation when it is not one of these. */
  const meet = async (operation: Operation, path: string): Promise<Fault['effect'] | undefined> => {
    if (gone !== undefined) throw new FileError(operation, path, gone)
    const effect = takeFault(operation, path)
    if (effect?.kind === 'error' && operation !== 'sync' && operation !== 'syncDirectory') {
      throw new FileError(operation, path, effect.code)
    }
    if (effect?.kind === 'wait') await effect.until
    if (gone !== undefined) throw new FileError(operation, path, gone)
    return effect
  }

  const sync = async (
    operation: 'sync' | 'syncDirectory',
    path: string,
    node: number,
    action: () => Promise<void>,
  ): Promise<void> => {
    const upTo = log.length
    const effect = await meet(operation, path)
    await action()
    const hasFailed = effect?.kind === 'error'
    log.push({ kind: 'sync', node, upTo, hasFailed })
    if (hasFailed) throw new FileError(operation, path, effect.code)
  }

  const write = async (file: OpenFile, node: number, bytes: Uint8Array, position: number): Promise<void> => {
    await file.write([bytes], position)
    log.push({ kind: 'write', node, position, bytes })
  }
  const wrap = (file: OpenFile, node: number): OpenFile => ({
    path: file.path,
    isDirect: file.isDirect,
    async read(into, position) {
      const effect = await meet('read', file.path)
      const count = await file.read(into, position)
      if (effect?.kind === 'flip' && effect.at < count) into[effect.at]! ^= 1
      return count
    },
    async write(from, position) {
      const effect = await meet('write', file.path)
      if (effect === undefined || effect.kind === 'wait') {
        // Through the memory first: it knows alignment and space. One record each, as a device may order them.
        await file.write(from, position)
        for (const piece of from) {
          log.push({ kind: 'write', node, position, bytes: piece.slice() })
          position += piece.length
        }
        return
      }
      const bytes = new Uint8Array(Buffer.concat(from))
      if (effect.kind === 'misdirected') return write(file, node, bytes, position + effect.by)
      if (effect.kind !== 'torn') return
      await write(file, node, bytes.subarray(0, effect.bytes), position)
      throw new FileError('write', file.path, effect.code ?? 'EIO')
    },
    sync: () => sync('sync', file.path, node, () => file.sync()),
    async truncate(size) {
      await meet('truncate', file.path)
      await file.truncate(size)
      log.push({ kind: 'truncate', node, size })
    },
    async stat() {
      await meet('stat', file.path)
      return file.stat()
    },
    close: () => file.close(),
  })

  return {
    log,
    mark: (label) => void log.push({ kind: 'mark', label }),
    inject: (fault) => void pending.push({ fault, after: fault.after ?? 0, times: fault.times ?? 1 }),
    detach(code = 'EIO') {
      gone = code
    },
    attach() {
      gone = undefined
    },
    async open(path, mode, openOptions) {
      await meet('open', path)
      const file = await memory.open(path, mode, openOptions)
      const node = (await file.stat()).inode
      if (mode === 'create') {
        log.push({ kind: 'make', node, isFile: true, in: await nodeOf(parentOf(path)), name: nameOf(path) })
      }
      return wrap(file, node)
    },
    async makeDirectory(path) {
      await meet('makeDirectory', path)
      const isMade = await memory.makeDirectory(path)
      if (isMade) {
        const [node, parent] = [await nodeOf(path), await nodeOf(parentOf(path))]
        log.push({ kind: 'make', node, isFile: false, in: parent, name: nameOf(path) })
      }
      return isMade
    },
    async list(path) {
      await meet('list', path)
      return memory.list(path)
    },
    async remove(path) {
      await meet('remove', path)
      await memory.remove(path)
      log.push({ kind: 'remove', in: await nodeOf(parentOf(path)), name: nameOf(path) })
    },
    async rename(from, to) {
      await meet('rename', from)
      await memory.rename(from, to)
      const [source, target] = [await nodeOf(parentOf(from)), await nodeOf(parentOf(to))]
      log.push({ kind: 'rename', in: source, name: nameOf(from), toIn: target, toName: nameOf(to) })
    },
    async stat(path) {
      await meet('stat', path)
      return memory.stat(path)
    },
    checkWritable: memory.checkWritable,
    async space(path) {
      await meet('space', path)
      return memory.space(path)
    },
    async syncDirectory(path) {
      await sync('syncDirectory', path, await nodeOf(path), () => memory.syncDirectory(path))
    },
  }
}
