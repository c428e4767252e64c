// A file system in memory: what `disks: 'memory'` stores on, and what simulation and tests build on. It keeps the
// contract of base/files.ts (test/contract/file-system.ts runs the same cases on it and on real disks), except that there is
// no power cut to survive: what is written is there until the process ends, so `sync` has nothing to do.
//
// Directories, link counts, inode and device numbers behave as on disk, because storage looks at them to notice a disk
// that was wiped or taken away.
import { FileError, type FileSpace, type FileStat, type FileSystem, type OpenFile } from '../base/files.ts'
import { GiB, KiB } from '../base/units.ts'

/** Files grow by whole pages of this size; the first page of a file is only as long as it needs to be. */
const PAGE_BYTES = 64 * KiB
/** What a file occupies is counted in these, as file systems do. */
const ALLOCATION_BYTES = 4 * KiB
const DIRECT_ALIGNMENT = 4 * KiB

export interface MemoryFilesOptions {
  /** Size of the simulated device; writes past it fail with ENOSPC. */
  readonly totalBytes?: number
  /** Files and directories it can hold. */
  readonly inodes?: number
  /** Grants O_DIRECT and then insists on its alignment, as a real file system does. */
  readonly direct?: boolean
  readonly device?: number
  /** False: it does not say when a file was made, as some file systems do not. */
  readonly hasBirths?: boolean
}

interface FileNode {
  readonly kind: 'file'
  readonly inode: number
  links: number
  size: number
  pages: Uint8Array[]
}

interface DirectoryNode {
  readonly kind: 'directory'
  readonly inode: number
  links: number
  readonly entries: Map<string, Node>
}

type Node = FileNode | DirectoryNode

export interface MemoryFiles extends FileSystem {
  /** Another size for the device, from now on. */
  resize(totalBytes: number): void
  /** Removes a directory and all below it, open or not, in one step: what an unmounted or wiped disk looks like. */
  removeTree(path: string): void
}

const splitPath = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.')

const allocated = (size: number): number => Math.ceil(size / ALLOCATION_BYTES) * ALLOCATION_BYTES

const readPages = (node: FileNode, into: Uint8Array, position: number): number => {
  const count = Math.max(0, Math.min(into.length, node.size - position))
  for (let done = 0; done < count; ) {
    const at = (position + done) % PAGE_BYTES
    const step = Math.min(count - done, PAGE_BYTES - at)
    const page = node.pages[Math.floor((position + done) / PAGE_BYTES)]
    const held = page?.subarray(at, at + step)
    into.set(held ?? new Uint8Array(0), done)
    // A hole, or the tail of a short first page, reads as zeros.
    into.fill(0, done + (held?.length ?? 0), done + step)
    done += step
  }
  return count
}

const pageFor = (node: FileNode, index: number, bytes: number): Uint8Array => {
  const page = node.pages[index]
  if (page !== undefined && page.length >= bytes) return page
  const wanted = index === 0 && node.pages.length <= 1 ? Math.min(PAGE_BYTES, bytes * 2) : PAGE_BYTES
  const grown = new Uint8Array(wanted)
  if (page !== undefined) grown.set(page)
  while (node.pages.length < index) node.pages.push(new Uint8Array(0))
  node.pages[index] = grown
  return grown
}

const writePages = (node: FileNode, from: Uint8Array, position: number): void => {
  for (let done = 0; done < from.length; ) {
    const at = (position + done) % PAGE_BYTES
    const step = Math.min(from.length - done, PAGE_BYTES - at)
    const page = pageFor(node, Math.floor((position + done) / PAGE_BYTES), at + step)
    page.set(from.subarray(done, done + step), at)
    done += step
  }
  node.size = Math.max(node.size, position + from.length)
}

const truncatePages = (node: FileNode, size: number): void => {
  node.pages.length = Math.min(node.pages.length, Math.ceil(size / PAGE_BYTES))
  // What is cut off must read as zeros should the file grow again.
  const last = node.pages[Math.floor(size / PAGE_BYTES)]
  if (last !== undefined && size < node.size) last.fill(0, Math.min(last.length, size % PAGE_BYTES))
  node.size = size
}

/** An empty file system: one root directory, `/`. */
export const createMemoryFiles = (options: MemoryFilesOptions = {}): MemoryFiles => {
  const device = options.device ?? 1
  const inodes = options.inodes ?? Number.POSITIVE_INFINITY
  let totalBytes = options.totalBytes ?? 1_024 * GiB
  let usedBytes = 0
  let usedInodes = 1
  let lastInode = 1
  const root: DirectoryNode = { kind: 'directory', inode: 1, links: 2, entries: new Map() }

  const find = (path: string): Node | undefined => {
    let node: Node | undefined = root
    for (const part of splitPath(path)) {
      if (node?.kind !== 'directory') return undefined
      node = node.entries.get(part)
    }
    return node
  }
  const directoryOf = (operation: string, path: string): { parent: DirectoryNode; name: string } => {
    const parts = splitPath(path)
    const name = parts.pop()
    if (name === undefined) throw new FileError(operation, path, 'EBUSY')
    const parent = find(parts.join('/'))
    if (parent === undefined) throw new FileError(operation, path, 'ENOENT')
    if (parent.kind !== 'directory') throw new FileError(operation, path, 'ENOTDIR')
    return { parent, name }
  }
  const takeInode = (operation: string, path: string): number => {
    if (usedInodes >= inodes) throw new FileError(operation, path, 'ENOSPC')
    usedInodes += 1
    lastInode += 1
    return lastInode
  }
  const freeIfUnused = (node: FileNode, openCount: number): void => {
    if (node.links > 0 || openCount > 0) return
    usedBytes -= allocated(node.size)
    usedInodes -= 1
    node.pages = []
  }
  const openCounts = new Map<FileNode, number>()
  const countOpen = (node: FileNode, change: 1 | -1): void => {
    const count = (openCounts.get(node) ?? 0) + change
    if (count === 0) openCounts.delete(node)
    else openCounts.set(node, count)
    if (change === -1) freeIfUnused(node, count)
  }
  const unlink = (node: FileNode): void => {
    node.links = 0
    freeIfUnused(node, openCounts.get(node) ?? 0)
  }
  const statOf = (node: Node): FileStat => ({
    size: node.kind === 'file' ? node.size : 0,
    links: node.links,
    inode: node.inode,
    device,
    // No number is given twice, so it tells a copy from what it was made of.
    bornMs: options.hasBirths === false ? 0 : node.inode,
    kind: node.kind,
  })
  const resizeNode = (operation: string, path: string, node: FileNode, size: number): void => {
    const growth = allocated(size) - allocated(node.size)
    if (growth > 0 && usedBytes + growth > totalBytes) throw new FileError(operation, path, 'ENOSPC')
    usedBytes += growth
  }
  const unlinkTree = (directory: DirectoryNode): void => {
    for (const node of directory.entries.values()) {
      if (node.kind === 'file') unlink(node)
      else {
        unlinkTree(node)
        usedInodes -= 1
      }
    }
    directory.entries.clear()
    directory.links = 0
  }

  const openNode = (path: string, node: FileNode, isWritable: boolean, isDirect: boolean): OpenFile => {
    let isOpen = true
    countOpen(node, 1)
    const check = (operation: string, position: number, ...pieces: Uint8Array[]): void => {
      if (!isOpen) throw new FileError(operation, path, 'EBADF')
      if (!isDirect) return
      const isAligned = [position, ...pieces.flatMap((piece) => [piece.length, piece.byteOffset])].every(
        (value) => value % DIRECT_ALIGNMENT === 0,
      )
      if (!isAligned) throw new FileError(operation, path, 'EINVAL')
    }
    return {
      path,
      isDirect,
      async read(into, position) {
        check('read', position, into)
        return readPages(node, into, position)
      },
      async write(from, position) {
        check('write', position, ...from)
        if (!isWritable) throw new FileError('write', path, 'EBADF')
        const length = from.reduce((sum, piece) => sum + piece.length, 0)
        resizeNode('write', path, node, Math.max(node.size, position + length))
        for (const piece of from) {
          writePages(node, piece, position)
          position += piece.length
        }
      },
      async sync() {
        check('sync', 0)
      },
      async truncate(size) {
        check('truncate', 0)
        if (!isWritable) throw new FileError('truncate', path, 'EINVAL')
        resizeNode('truncate', path, node, size)
        truncatePages(node, size)
      },
      async stat() {
        check('stat', 0)
        return statOf(node)
      },
      async close() {
        if (!isOpen) return
        isOpen = false
        countOpen(node, -1)
      },
    }
  }

  const createFile = (path: string): FileNode => {
    const { parent, name } = directoryOf('open', path)
    if (parent.entries.has(name)) throw new FileError('open', path, 'EEXIST')
    const node: FileNode = { kind: 'file', inode: takeInode('open', path), links: 1, size: 0, pages: [] }
    parent.entries.set(name, node)
    return node
  }
  const findFile = (path: string): FileNode => {
    const { parent, name } = directoryOf('open', path)
    const node = parent.entries.get(name)
    if (node === undefined) throw new FileError('open', path, 'ENOENT')
    if (node.kind === 'directory') throw new FileError('open', path, 'EISDIR')
    return node
  }

  return {
    async open(path, mode, openOptions) {
      const node = mode === 'create' ? createFile(path) : findFile(path)
      return openNode(path, node, mode !== 'read', openOptions?.direct === true && options.direct === true)
    },
    async makeDirectory(path) {
      if (splitPath(path).length === 0) return false
      const { parent, name } = directoryOf('makeDirectory', path)
      const existing = parent.entries.get(name)
      if (existing?.kind === 'file') throw new FileError('makeDirectory', path, 'EEXIST')
      if (existing !== undefined) return false
      const inode = takeInode('makeDirectory', path)
      parent.entries.set(name, { kind: 'directory', inode, links: 2, entries: new Map() })
      return true
    },
    async list(path) {
      const node = find(path)
      if (node === undefined) throw new FileError('list', path, 'ENOENT')
      if (node.kind === 'file') throw new FileError('list', path, 'ENOTDIR')
      return [...node.entries.keys()]
    },
    async remove(path) {
      const { parent, name } = directoryOf('remove', path)
      const node = parent.entries.get(name)
      if (node === undefined) throw new FileError('remove', path, 'ENOENT')
      if (node.kind === 'directory') {
        if (node.entries.size > 0) throw new FileError('remove', path, 'ENOTEMPTY')
        node.links = 0
        usedInodes -= 1
      }
      parent.entries.delete(name)
      if (node.kind === 'file') unlink(node)
    },
    async rename(from, to) {
      const source = directoryOf('rename', from)
      const target = directoryOf('rename', to)
      const node = source.parent.entries.get(source.name)
      if (node === undefined) throw new FileError('rename', from, 'ENOENT')
      const replaced = target.parent.entries.get(target.name)
      if (replaced === node) return
      if (replaced?.kind === 'directory') throw new FileError('rename', to, 'EISDIR')
      if (replaced !== undefined) unlink(replaced)
      source.parent.entries.delete(source.name)
      target.parent.entries.set(target.name, node)
    },
    async stat(path) {
      const node = find(path)
      return node === undefined ? undefined : statOf(node)
    },
    async checkWritable(path, kind) {
      const node = find(path)
      if (node === undefined) throw new FileError('access', path, 'ENOENT')
      if (kind === 'directory' && node.kind === 'file') throw new FileError('access', path, 'ENOTDIR')
    },
    async space(path) {
      if (find(path) === undefined) throw new FileError('space', path, 'ENOENT')
      const free: FileSpace = {
        totalBytes,
        freeBytes: Math.max(0, totalBytes - usedBytes),
        freeInodes: inodes - usedInodes,
      }
      return free
    },
    async syncDirectory(path) {
      const node = find(path)
      if (node === undefined) throw new FileError('syncDirectory', path, 'ENOENT')
      if (node.kind === 'file') throw new FileError('syncDirectory', path, 'ENOTDIR')
    },
    resize(bytes) {
      totalBytes = bytes
    },
    removeTree(path) {
      const { parent, name } = directoryOf('removeTree', path)
      const node = parent.entries.get(name)
      if (node === undefined) return
      parent.entries.delete(name)
      if (node.kind === 'file') return unlink(node)
      unlinkTree(node)
      usedInodes -= 1
    },
  }
}
