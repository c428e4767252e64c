// The machine of a simulation: its disks, what is wrong with each of them, and the file systems of one process after
// another. Every operation takes simulated time, so that a kill or a power cut finds writes on their way; a process that has
// ended is answered nothing any more, and nothing of it lands.
import { Buffer } from 'node:buffer'
import { type Clock, sleep } from '../../../src/base/clock.ts'
import { FileError, type FileSystem, type OpenFile, type OpenMode } from '../../../src/base/files.ts'
import { createMemo } from '../../../src/base/memo.ts'
import type { Random } from '../../../src/base/prng.ts'
import { GiB } from '../../../src/base/units.ts'
import { decodeIdentity } from '../../../src/storage/identity-file.ts'
import { IDENTITY_NAME } from '../../../src/storage/layout.ts'
import type { Operation } from '../../support/faulty-files.ts'
import {
  type CutStyle,
  createDirectoryNode,
  createFileNode,
  type DirectoryNode,
  DiskTree,
  type FileNode,
  type Node,
  pendingEdits,
  settleEdits,
  truncateFileNode,
  writeFileNode,
} from './disk-tree.ts'
import type { Tally } from './tally.ts'

/** What happens to one operation, and is over. */
export type OneShot = 'torn write' | 'misdirected write' | 'flipped read' | 'failed sync' | 'EIO'

const OPERATION_OF: Readonly<Record<Exclude<OneShot, 'EIO'>, readonly Operation[]>> = {
  'torn write': ['write'],
  'misdirected write': ['write'],
  'flipped read': ['read'],
  'failed sync': ['sync', 'syncDirectory'],
}

/** What is wrong with a disk as long as it is. */
interface Condition {
  isFull: boolean
  isReadOnly: boolean
  /** Operations take so many times as long. */
  slowness: number
  hang: Promise<void> | undefined
  oneShots: OneShot[]
}

const IDENTITY_PATH = [IDENTITY_NAME]

export class SimulatedDisk {
  readonly tree: DiskTree
  isMounted = true
  isThere = true
  /** In place of a disk that is away. */
  isStandIn = false
  /** How often it was emptied: what it held before is then another disk. */
  lives = 1
  /** It did something wrong to what lies on it, and told nobody; in a segment that is written to no scrub sees that before it is full. */
  isHurtInSilence = false
  /** Which of the files that say which disk it is had bits flipped. */
  hurtIdentity: string | undefined
  condition: Condition = well()

  constructor(tree: DiskTree) {
    this.tree = tree
  }

  /** Its number in the table of disks, if it has one. */
  get number(): number | undefined {
    const node = this.tree.find(IDENTITY_PATH)
    if (node?.kind !== 'file') return undefined
    const identity = decodeIdentity(node.bytes.slice(0, node.bytes.size))
    return identity.kind === 'ok' ? identity.value.number : undefined
  }
}

const well = (): Condition => ({
  ...{ isFull: false, isReadOnly: false, slowness: 1, hang: undefined, oneShots: [] },
})

const WRITING: ReadonlySet<string> = new Set<Operation>([
  ...(['makeDirectory', 'remove', 'rename', 'write', 'truncate'] as const),
])
const SLOW_OPERATIONS: ReadonlySet<string> = new Set<Operation>([
  ...(['read', 'write', 'sync', 'syncDirectory', 'rename', 'remove'] as const),
])
const DEVICE = 1
const BARE_DEVICE = 2
const NEVER = new Promise<never>(() => undefined)

export interface Process {
  readonly files: FileSystem
  end(): void
}

export class Machine {
  readonly slots: SimulatedDisk[]
  readonly #clock: Clock
  readonly #random: Random
  readonly #tally: Tally

  constructor(disks: number, clock: Clock, random: Random, tally: Tally) {
    this.slots = Array.from({ length: disks }, () => new SimulatedDisk(new DiskTree(DEVICE)))
    this.#clock = clock
    this.#random = random
    this.#tally = tally
  }

  get roots(): string[] {
    return this.slots.map((_, slot) => `/d${slot + 1}`)
  }

  /** What lies where disk `slot` should be is `disk` from now on; what was there is returned. */
  mount(slot: number, disk: SimulatedDisk): SimulatedDisk {
    const before = this.slots[slot]!
    before.isMounted = false
    disk.isMounted = true
    this.slots[slot] = disk
    return before
  }

  /** An empty directory of the root file system: a disk that is not mounted. */
  bareMountPoint(): SimulatedDisk {
    const disk = new SimulatedDisk(new DiskTree(BARE_DEVICE))
    disk.isStandIn = true
    return disk
  }

  /** Nothing at all: there is no such directory. */
  noDisk(): SimulatedDisk {
    const disk = this.bareMountPoint()
    disk.isThere = false
    return disk
  }

  /** Nothing is wrong with any disk that is there. */
  calm(): void {
    for (const disk of this.slots) disk.condition = well()
  }

  cutPower(style: CutStyle): void {
    for (const disk of this.slots) {
      const { dropped, torn, names } = disk.tree.cut(style, this.#random)
      if (dropped > 0) this.#tally.count('faults', 'lost write')
      if (torn > 0) this.#tally.count('faults', 'write torn by a power cut')
      if (names > 0) this.#tally.count('faults', 'lost name')
    }
  }

  start(): Process {
    const process = new ProcessFiles(this, this.#clock, this.#random, this.#tally)
    return { files: process.files(), end: () => process.end() }
  }
}

/** The same paths are looked at all the time. */
const placeOf = createMemo(
  4096,
  (path: string): { readonly slot: number; readonly parts: readonly string[] } => {
    const [first, ...parts] = path.split('/').filter((part) => part !== '')
    return { slot: first === undefined ? ROOT : Number(first.slice(1)) - 1, parts }
  },
)
/** In place of a slot: the directory that the disks are in. */
const ROOT = -1

class ProcessFiles {
  readonly #machine: Machine
  readonly #clock: Clock
  readonly #random: Random
  readonly #tally: Tally
  #hasEnded = false

  constructor(machine: Machine, clock: Clock, random: Random, tally: Tally) {
    this.#machine = machine
    this.#clock = clock
    this.#random = random
    this.#tally = tally
  }

  end(): void {
    this.#hasEnded = true
  }

  #diskAt(operation: string, path: string): { disk: SimulatedDisk; parts: readonly string[] } {
    const { slot, parts } = placeOf(path)
    const disk = this.#machine.slots[slot]
    if (!disk?.isThere && operation !== 'stat') throw new FileError(operation, path, 'ENOENT')
    return { disk: disk!, parts }
  }

  /** Before an operation: waits as long as the disk makes it wait, and meets what is wrong with it. */
  async #meet(operation: Operation, path: string, disk: SimulatedDisk): Promise<OneShot | undefined> {
    // What need not wait does not: each turn of the engine that is saved here is saved a hundred thousand times.
    if (this.#hasEnded) await NEVER
    const isSync = operation === 'sync' || operation === 'syncDirectory'
    const takesTime = isSync || disk.condition.slowness > 1 || this.#random.below(2) === 0
    if (takesTime && SLOW_OPERATIONS.has(operation)) {
      // No sync is done at once.
      await sleep(this.#clock, ((isSync ? 5 : 0) + this.#random.below(20)) * 0.1 * disk.condition.slowness)
    }
    if (disk.condition.hang) await disk.condition.hang
    if (this.#hasEnded) await NEVER
    if (!disk.isMounted) throw new FileError(operation, path, 'EIO')
    const { condition } = disk
    if (condition.isReadOnly && WRITING.has(operation)) throw new FileError(operation, path, 'EROFS')
    if (condition.isFull && (operation === 'write' || operation === 'makeDirectory')) {
      throw new FileError(operation, path, 'ENOSPC')
    }
    const at = condition.oneShots.findIndex(
      (what) => what === 'EIO' || OPERATION_OF[what].includes(operation),
    )
    if (at < 0 || this.#random.below(3) === 0) return undefined
    const [what] = condition.oneShots.splice(at, 1)
    this.#tally.count('faults', what!)
    if (what === 'EIO') throw new FileError(operation, path, 'EIO')
    return what
  }

  #directory(operation: string, path: string, disk: SimulatedDisk, parts: readonly string[]): DirectoryNode {
    const node = disk.tree.find(parts)
    if (!node) throw new FileError(operation, path, 'ENOENT')
    if (node.kind === 'file') throw new FileError(operation, path, 'ENOTDIR')
    return node
  }

  async #open(path: string, mode: OpenMode): Promise<OpenFile> {
    const { disk, parts } = this.#diskAt('open', path)
    await this.#meet('open', path, disk)
    const { condition, tree } = disk
    if (mode !== 'read' && condition.isReadOnly) throw new FileError('open', path, 'EROFS')
    const directory = this.#directory('open', path, disk, parts.slice(0, -1))
    const name = parts.at(-1) ?? ''
    const found = directory.entries.get(name)
    if (mode === 'create') {
      if (found) throw new FileError('open', path, 'EEXIST')
      if (condition.isFull) throw new FileError('open', path, 'ENOSPC')
      const node = createFileNode(this.#clock.nowMs())
      tree.make(directory, name, node)
      return this.#openNode(path, disk, node)
    }
    if (!found) throw new FileError('open', path, 'ENOENT')
    if (found.kind === 'directory') throw new FileError('open', path, 'EISDIR')
    return this.#openNode(path, disk, found)
  }

  #openNode(path: string, disk: SimulatedDisk, node: FileNode): OpenFile {
    const meet = (operation: Operation) => this.#meet(operation, path, disk)
    return {
      ...{ path, isDirect: false },
      read: async (into, position) => {
        const what = await meet('read')
        const count = node.bytes.read(into, position)
        if (what === 'flipped read' && count > 0)
          into[this.#random.below(count)]! ^= 1 << this.#random.below(8)
        return count
      },
      write: async (from, position) => {
        const bytes = Buffer.concat(from)
        // What is on its way may be on the disk before its writer hears of it.
        const isEarly = disk.isMounted && isPlain(disk) && !this.#hasEnded && this.#random.below(2) === 0
        if (isEarly) writeFileNode(node, position, bytes)
        const what = await meet('write')
        if (what === 'torn write') {
          if (!isEarly) writeFileNode(node, position, bytes.subarray(0, this.#random.below(bytes.length + 1)))
          throw new FileError('write', path, 'EIO')
        }
        if (what === 'misdirected write' && !isEarly) {
          disk.isHurtInSilence = true
          return writeFileNode(node, position + 4096 * (1 + this.#random.below(3)), bytes)
        }
        if (!isEarly) writeFileNode(node, position, bytes)
      },
      sync: async () => {
        const edits = pendingEdits(node)
        const hasFailed = (await meet('sync')) === 'failed sync'
        settleEdits(node, edits, hasFailed)
        if (hasFailed) throw new FileError('sync', path, 'EIO')
      },
      truncate: async (size) => {
        await meet('truncate')
        truncateFileNode(node, size)
      },
      stat: async () => {
        await meet('stat')
        return statOf(node, disk)
      },
      close: async () => undefined,
    }
  }

  async #makeDirectory(path: string): Promise<boolean> {
    const { disk, parts } = this.#diskAt('makeDirectory', path)
    if (parts.length === 0) return false
    const existing = disk.tree.find(parts)
    if (existing?.kind === 'directory') return false
    await this.#meet('makeDirectory', path, disk)
    const parent = this.#directory('makeDirectory', path, disk, parts.slice(0, -1))
    const name = parts.at(-1)!
    const found = parent.entries.get(name)
    if (found?.kind === 'file') throw new FileError('makeDirectory', path, 'EEXIST')
    if (found) return false
    disk.tree.make(parent, name, createDirectoryNode())
    return true
  }

  async #remove(path: string): Promise<void> {
    const { disk, parts } = this.#diskAt('remove', path)
    await this.#meet('remove', path, disk)
    const parent = this.#directory('remove', path, disk, parts.slice(0, -1))
    const node = parent.entries.get(parts.at(-1)!)
    if (!node) throw new FileError('remove', path, 'ENOENT')
    if (node.kind === 'directory' && node.entries.size > 0) throw new FileError('remove', path, 'ENOTEMPTY')
    disk.tree.remove(parent, parts.at(-1)!, node)
  }

  async #rename(from: string, to: string): Promise<void> {
    const source = this.#diskAt('rename', from)
    const target = this.#diskAt('rename', to)
    if (source.disk !== target.disk) throw new FileError('rename', from, 'EXDEV')
    const { disk } = source
    await this.#meet('rename', from, disk)
    const parent = this.#directory('rename', from, disk, source.parts.slice(0, -1))
    const into = this.#directory('rename', to, disk, target.parts.slice(0, -1))
    const node = parent.entries.get(source.parts.at(-1)!)
    if (!node) throw new FileError('rename', from, 'ENOENT')
    const toName = target.parts.at(-1)!
    const replaced = into.entries.get(toName)
    if (replaced === node) return
    if (replaced?.kind === 'directory') throw new FileError('rename', to, 'EISDIR')
    disk.tree.rename(parent, source.parts.at(-1)!, node, into, toName)
  }

  async #syncDirectory(path: string): Promise<void> {
    if (placeOf(path).slot === ROOT) return
    const { disk, parts } = this.#diskAt('syncDirectory', path)
    const edits = disk.tree.pendingEntries(this.#directory('syncDirectory', path, disk, parts))
    const hasFailed = (await this.#meet('syncDirectory', path, disk)) === 'failed sync'
    disk.tree.settleEntries(edits, hasFailed)
    if (hasFailed) throw new FileError('syncDirectory', path, 'EIO')
  }

  files(): FileSystem {
    return {
      open: (path, mode) => this.#open(path, mode),
      makeDirectory: (path) => this.#makeDirectory(path),
      remove: (path) => this.#remove(path),
      rename: (from, to) => this.#rename(from, to),
      syncDirectory: (path) => this.#syncDirectory(path),
      list: async (path) => {
        if (this.#hasEnded) await NEVER
        if (placeOf(path).slot === ROOT) return this.#machine.roots.map((root) => root.slice(1))
        const { disk, parts } = this.#diskAt('list', path)
        await this.#meet('list', path, disk)
        return [...this.#directory('list', path, disk, parts).entries.keys()]
      },
      stat: async (path) => {
        if (placeOf(path).slot === ROOT) return { ...ROOT_STAT }
        const { disk, parts } = this.#diskAt('stat', path)
        if (!disk?.isThere) return undefined
        // Asked for most often of all.
        if (!isPlain(disk) || this.#hasEnded) await this.#meet('stat', path, disk)
        const node = disk.tree.find(parts)
        return node && statOf(node, disk)
      },
      checkWritable: async (path, kind) => {
        const { disk, parts } = this.#diskAt('access', path)
        await this.#meet('stat', path, disk)
        const node = disk.tree.find(parts)
        if (!node) throw new FileError('access', path, 'ENOENT')
        if (disk.condition.isReadOnly) throw new FileError('access', path, 'EROFS')
        if (kind === 'directory' && node.kind === 'file') throw new FileError('access', path, 'ENOTDIR')
      },
      space: async (path) => {
        const { disk } = this.#diskAt('space', path)
        if (!isPlain(disk) || this.#hasEnded) await this.#meet('space', path, disk)
        const freeBytes = disk.condition.isFull ? 0 : 64 * GiB
        return { totalBytes: 64 * GiB, freeBytes, freeInodes: 1_000_000 }
      },
    }
  }
}

const ROOT_STAT = { size: 0, links: 2, inode: 0, bornMs: 0, device: BARE_DEVICE, kind: 'directory' } as const

const isPlain = ({ condition }: SimulatedDisk): boolean =>
  !condition.isFull && !condition.isReadOnly && !condition.hang && condition.oneShots.length === 0

const statOf = (node: Node, { tree }: SimulatedDisk) => ({
  size: node.kind === 'file' ? node.bytes.size : 0,
  ...{ links: node.links, inode: node.inode, device: tree.device, kind: node.kind },
  bornMs: node.kind === 'file' ? node.bornMs : 0,
})
