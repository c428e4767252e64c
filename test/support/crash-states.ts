// Power cuts: every state a disk can be in after one, as the fault model of faulty-files.ts has it. A state is a point of
// the log (everything after it did not happen) and a choice for each record before it that was not durable yet.
import type { Random } from '../../src/base/prng.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { allSubsets, randomChoices, tell, tellingChoices } from './cut-choices.ts'
import { type Choices, CutImages } from './cut-images.ts'
import type { MakeFiles } from './disk-images.ts'
import type { FaultyFiles, LogRecord } from './faulty-files.ts'
import { createImageFiles, type ImageFiles, type Inodes, readInodes } from './image-files.ts'
import { countState } from './state-count.ts'

/** All subsets when there are at most this many records to choose about; else the telling ones and random ones. */
const ENUMERATED_MAX = 7
const SAMPLES = 24

function* choicesFor(
  log: readonly LogRecord[],
  records: readonly number[],
  random: Random,
): Generator<Choices> {
  if (records.length <= ENUMERATED_MAX) yield* allSubsets(records)
  yield* tellingChoices(log, records)
  if (records.length > 0) for (let i = 0; i < SAMPLES; i++) yield randomChoices(log, records, random)
}

export interface CrashState {
  readonly files: ImageFiles
  readonly point: number
  /** Labels of the marks before the point: what had been acknowledged. */
  readonly marks: ReadonlySet<string>
  readonly description: string
}

const inodesOf = async (start: MakeFiles | undefined): Promise<Inodes> => {
  const before = createMemoryFiles()
  await start?.(before)
  return readInodes(before)
}

interface Cut {
  readonly point: number
  readonly inodes: Inodes
  readonly digest: string
  /** Which of the choices at this point it comes from, from 1 on. */
  readonly turn: number
  readonly marks: ReadonlySet<string>
  readonly description: string
}

/** Cuts at each point from `first` on, as `choicesOf` chooses among what is volatile there; those of equal bytes, with the same marks before them, once. */
async function* cutsOf(
  log: readonly LogRecord[],
  start: MakeFiles | undefined,
  first: number,
  choicesOf: (records: readonly number[]) => Iterable<Choices>,
): AsyncGenerator<Cut> {
  const images = new CutImages(log, await inodesOf(start))
  const marks = new Set<string>()
  const seen = new Set<string>()
  let marked = 0
  for (;;) {
    const record = log[images.point - 1]
    if (record?.kind === 'mark') marks.add(record.label)
    if (record?.kind === 'mark') marked++
    const { point } = images
    let turn = 0
    for (const choices of point < first ? [] : choicesOf(images.volatile())) {
      turn++
      const inodes = images.image(choices)
      const digest = inodes.digest()
      if (seen.has(`${marked} ${digest}`)) continue
      seen.add(`${marked} ${digest}`)
      const description = `power cut after record ${point} (${record?.kind}) with ${tell(choices)}`
      yield { point, inodes, digest, turn, marks: new Set(marks), description }
    }
    if (point === log.length) return
    images.next()
  }
}

/** Every crash state of a recorded log, from point `first` on. Equal ones once. */
export async function* crashStates(
  { log }: FaultyFiles,
  random: Random,
  start?: MakeFiles,
  first = 0,
): AsyncGenerator<CrashState> {
  const choicesOf = (records: readonly number[]) => choicesFor(log, records, random)
  for await (const { inodes, digest, point, marks, description } of cutsOf(log, start, first, choicesOf)) {
    countState(digest)
    yield { files: createImageFiles(inodes), point, marks, description }
  }
}

/** What a power cut now leaves at the least: all that is durable, and nothing else. */
export const cutPower = async ({ log }: FaultyFiles, start?: MakeFiles): Promise<ImageFiles> => {
  const images = new CutImages(log, await inodesOf(start))
  while (images.point < log.length) images.next()
  return createImageFiles(images.image(new Map(images.volatile().map((record) => [record, 'drop']))))
}

export interface BoundedState extends Omit<CrashState, 'files'> {
  /** The disks in this state: another file system each time. Before the next state is asked for. */
  image(): ImageFiles
  readonly inodes: Inodes
  readonly digest: string
  /** Whether all that was not durable is there (`whole`), none of it (`bare`), or some. */
  readonly extent: 'whole' | 'bare' | 'partial'
}

interface Bounds {
  readonly first?: number
  /** At a point at which more than a few records may be lost, draws so many more for each of these. */
  readonly samples?: number
  readonly random?: Random
}

/** Of so few the telling choices are most. */
const FEW = 3
const DRAWN_MAX = 16

function* boundedChoices(
  log: readonly LogRecord[],
  records: readonly number[],
  { samples = 0, random }: Bounds,
): Generator<Choices> {
  yield* tellingChoices(log, records)
  if (!random) return
  const draws = samples * Math.max(0, Math.min(records.length, DRAWN_MAX) - FEW)
  for (let i = 0; i < draws; i++) yield randomChoices(log, records, random)
}

/**
 * The states of a log that is too long for crashStates: at every point from `first` on the telling choices, and some random
 * ones. Equal ones once.
 */
export async function* boundedCrashStates(
  { log }: FaultyFiles,
  start: MakeFiles | undefined,
  bounds: Bounds = {},
): AsyncGenerator<BoundedState> {
  const choicesOf = (records: readonly number[]) => boundedChoices(log, records, bounds)
  for await (const { turn, ...cut } of cutsOf(log, start, bounds.first ?? 0, choicesOf)) {
    yield {
      ...cut,
      image: () => createImageFiles(cut.inodes),
      extent: turn === 1 ? 'whole' : turn === 2 ? 'bare' : 'partial',
    }
  }
}
