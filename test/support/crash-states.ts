// Power cuts: every state a disk can be in after one, as the fault model of faulty-files.ts has it. A state is a point of
// the log (everything after it did not happen) and a choice for each record before it that was not durable yet.
import type { FileSystem } from '../../src/base/files.ts'
import type { Random } from '../../src/base/prng.ts'
import { createMemoryFiles, type MemoryFiles } from '../../src/storage/files-memory.ts'
import type { FaultyFiles, LogRecord } from './faulty-files.ts'

/** Of one record: dropped, or kept; of a write also which of its sectors of `unit` bytes are kept. */
export type Choice = 'keep' | 'drop' | { readonly unit: 512 | 4096; keeps(sector: number): boolean }

type Tree = FileTree | Map<string, Tree>
interface FileTree {
  bytes: Uint8Array
}
const isDirectory = (tree: Tree | undefined): tree is Map<string, Tree> => tree instanceof Map

const nodesOf = (record: LogRecord): number[] => {
  switch (record.kind) {
    case 'write':
    case 'truncate':
      return [record.node]
    case 'rename':
      return record.in === record.toIn ? [record.in] : [record.in, record.toIn]
    case 'make':
    case 'remove':
      return [record.in]
    default:
      return []
  }
}

/** Indexes of the records before `point` that a power cut there may lose. */
export const volatileRecords = (log: readonly LogRecord[], point: number): number[] => {
  const durable = new Set<number>()
  const lost = new Set<number>()
  for (const record of log.slice(0, point)) {
    if (record.kind !== 'sync') continue
    for (let i = 0; i < record.upTo; i++) {
      if (!nodesOf(log[i]!).includes(record.node) || durable.has(i)) continue
      // After a failed sync the pages count as clean: no later one writes them.
      if (record.hasFailed) lost.add(i)
      else if (!lost.has(i)) durable.add(i)
    }
  }
  const isVolatile = (i: number): boolean => nodesOf(log[i]!).length > 0 && !durable.has(i)
  return [...Array(point).keys()].filter(isVolatile)
}

const writeInto = (file: FileTree, position: number, bytes: Uint8Array): void => {
  if (file.bytes.length < position + bytes.length) {
    const grown = new Uint8Array(position + bytes.length)
    grown.set(file.bytes)
    file.bytes = grown
  }
  file.bytes.set(bytes, position)
}

const writeTorn = (file: FileTree, record: LogRecord & { kind: 'write' }, choice: Choice): void => {
  if (choice === 'keep') writeInto(file, record.position, record.bytes)
  if (choice === 'keep' || choice === 'drop') return
  const end = record.position + record.bytes.length
  for (let sector = Math.floor(record.position / choice.unit); sector * choice.unit < end; sector++) {
    if (!choice.keeps(sector)) continue
    const start = Math.max(record.position, sector * choice.unit)
    const stop = Math.min(end, (sector + 1) * choice.unit)
    writeInto(file, start, record.bytes.subarray(start - record.position, stop - record.position))
  }
}

const truncate = (file: FileTree, size: number): void => {
  const cut = new Uint8Array(size)
  cut.set(file.bytes.subarray(0, size))
  file.bytes = cut
}

const readTree = async (files: FileSystem, path: string, nodes: Map<number, Tree>): Promise<Tree> => {
  const stat = await files.stat(path === '' ? '/' : path)
  if (stat?.kind !== 'directory') {
    const file = await files.open(path, 'read')
    const tree = { bytes: new Uint8Array(stat?.size ?? 0) }
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

const writeTree = async (files: FileSystem, path: string, tree: Tree): Promise<void> => {
  if (!isDirectory(tree)) {
    const file = await files.open(path, 'create')
    await file.write([tree.bytes], 0)
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
    const made: Tree = record.isFile ? { bytes: new Uint8Array(0) } : new Map()
    nodes.set(record.node, made)
    const parent = nodes.get(record.in)
    if (choice === 'keep' && isDirectory(parent)) parent.set(record.name, made)
  } else if (record.kind === 'write' || record.kind === 'truncate') {
    const file = nodes.get(record.node)
    if (file === undefined || isDirectory(file)) return
    if (record.kind === 'write') writeTorn(file, record, choice)
    else if (choice === 'keep') truncate(file, record.size)
  } else if ((record.kind === 'remove' || record.kind === 'rename') && choice === 'keep') {
    applyEntry(nodes, record)
  }
}

/**
 * The disk after a power cut at `point`, a new file system on which everything is durable. `start` makes what was there
 * before the log began, as it was given to createFaultyFiles.
 */
export const imageAfter = async (
  log: readonly LogRecord[],
  point: number,
  choices: ReadonlyMap<number, Choice>,
  start: (files: FileSystem) => Promise<void> = async () => undefined,
): Promise<MemoryFiles> => {
  const nodes = new Map<number, Tree>()
  const before = createMemoryFiles()
  await start(before)
  const root = await readTree(before, '', nodes)
  for (let i = 0; i < point; i++) applyRecord(nodes, log[i]!, choices.get(i) ?? 'keep')
  const files = createMemoryFiles()
  await writeTree(files, '', root)
  return files
}

const torn = (random: Random): Choice => {
  const unit = random.below(2) === 0 ? 512 : 4096
  const seed = random.below(2 ** 31)
  const style = random.below(3)
  const cut = random.below(16)
  return {
    unit,
    keeps: (sector) => {
      if (style === 0) return sector % 16 < cut
      return (Math.imul(sector ^ seed, 0x9e3779b1) >>> 7) % 2 === 0
    },
  }
}

/** All subsets when there are at most this many records to choose about; else the telling ones and random ones. */
const ENUMERATED_MAX = 7
const SAMPLES = 24

function* choicesFor(
  log: readonly LogRecord[],
  records: readonly number[],
  random: Random,
): Generator<Map<number, Choice>> {
  const from = (pick: (position: number) => Choice): Map<number, Choice> =>
    new Map(records.map((record, position) => [record, pick(position)]))
  if (records.length <= ENUMERATED_MAX) {
    for (let bits = 0; bits < 2 ** records.length; bits++) {
      yield from((position) => ((bits >> position) & 1 ? 'drop' : 'keep'))
    }
  } else {
    yield from(() => 'keep')
    yield from(() => 'drop')
    for (let only = 0; only < records.length; only++) {
      yield from((position) => (position === only ? 'drop' : 'keep'))
      yield from((position) => (position === only ? 'keep' : 'drop'))
      yield from((position) => (position <= only ? 'keep' : 'drop'))
    }
    for (let i = 0; i < SAMPLES; i++) yield from(() => (random.below(2) === 0 ? 'drop' : 'keep'))
  }
  for (const [only, record] of records.entries()) {
    if (log[record]?.kind !== 'write') continue
    for (const others of ['keep', 'drop'] as const) {
      yield from((position) => (position === only ? torn(random) : others))
    }
  }
}

export interface CrashState {
  readonly files: MemoryFiles
  readonly point: number
  /** Labels of the marks before the point: what had been acknowledged. */
  readonly marks: ReadonlySet<string>
  readonly description: string
}

/** Every crash state of a recorded log, from point `first` on. */
export async function* crashStates(
  faulty: FaultyFiles,
  random: Random,
  start?: (files: FileSystem) => Promise<void>,
  first = 0,
): AsyncGenerator<CrashState> {
  const { log } = faulty
  for (let point = first; point <= log.length; point++) {
    const kind = log[point - 1]?.kind
    // A sync alone changes nothing that its caller's next step would not show.
    if (kind === 'sync' && point < log.length) continue
    const marks = new Set(
      log.slice(0, point).flatMap((record) => (record.kind === 'mark' ? [record.label] : [])),
    )
    for (const choices of choicesFor(log, volatileRecords(log, point), random)) {
      const told = [...choices].map(
        ([record, choice]) => `${record}:${typeof choice === 'string' ? choice : 'torn'}`,
      )
      const description = `power cut after record ${point} (${kind}) with ${told.join(' ')}`
      yield { files: await imageAfter(log, point, choices, start), point, marks, description }
    }
  }
}
