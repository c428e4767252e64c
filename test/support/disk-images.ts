// What a file system holds after the records of a log were applied to what was there before, each as it was chosen:
// kept, dropped or torn. A log has thousands of such images, so what they share (the bytes of files that no record
// touches) is shared until it is written to.
import type { FileSystem } from '../../src/base/files.ts'
import { createMemoryFiles, type MemoryFiles } from '../../src/storage/files-memory.ts'
import type { LogRecord } from './faulty-files.ts'

/** Of one record: dropped, or kept; of a write also which of its sectors of `unit` bytes are kept. */
export type Choice = 'keep' | 'drop' | { readonly unit: 512 | 4096; keeps(sector: number): boolean }

type Tree = FileTree | Map<string, Tree>
/** A file as what was in it and what was done to it, in order: bytes at a position, or another length. */
interface FileTree {
  readonly bytes: Uint8Array
  readonly edits: (readonly [position: number, bytes: Uint8Array] | number)[]
}
const isDirectory = (tree: Tree | undefined): tree is Map<string, Tree> => tree instanceof Map

const writeTorn = (file: FileTree, record: LogRecord & { kind: 'write' }, choice: Choice): void => {
  if (choice === 'keep') file.edits.push([record.position, record.bytes])
  if (choice === 'keep' || choice === 'drop') return
  const end = record.position + record.bytes.length
  for (let sector = Math.floor(record.position / choice.unit); sector * choice.unit < end; sector++) {
    if (!choice.keeps(sector)) continue
    const start = Math.max(record.position, sector * choice.unit)
    const stop = Math.min(end, (sector + 1) * choice.unit)
    file.edits.push([start, record.bytes.subarray(start - record.position, stop - record.position)])
  }
}

/** The tree below `path`; `nodes` learns each file and directory by its inode. */
const readTree = async (files: FileSystem, path: string, nodes: Map<number, Tree>): Promise<Tree> => {
  const stat = await files.stat(path === '' ? '/' : path)
  if (stat?.kind !== 'directory') {
    const file = await files.open(path, 'read')
    const tree = { bytes: new Uint8Array(stat?.size ?? 0), edits: [] }
    await file.read(tree.bytes, 0)
    await file.close()
    nodes.set(stat?.inode ?? -1, tree)
    return tree
  }
  const tree = new Map<string, Tree>()
  nodes.set(stat.inode, tree)
  for (const name of await files.list(path === '' ? '/' : path)) {
    tree.set(name, await readTree(files, `${path}/${name}`, nodes))
  }
  return tree
}

/** Another tree of the same bytes. */
const copyTree = (tree: Tree, copies: Map<Tree, Tree>): Tree => {
  const copy: Tree = isDirectory(tree)
    ? new Map([...tree].map(([name, child]) => [name, copyTree(child, copies)]))
    : { bytes: tree.bytes, edits: [] }
  copies.set(tree, copy)
  return copy
}

const writeTree = async (files: FileSystem, path: string, tree: Tree): Promise<void> => {
  if (!isDirectory(tree)) {
    const file = await files.open(path, 'create')
    await file.write([tree.bytes], 0)
    for (const edit of tree.edits) {
      if (typeof edit === 'number') await file.truncate(edit)
      else await file.write([edit[1]], edit[0])
    }
    return file.close()
  }
  if (path !== '') await files.makeDirectory(path)
  for (const [name, child] of tree) await writeTree(files, `${path}/${name}`, child)
}

const applyEntry = (nodes: Map<number, Tree>, record: LogRecord & { kind: 'remove' | 'rename' }): void => {
  const parent = nodes.get(record.in)
  if (!isDirectory(parent)) return
  const moved = parent.get(record.name)
  parent.delete(record.name)
  if (record.kind === 'remove' || moved === undefined) return
  const target = nodes.get(record.toIn)
  if (isDirectory(target)) target.set(record.toName, moved)
}

/** Applies one record to the nodes. What a lost entry would have led to simply cannot be reached. */
const applyRecord = (nodes: Map<number, Tree>, record: LogRecord, choice: Choice): void => {
  if (record.kind === 'make') {
    const made: Tree = record.isFile ? { bytes: new Uint8Array(0), edits: [] } : new Map()
    nodes.set(record.node, made)
    const parent = nodes.get(record.in)
    if (choice === 'keep' && isDirectory(parent)) parent.set(record.name, made)
  } else if (record.kind === 'write' || record.kind === 'truncate') {
    const file = nodes.get(record.node)
    if (file === undefined || isDirectory(file)) return
    if (record.kind === 'write') writeTorn(file, record, choice)
    else if (choice === 'keep') file.edits.push(record.size)
  } else if ((record.kind === 'remove' || record.kind === 'rename') && choice === 'keep') {
    applyEntry(nodes, record)
  }
}

export type MakeFiles = (files: FileSystem) => Promise<void>

/** Of the records before `point`, those in `choices` as it says and all others kept: a new file system, all durable. */
export type ImageAfter = (point: number, choices: ReadonlyMap<number, Choice>) => Promise<MemoryFiles>

/** Images of `log`; `start` makes what was there before it began, as it was given to createFaultyFiles. */
export const createImages = async (
  log: readonly LogRecord[],
  start: MakeFiles = async () => undefined,
): Promise<ImageAfter> => {
  const before = createMemoryFiles()
  await start(before)
  const first = new Map<number, Tree>()
  const root = await readTree(before, '', first)
  return async (point, choices) => {
    const copies = new Map<Tree, Tree>()
    const copy = copyTree(root, copies)
    const nodes = new Map([...first].map(([inode, tree]) => [inode, copies.get(tree)!]))
    for (let i = 0; i < point; i++) applyRecord(nodes, log[i]!, choices.get(i) ?? 'keep')
    const files = createMemoryFiles()
    await writeTree(files, '', copy)
    return files
  }
}

/** `start` of the same content as `files` has now: for a log that begins where another life ended. */
export const contentOf = async (files: FileSystem): Promise<MakeFiles> => {
  const root = await readTree(files, '', new Map())
  return (target) => writeTree(target, '', root)
}
