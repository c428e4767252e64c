// A file system over the image of another: what was there is shared and stays as it is, what is written here is kept apart. One is
// made for each state of the disks after a crash, so making it costs nothing, and its digest little: of all directories, names
// and bytes, from the contents that it shares with its neighbours.
//
// It keeps the contract of base/files.ts as far as a store can see; there is no end to its room.
import { FileError, type FileStat, type FileSystem, type OpenFile } from '../../src/base/files.ts'
import { GiB } from '../../src/base/units.ts'
import { type Content, contentDigest, digestOf, EMPTY, readContent, withBytes, withSize } from './contents.ts'

/** Values that are replaced, never changed: whoever holds an older table sees what was there then. */
export type Inode = Content | ReadonlyMap<string, number>
export const isDirectory = (inode: Inode | undefined): inode is ReadonlyMap<string, number> =>
  inode instanceof Map

export const ROOT_INODE = 1
const TOTAL_BYTES = 1_024 * GiB
const DIRECT_ALIGNMENT = 4096

const knownParts = new Map<string, readonly string[]>()
/** The same few paths are asked for again and again. */
const partsOf = (path: string): readonly string[] => {
  const known = knownParts.get(path)
  if (known) return known
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (knownParts.size > 10_000) knownParts.clear()
  knownParts.set(path, parts)
  return parts
}

/** Inodes by number, some of them in the table below. */
export class Inodes {
  readonly #below: Inodes | undefined
  readonly #own = new Map<number, Inode>()
  #last: number

  constructor(below?: Inodes) {
    this.#below = below
    this.#last = below === undefined ? ROOT_INODE : below.#last
    if (!below) this.#own.set(ROOT_INODE, new Map())
  }

  get(inode: number): Inode | undefined {
    return this.#own.get(inode) ?? this.#below?.get(inode)
  }

  set(inode: number, value: Inode): void {
    this.#own.set(inode, value)
    this.#last = Math.max(this.#last, inode)
  }

  add(value: Inode): number {
    this.set(this.#last + 1, value)
    return this.#last
  }

  /** Gives `directory` another entry, or none, under `name`. */
  enter(directory: number, name: string, inode: number | undefined): void {
    const known = this.get(directory)
    if (!isDirectory(known)) return
    const entries = new Map(known)
    if (inode === undefined) entries.delete(name)
    else entries.set(name, inode)
    this.set(directory, entries)
  }

  /** What is under `path`; undefined for nothing. */
  find(path: string): number | undefined {
    let inode = ROOT_INODE
    for (const part of partsOf(path)) {
      const directory = this.get(inode)
      const next = isDirectory(directory) ? directory.get(part) : undefined
      if (next === undefined) return undefined
      inode = next
    }
    return inode
  }

  /** Of all that can be reached from the root. */
  digest(): string {
    return digestOf(Buffer.from(this.tell(ROOT_INODE), 'latin1'))
  }

  /** All names and digests of contents below; of directories with one of these names only that they are there. */
  tell(inode: number | undefined, without: readonly string[] = []): string {
    const value = inode === undefined ? undefined : this.get(inode)
    if (!isDirectory(value)) return value ? contentDigest(value) : ''
    let told = '{'
    for (const name of [...value.keys()].sort()) {
      told += without.includes(name) ? `${name}/` : `${name}\0${this.tell(value.get(name), without)},`
    }
    return `${told}}`
  }
}

export interface ImageFiles extends FileSystem {
  readonly inodes: Inodes
  /** What a file holds now; the same object as long as it is not written to. */
  contentAt(path: string): Content | undefined
}

export interface ImageOptions {
  /** Grants O_DIRECT and then insists on its alignment. */
  readonly direct?: boolean
}

class Names {
  readonly inodes: Inodes
  readonly unlinked = new Set<number>()

  constructor(inodes: Inodes) {
    this.inodes = inodes
  }

  find(path: string): number | undefined {
    return this.inodes.find(path)
  }

  /** Of what `path` would be in; rejects as the system does. */
  parent(operation: string, path: string): { directory: number; name: string; inode: number | undefined } {
    const name = partsOf(path).at(-1)
    if (name === undefined) throw new FileError(operation, path, 'EBUSY')
    const directory = this.find(path.slice(0, path.lastIndexOf('/')))
    if (directory === undefined) throw new FileError(operation, path, 'ENOENT')
    const entries = this.inodes.get(directory)
    if (!isDirectory(entries)) throw new FileError(operation, path, 'ENOTDIR')
    return { directory, name, inode: entries.get(name) }
  }

  directory(operation: string, path: string): ReadonlyMap<string, number> {
    const inode = this.find(path)
    if (inode === undefined) throw new FileError(operation, path, 'ENOENT')
    const entries = this.inodes.get(inode)
    if (!isDirectory(entries)) throw new FileError(operation, path, 'ENOTDIR')
    return entries
  }

  stat(inode: number): FileStat {
    const value = this.inodes.get(inode)!
    const isGone = this.unlinked.has(inode)
    // Made of what another held: each of its files would be a copy.
    const shared = { inode, device: 1, bornMs: 0 }
    if (isDirectory(value)) return { ...shared, size: 0, links: isGone ? 0 : 2, kind: 'directory' }
    return { ...shared, size: value.size, links: isGone ? 0 : 1, kind: 'file' }
  }

  rename(from: string, to: string): void {
    const source = this.parent('rename', from)
    const target = this.parent('rename', to)
    if (source.inode === undefined) throw new FileError('rename', from, 'ENOENT')
    if (target.inode === source.inode) return
    if (target.inode !== undefined) {
      if (isDirectory(this.inodes.get(target.inode))) throw new FileError('rename', to, 'EISDIR')
      this.unlinked.add(target.inode)
    }
    this.inodes.enter(source.directory, source.name, undefined)
    this.inodes.enter(target.directory, target.name, source.inode)
  }

  remove(path: string): void {
    const { directory, name, inode } = this.parent('remove', path)
    if (inode === undefined) throw new FileError('remove', path, 'ENOENT')
    const value = this.inodes.get(inode)
    if (isDirectory(value) && value.size > 0) throw new FileError('remove', path, 'ENOTEMPTY')
    this.inodes.enter(directory, name, undefined)
    this.unlinked.add(inode)
  }

  /** The file at `path`, made anew with `isNew`. */
  file(path: string, isNew: boolean): number {
    const { directory, name, inode } = this.parent('open', path)
    if (!isNew && inode === undefined) throw new FileError('open', path, 'ENOENT')
    if (!isNew && isDirectory(this.inodes.get(inode!))) throw new FileError('open', path, 'EISDIR')
    if (!isNew) return inode!
    if (inode !== undefined) throw new FileError('open', path, 'EEXIST')
    const made = this.inodes.add(EMPTY)
    this.inodes.enter(directory, name, made)
    return made
  }
}

const openInode = (
  names: Names,
  inode: number,
  { path, isDirect, isWritable }: { path: string; isDirect: boolean; isWritable: boolean },
): OpenFile => {
  const { inodes } = names
  let isOpen = true
  const content = (): Content => inodes.get(inode) as Content
  const check = (operation: string, position: number, ...pieces: Uint8Array[]): void => {
    if (!isOpen) throw new FileError(operation, path, 'EBADF')
    if (!isDirect) return
    const values = [position, ...pieces.flatMap((piece) => [piece.length, piece.byteOffset])]
    if (values.some((value) => value % DIRECT_ALIGNMENT !== 0)) throw new FileError(operation, path, 'EINVAL')
  }
  return {
    path,
    isDirect,
    async read(into, position) {
      check('read', position, into)
      return readContent(content(), into, position)
    },
    async write(from, position) {
      check('write', position, ...from)
      if (!isWritable) throw new FileError('write', path, 'EBADF')
      for (const piece of from) {
        // Its owner may use the memory again.
        inodes.set(inode, withBytes(content(), position, piece.slice()))
        position += piece.length
      }
    },
    async sync() {
      check('sync', 0)
    },
    async truncate(size) {
      check('truncate', 0)
      if (!isWritable) throw new FileError('truncate', path, 'EINVAL')
      inodes.set(inode, withSize(content(), size))
    },
    async stat() {
      check('stat', 0)
      return names.stat(inode)
    },
    async close() {
      isOpen = false
    },
  }
}

/** What `below` holds, which must not change meanwhile, and what is written from here on. */
export const createImageFiles = (below: Inodes, { direct = false }: ImageOptions = {}): ImageFiles => {
  const inodes = new Inodes(below)
  const names = new Names(inodes)
  return {
    inodes,
    contentAt(path) {
      const inode = names.find(path)
      const value = inode === undefined ? undefined : inodes.get(inode)
      return isDirectory(value) ? undefined : value
    },
    async open(path, mode, options) {
      const inode = names.file(path, mode === 'create')
      const isDirect = direct && options?.direct === true
      return openInode(names, inode, { path, isDirect, isWritable: mode !== 'read' })
    },
    async makeDirectory(path) {
      if (partsOf(path).length === 0) return false
      const { directory, name, inode } = names.parent('makeDirectory', path)
      if (inode !== undefined) {
        if (!isDirectory(inodes.get(inode))) throw new FileError('makeDirectory', path, 'EEXIST')
        return false
      }
      inodes.enter(directory, name, inodes.add(new Map()))
      return true
    },
    list: async (path) => [...names.directory('list', path).keys()],
    remove: async (path) => names.remove(path),
    rename: async (from, to) => names.rename(from, to),
    async stat(path) {
      const inode = names.find(path)
      return inode === undefined ? undefined : names.stat(inode)
    },
    async checkWritable(path, kind) {
      const inode = names.find(path)
      if (inode === undefined) throw new FileError('access', path, 'ENOENT')
      if (kind === 'directory') names.directory('access', path)
    },
    async space(path) {
      if (names.find(path) === undefined) throw new FileError('space', path, 'ENOENT')
      return { totalBytes: TOTAL_BYTES, freeBytes: TOTAL_BYTES, freeInodes: Number.POSITIVE_INFINITY }
    },
    async syncDirectory(path) {
      names.directory('syncDirectory', path)
    },
  }
}

/** The same tree with the same inode numbers, read from another file system. */
export const readInodes = async (files: FileSystem): Promise<Inodes> => {
  const inodes = new Inodes()
  const read = async (path: string): Promise<number> => {
    const stat = (await files.stat(path === '' ? '/' : path))!
    if (stat.kind === 'directory') {
      const entries = new Map<string, number>()
      for (const name of await files.list(path === '' ? '/' : path)) {
        entries.set(name, await read(`${path}/${name}`))
      }
      inodes.set(stat.inode, entries)
    } else {
      const bytes = new Uint8Array(stat.size)
      const file = await files.open(path, 'read')
      await file.read(bytes, 0)
      await file.close()
      inodes.set(stat.inode, withBytes(EMPTY, 0, bytes))
    }
    return stat.inode
  }
  await read('')
  return inodes
}
