// uvu, with the manners it lacks: a time limit on every asynchronous test that names the test, a seed for every
// random one, assertions on error codes, and a skip that says why.
import { spawnSync } from 'node:child_process'
import { type Callback, type Test, suite as uvuSuite } from 'uvu'
import * as assert from 'uvu/assert'
import { createPrng, type Random } from '../../src/base/prng.ts'

export { assert }
export const suite = uvuSuite

/** A machine that has much else to do may stand still for seconds: no limit is shorter than this. */
const LIMIT_MIN_MS = 30_000

/**
 * Fails the test by name when it has not settled within `limitMs`, or when what it began and does not look at yet rejects: uvu
 * itself would end the whole run without a name.
 */
export const deadline =
  (limitMs: number, body: () => Promise<void>): Callback =>
  async () => {
    let timer: NodeJS.Timeout | undefined
    let onStray: ((cause: unknown) => void) | undefined
    const limit = new Promise<never>((_, reject) => {
      const waitMs = Math.max(limitMs, LIMIT_MIN_MS)
      timer = setTimeout(() => reject(new Error(`not settled within ${waitMs} ms`)), waitMs)
      onStray = reject
      process.on('unhandledRejection', onStray)
    })
    try {
      await Promise.race([body(), limit])
    } finally {
      clearTimeout(timer)
      if (onStray) process.off('unhandledRejection', onStray)
    }
  }

/** Runs `body` with a random stream; a failure says `seed=N`, and `SEED=N` in the environment replays it. */
export const seeded =
  (limitMs: number, body: (random: Random, seed: number) => Promise<void> | void): Callback =>
  async (context) => {
    const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    try {
      await deadline(limitMs, async () => body(createPrng(seed), seed))(context)
    } catch (error) {
      if (error instanceof Error) error.message = `seed=${seed}: ${error.message}`
      throw error
    }
  }

/** Resolves to the error when `action` fails with `code`; anything else is a failed assertion. */
export const rejectsWith = async (code: string, action: () => unknown): Promise<Error> => {
  try {
    await action()
  } catch (error) {
    assert.is((error as { code?: unknown }).code, code, String((error as Error).stack))
    return error as Error
  }
  return assert.unreachable(`expected ${code}, but nothing was thrown`) as never
}

/** Whether `command --version` (or `version`) runs here. */
export const hasCommand = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args.length > 0 ? args : ['--version'], { stdio: 'ignore' }).status === 0

/**
 * A registrar for tests that need something this machine may lack. Missing: the test is printed and counted as skipped,
 * or, where MORAINE_REQUIRE_CLIENTS=1 says that nothing may be missing, it fails.
 */
export const needing = (
  test: Test,
  what: string,
  isPresent: boolean,
): ((name: string, body: Callback) => void) => {
  if (isPresent) return (name, body) => void test(name, body)
  const isRequired = process.env['MORAINE_REQUIRE_CLIENTS'] === '1'
  return (name, body) => {
    if (isRequired) {
      test(name, () => assert.unreachable(`${what} is required here and is not installed`))
      return
    }
    process.stdout.write(`skipped, no ${what}: ${name}\n`)
    test.skip(name, body)
  }
}
