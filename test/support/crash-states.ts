// Power cuts: every state a disk can be in after one, as the fault model of faulty-files.ts has it. A state is a point of
// the log (everything after it did not happen) and a choice for each record before it that was not durable yet.
import type { Random } from '../../src/base/prng.ts'
import type { MemoryFiles } from '../../src/storage/files-memory.ts'
import { type Choice, createImages, type MakeFiles } from './disk-images.ts'
import type { FaultyFiles, LogRecord } from './faulty-files.ts'
import { countState } from './state-count.ts'

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
const volatileRecords = (log: readonly LogRecord[], point: number): number[] => {
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
  start?: MakeFiles,
  first = 0,
): AsyncGenerator<CrashState> {
  const { log } = faulty
  const imageAfter = await createImages(log, start)
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
      countState()
      yield { files: await imageAfter(point, choices), point, marks, description }
    }
  }
}

/** What a power cut now leaves at the least: all that is durable, and nothing else. */
export const cutPower = async ({ log }: FaultyFiles, start?: MakeFiles): Promise<MemoryFiles> => {
  const imageAfter = await createImages(log, start)
  return imageAfter(log.length, new Map(volatileRecords(log, log.length).map((record) => [record, 'drop'])))
}

/** Sectors of a write that get to the disk, of `count`: its beginning, its end, every other one. */
const PIECES: readonly ((sector: number, count: number) => boolean)[] = [
  (sector) => sector === 0,
  (sector, count) => sector < count >> 1,
  (sector, count) => sector < count - 1,
  (sector) => sector > 0,
  (sector) => sector % 2 === 1,
]
const TORN_UNIT = 512

/** Every way to tear a write that PIECES names; none when it is one sector. */
const tears = (record: LogRecord): Choice[] => {
  if (record.kind !== 'write') return []
  const first = Math.floor(record.position / TORN_UNIT)
  const count = Math.ceil((record.position + record.bytes.length) / TORN_UNIT) - first
  if (count < 2) return []
  return PIECES.map((isKept) => ({ unit: TORN_UNIT, keeps: (sector) => isKept(sector - first, count) }))
}

function* boundedChoices(
  log: readonly LogRecord[],
  records: readonly number[],
): Generator<Map<number, Choice>> {
  const from = (pick: (record: number) => Choice): Map<number, Choice> =>
    new Map(records.map((record) => [record, pick(record)]))
  yield from(() => 'keep')
  yield from(() => 'drop')
  for (const only of records) yield from((record) => (record === only ? 'drop' : 'keep'))
  const last = records.findLast((record) => log[record]?.kind === 'write')
  if (last === undefined) return
  for (const torn of tears(log[last]!)) yield from((record) => (record === last ? torn : 'keep'))
}

/** What of the log is on the disk, and what had been acknowledged: equal states are looked at once. */
const stateKey = (
  log: readonly LogRecord[],
  point: number,
  choices: ReadonlyMap<number, Choice>,
  turn: number,
): string => {
  let end = point
  while (end > 0 && (nodesOf(log[end - 1]!).length === 0 || choices.get(end - 1) === 'drop')) end--
  const changed = [...choices].filter(([record, choice]) => record < end && choice !== 'keep')
  const told = changed.map(([record, choice]) => (choice === 'drop' ? `${record}` : `${record}/${turn}`))
  const marks = log.slice(0, point).filter(({ kind }) => kind === 'mark').length
  return `${marks} ${end} ${told.join()}`
}

export interface BoundedState extends Omit<CrashState, 'files'> {
  /** The disks in this state: another file system each time. */
  image(): Promise<MemoryFiles>
  /** Whether all that was not durable is there (`whole`), none of it (`bare`), or some. */
  readonly extent: 'whole' | 'bare' | 'partial'
}

/**
 * The states of a log that is too long for crashStates: at every point from `first` on, of what is not durable there,
 * everything kept; everything dropped; each single record dropped and the others kept; the last write torn in each of
 * five ways and the others kept. Equal ones once.
 */
export async function* boundedCrashStates(
  { log }: FaultyFiles,
  start?: MakeFiles,
  first = 0,
): AsyncGenerator<BoundedState> {
  const imageAfter = await createImages(log, start)
  const seen = new Set<string>()
  const marks = new Set<string>()
  for (let point = 0; point <= log.length; point++) {
    const record = log[point - 1]
    if (record?.kind === 'mark') marks.add(record.label)
    if (point < first) continue
    let turn = 0
    for (const choices of boundedChoices(log, volatileRecords(log, point))) {
      turn++
      const key = stateKey(log, point, choices, turn)
      if (seen.has(key)) continue
      seen.add(key)
      const told = [...choices].filter(([, choice]) => choice !== 'keep')
      const text = told.map(([i, choice]) => `${i}:${choice === 'drop' ? choice : `torn-${turn}`}`)
      yield {
        image: () => imageAfter(point, choices),
        point,
        marks: new Set(marks),
        extent: turn === 1 ? 'whole' : turn === 2 ? 'bare' : 'partial',
        description: `power cut after record ${point} (${record?.kind}) with ${text.join(' ')}`,
      }
    }
  }
}
