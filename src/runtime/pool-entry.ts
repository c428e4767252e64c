// Inside of a pool's thread: runs one named function of one module. An error comes back as a value, because an Error loses
// its class and code between threads.
import { assert } from '../base/errors.ts'
import { type EncodedError, encodeError } from './wire-error.ts'

export interface PoolTask {
  readonly module: string
  readonly name: string
  readonly task: unknown
}

export interface PoolOutcome {
  readonly value: unknown
  readonly error: EncodedError | undefined
}

/** What piscina calls. */
export const runTask = async ({ module, name, task }: PoolTask): Promise<PoolOutcome> => {
  try {
    // Loaded once per thread: the engine keeps it.
    const run = ((await import(module)) as Record<string, ((task: unknown) => unknown) | undefined>)[name]
    assert(run, `${module} exports no function ${name}`)
    return { value: await run(task), error: undefined }
  } catch (error) {
    return { value: undefined, error: encodeError(error) }
  }
}
