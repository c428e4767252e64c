// One simulated disk: files and directories in memory that know which of their changes are durable. A change is undone and
// done again from what it replaced, so a power cut costs what was not durable, however much lies on the disk.
//
// The rules are those at the top of test/support/faulty-files.ts: a sync makes durable what was done to that file before it
// began; of all else a power cut keeps any subset, a write also in part.
import type { Random } from '../../../src/base/prng.ts'
import { SparseBytes } from './sparse-bytes.ts'

/** `lost`: a sync failed on it; no later one makes it durable. */
type EditState = 'volatile' | 'durable' | 'lost'

interface FileEdit {
  readonly kind: 'write' | 'truncate'
  readonly position: number
  readonly bytes: Uint8Array
  readonly before: Uint8Array
  readonly sizeBefore: number
  state: EditState
}

export interface FileNode {
  readonly kind: 'file'
  readonly inode: number
  readonly bornMs: number
  links: number
  readonly bytes: SparseBytes
  edits: FileEdit[]
}

export interface DirectoryNode {
  readonly kind: 'directory'
  readonly inode: number
  links: number
  readonly entries: Map<string, Node>
}

export type Node = FileNode | DirectoryNode

interface EntryEdit {
  readonly kind: 'make' | 'remove' | 'rename'
  readonly node: Node
  readonly from: DirectoryNode
  readonly name: string
  /** Of a rename. */
  readonly to?: DirectoryNode
  readonly toName?: string
  readonly replaced?: Node | undefined
  state: EditState
}

/** What a power cut did to what was not durable. */
export interface CutCounts {
  kept: number
  dropped: number
  torn: number
  names: number
}

let inodes = 1
export const createDirectoryNode = (): DirectoryNode => ({
  ...{ kind: 'directory', inode: inodes++, links: 2, entries: new Map() },
})
export const createFileNode = (bornMs: number): FileNode => ({
  ...{ kind: 'file', inode: inodes++, bornMs, links: 1, bytes: new SparseBytes(), edits: [] },
})

const noteEdit = (file: FileNode, kind: FileEdit['kind'], position: number, bytes: Uint8Array): void => {
  const { size } = file.bytes
  const end = kind === 'write' ? Math.min(size, position + bytes.length) : size
  const before = file.bytes.slice(Math.min(position, end), end)
  file.edits.push({ kind, position, bytes, before, sizeBefore: size, state: 'volatile' })
}

export const writeFileNode = (file: FileNode, position: number, bytes: Uint8Array): void => {
  noteEdit(file, 'write', position, bytes)
  file.bytes.write(position, bytes)
}

export const truncateFileNode = (file: FileNode, size: number): void => {
  noteEdit(file, 'truncate', size, new Uint8Array(0))
  file.bytes.resize(size)
}

/** What a sync that begins now makes durable when it ends. */
export const pendingEdits = (file: FileNode): FileEdit[] =>
  file.edits.filter(({ state }) => state === 'volatile')

export const settleEdits = (file: FileNode, edits: readonly FileEdit[], hasFailed: boolean): void => {
  for (const edit of edits) if (edit.state === 'volatile') edit.state = hasFailed ? 'lost' : 'durable'
  const first = file.edits.findIndex(({ state }) => state !== 'durable')
  file.edits = first < 0 ? [] : file.edits.slice(first)
}

const undoEdit = (file: FileNode, { position, before, sizeBefore }: FileEdit): void => {
  file.bytes.resize(sizeBefore)
  if (before.length > 0) file.bytes.write(position, before)
}

const redoTorn = (file: FileNode, { position, bytes }: FileEdit, random: Random): void => {
  const unit = random.below(2) === 0 ? 512 : 4096
  const end = position + bytes.length
  for (let sector = Math.floor(position / unit); sector * unit < end; sector++) {
    if (random.below(2) === 0) continue
    const start = Math.max(position, sector * unit)
    file.bytes.write(start, bytes.subarray(start - position, Math.min(end, (sector + 1) * unit) - position))
  }
}

/** How a cut treats what was not durable: of a hundred, so many dropped and so many torn. */
export interface CutStyle {
  readonly dropped: number
  readonly torn: number
}

const cutFile = (file: FileNode, style: CutStyle, random: Random, counts: CutCounts): void => {
  const { edits } = file
  file.edits = []
  for (const edit of [...edits].reverse()) undoEdit(file, edit)
  for (const edit of edits) {
    const choice = edit.state === 'durable' ? 100 : random.below(100)
    if (choice < style.dropped) counts.dropped++
    else if (edit.kind === 'truncate') file.bytes.resize(edit.position)
    else if (choice < style.dropped + style.torn && edit.bytes.length > 1) {
      counts.torn++
      redoTorn(file, edit, random)
    } else {
      counts.kept++
      file.bytes.write(edit.position, edit.bytes)
    }
  }
}

export class DiskTree {
  root = createDirectoryNode()
  readonly device: number
  #entryEdits: EntryEdit[] = []

  constructor(device: number) {
    this.device = device
  }

  find(parts: readonly string[]): Node | undefined {
    let node: Node | undefined = this.root
    for (const part of parts) node = node?.kind === 'directory' ? node.entries.get(part) : undefined
    return node
  }

  make(from: DirectoryNode, name: string, node: Node): void {
    from.entries.set(name, node)
    this.#entryEdits.push({ kind: 'make', node, from, name, state: 'volatile' })
  }

  remove(from: DirectoryNode, name: string, node: Node): void {
    from.entries.delete(name)
    node.links = 0
    this.#entryEdits.push({ kind: 'remove', node, from, name, state: 'volatile' })
  }

  rename(from: DirectoryNode, name: string, node: Node, to: DirectoryNode, toName: string): void {
    const replaced = to.entries.get(toName)
    if (replaced) replaced.links = 0
    from.entries.delete(name)
    to.entries.set(toName, node)
    this.#entryEdits.push({ kind: 'rename', node, from, name, to, toName, replaced, state: 'volatile' })
  }

  pendingEntries(directory: DirectoryNode): EntryEdit[] {
    return this.#entryEdits.filter(
      ({ from, to, state }) => state === 'volatile' && (from === directory || to === directory),
    )
  }

  settleEntries(edits: readonly EntryEdit[], hasFailed: boolean): void {
    for (const edit of edits) if (edit.state === 'volatile') edit.state = hasFailed ? 'lost' : 'durable'
    const first = this.#entryEdits.findIndex(({ state }) => state !== 'durable')
    this.#entryEdits = first < 0 ? [] : this.#entryEdits.slice(first)
  }

  /** The power goes: what is left is durable. */
  cut(style: CutStyle, random: Random): CutCounts {
    const counts: CutCounts = { kept: 0, dropped: 0, torn: 0, names: 0 }
    const edits = this.#entryEdits
    this.#entryEdits = []
    for (const edit of [...edits].reverse()) undoEntry(edit)
    for (const edit of edits) {
      if (edit.state !== 'durable' && random.below(100) < style.dropped) counts.names++
      else redoEntry(edit)
    }
    for (const file of this.files()) cutFile(file.node, style, random, counts)
    return counts
  }

  /** Every file by its path on the disk; reachable ones have a link. */
  files(): { path: string; node: FileNode }[] {
    const found: { path: string; node: FileNode }[] = []
    const walk = (directory: DirectoryNode, path: string): void => {
      for (const [name, node] of directory.entries) {
        node.links = node.kind === 'file' ? 1 : 2
        if (node.kind === 'file') found.push({ path: `${path}/${name}`, node })
        else walk(node, `${path}/${name}`)
      }
    }
    walk(this.root, '')
    return found
  }

  /** The same content, durable, on the same device, in files that are made now. */
  copy(bornMs: number): DiskTree {
    const copyOf = (node: Node): Node => {
      if (node.kind === 'file') {
        return { ...createFileNode(bornMs), bytes: node.bytes.copy() }
      }
      const made = createDirectoryNode()
      for (const [name, child] of node.entries) made.entries.set(name, copyOf(child))
      return made
    }
    const copy = new DiskTree(this.device)
    copy.root = copyOf(this.root) as DirectoryNode
    return copy
  }

  /** Everything is removed from it, open files as well. */
  empty(): void {
    for (const { node } of this.files()) node.links = 0
    const walk = (directory: DirectoryNode): void => {
      for (const node of directory.entries.values()) {
        node.links = 0
        if (node.kind === 'directory') walk(node)
      }
      directory.entries.clear()
    }
    walk(this.root)
    this.#entryEdits = []
  }
}

const undoEntry = ({ kind, node, from, name, to, toName, replaced }: EntryEdit): void => {
  if (kind === 'make') from.entries.delete(name)
  else if (kind === 'remove') from.entries.set(name, node)
  else {
    if (replaced) to!.entries.set(toName!, replaced)
    else to!.entries.delete(toName!)
    from.entries.set(name, node)
  }
}

/** What an entry that was lost would have led to is not there to be moved. */
const redoEntry = ({ kind, node, from, name, to, toName }: EntryEdit): void => {
  if (kind === 'make') from.entries.set(name, node)
  else {
    const moved = from.entries.get(name)
    from.entries.delete(name)
    if (kind === 'rename' && moved) to!.entries.set(toName!, moved)
  }
}
