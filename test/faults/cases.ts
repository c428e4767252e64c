// Which cases an operation has: each of its I/O steps, as a recording shows them, with each fault that such a step can meet.
import { createPrng } from '../../src/base/prng.ts'
import { BYSTANDERS, createBucket, put, ROOTS } from '../crash/scenario.ts'
import {
  FAULTS_OF,
  type PlannedFault,
  STEP_FAULTS,
  type Step,
  type StepFault,
  type StepKind,
} from '../support/io-steps.ts'
import { createSimulation } from '../support/simulated-store.ts'
import { type Ground, prepareGround } from '../support/store-crash.ts'
import { assert } from '../support/uvu.ts'
import { type FaultedOperation, runCase } from './one-case.ts'

const groundOf = (seed: number, { life, segmentBytes }: FaultedOperation): Promise<Ground> => {
  const first: NonNullable<FaultedOperation['life']> = async (store) => {
    await store.run(createBucket(store))
    for (const [key, { bytes }] of BYSTANDERS) await store.run(put(store, key, bytes))
  }
  const lives = life ? [first, life] : [first]
  return prepareGround(createSimulation(seed), ROOTS, lives, 1, segmentBytes)
}

const LOOKS: ReadonlySet<StepKind> = new Set<StepKind>(['stat', 'list', 'space'])
const CHANGES: ReadonlySet<StepKind> = new Set<StepKind>([
  ...(['create', 'makeDirectory', 'remove', 'rename', 'write', 'sync', 'syncDirectory', 'truncate'] as const),
])

/** What is done again and again in the same way counts once: looks that change nothing, each behind the same step. */
const distinct = (steps: readonly Step[]): number[] => {
  const seen = new Set<string>()
  let before = ''
  return steps.flatMap(({ kind, path }, at) => {
    const name = `${kind} ${path.replace(/\/shards\/..$/, '/shards')}`
    const key = `${before}, ${name}`
    before = name
    if (LOOKS.has(kind) && seen.has(key)) return []
    seen.add(key)
    return [at]
  })
}

/** What may have left something behind that only a power cut shows; of the others some. */
const isDeep = ({ at, fault }: PlannedFault, { kind }: Step): boolean =>
  at % 5 === 0 || (CHANGES.has(kind) && fault !== 'slow' && fault !== 'hang')

/** One in `every`, and at least one of each fault that any step can meet. */
const chosen = (cases: readonly PlannedFault[], every: number, seed: number): PlannedFault[] => {
  const random = createPrng(seed)
  const offset = random.below(every)
  const some = cases.filter((_, i) => (i + offset) % every === 0)
  for (const fault of STEP_FAULTS) {
    const its = cases.filter((one) => one.fault === fault)
    if (its.length > 0 && !some.some((one) => one.fault === fault)) some.push(its[random.below(its.length)]!)
  }
  return some
}

export type Counts = Readonly<Record<StepFault, number>>

/** Runs one case of `operation` in `every`; how many of each fault were met. Fails when one that there is was not. */
export const runCases = async (seed: number, operation: FaultedOperation, every: number): Promise<Counts> => {
  // From another seed: ids that were drawn for it must not be drawn again.
  const ground = await groundOf(seed + 1, operation)
  const { steps, events } = await runCase(seed, ground, operation)
  for (const event of operation.events ?? []) assert.ok(events.includes(event), `${event} is part of it`)
  const cases = distinct(steps).flatMap((at) => FAULTS_OF[steps[at]!.kind].map((fault) => ({ at, fault })))
  const counts = { EIO: 0, ENOSPC: 0, short: 0, torn: 0, slow: 0, hang: 0 }
  for (const one of chosen(cases, every, seed)) {
    const { at, fault } = one
    const step = steps[at]!
    try {
      const { wasMet } = await runCase(seed, ground, operation, one, isDeep(one, step))
      if (wasMet) counts[fault]++
    } catch (error) {
      const told = `${fault} at step ${at} (${step.kind} ${step.path})`
      throw new Error(`${told}: ${(error as Error).message}`, { cause: error })
    }
  }
  for (const fault of STEP_FAULTS) {
    assert.ok(counts[fault] > 0 || !cases.some((one) => one.fault === fault), `${fault} was met`)
  }
  return counts
}
