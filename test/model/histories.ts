// Random histories: the same operations, in the same order, on an engine and on the reference store; every answer must be
// the same, errors by their code, restarts included.
import type { Engine } from '../../src/actors/engine.ts'
import { codeOf } from '../../src/base/errors.ts'
import type { Random } from '../../src/base/prng.ts'
import { weighted } from '../support/drawing.ts'
import { assert } from '../support/uvu.ts'
import {
  BUCKETS,
  OPERATION_WEIGHTS,
  Operations,
  OWNER,
  type Side,
  type Step,
  type Store,
} from './operations.ts'
import { createReferenceStore } from './reference-store.ts'

export interface HistoryOptions {
  readonly random: Random
  readonly steps: number
  /** Stops the engine in whatever way the test is about and starts it again; called now and then between two steps. */
  readonly restart?: () => Promise<Engine>
}

/** What an operation answered: a value, or the code of a refusal. */
export type Outcome = { readonly value: unknown } | { readonly code: string }

export const outcomeOf = async (step: Step, store: Store, side: Side): Promise<Outcome> => {
  try {
    return { value: await step.run(store, side) }
  } catch (error) {
    const code = codeOf(error)
    // A programming error has no place in either.
    if (code === 'UNEXPECTED') assert.unreachable(String((error as Error).stack))
    return { code }
  }
}

/** Throws at the first answer that differs, naming the step. The engine must be empty. */
export const compareHistory = async (
  subject: Engine,
  { random, steps, restart }: HistoryOptions,
): Promise<void> => {
  const model = createReferenceStore()
  const operations = new Operations()
  let engine = subject
  for (const side of [model, engine]) {
    await side.buckets.create(BUCKETS[0], { owner: OWNER, region: 'us-east-1' })
  }
  for (let step = 0; step < steps; ) {
    if (restart !== undefined && random.below(100) === 0) engine = await restart()
    for (const one of operations.draw(weighted(random, OPERATION_WEIGHTS), random)) {
      const expected = await outcomeOf(one, model, 0)
      const actual = await outcomeOf(one, engine, 1)
      assert.equal(actual, expected, `step ${step}: ${one.name}`)
      step++
    }
  }
  assert.is(model.leases(), 0, 'the history gives back what it takes')
}
