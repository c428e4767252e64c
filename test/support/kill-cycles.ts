// The real server under the load of another process, killed at a random instant, started again and read against the client's
// book, over and over on one store; with damage to its disks in between, if that is asked for. The suite does a few cycles, `npm
// run kill` as many as one likes.
//
//   start, read everything ── load ── kill -9 ──┬─ strike ── start, read everything ── load ── kill -9 ── bring back ─┐
//      ▲                                        │                                                                      │
//      └────────────────────────────────────────┴── start, read everything, full redundancy, a tour of the scrub ──────┘
//
// A store that was struck may be killed before its redundancy is full as well; it is struck again only when it was. What
// stands still is verified offline now and then, and must be whole.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSigner } from '../../bench/load/presign.ts'
import type { ScrubStatus } from '../../src/actors/scrubber.ts'
import type { Random } from '../../src/base/prng.ts'
import { createDiskDamage, type DamageOptions } from './kill-damage.ts'
import { LEDGER_BUCKET } from './ledger.ts'
import { startLedgerProcess } from './ledger-process.ts'
import { waitForRedundancy } from './redundancy.ts'
import { createCredentials, runProgram, type ServerProcess, startProcess } from './server-process.ts'

export interface KillOptions extends DamageOptions {
  readonly cycles: number
  readonly random: Random
  /** Called after each cycle in which all was right. */
  onCycle?(cycle: number, acknowledged: number, struck: readonly string[]): void
}

export interface KillReport {
  /** Cycles that were begun. */
  readonly cycles: number
  readonly acknowledged: number
  /** How often what was acknowledged, and what was done to the disks. */
  readonly tally: ReadonlyMap<string, number>
  /** What was wrong in the last cycle, and how to look at it. */
  readonly failure?: string
}

/** The longest life of a server; the shortest is none at all after its ready line. */
const LIFE_MS_MAX = 1200
const DISKS = 6
const PARITY = 2
/** A verification reads all that the store holds, and costs as much as a start. */
const VERIFY_EVERY = 20
const MEND_LIMIT_MS = 180_000
const POLL_MS = 100
/** As fast as it can. */
const FLAGS = ['--scrub-rate', '1GiB']

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))

/**
 * Everything that the store keeps is looked at. A tour that looks for strays has seen the rest, and is not waited for: a stray is
 * removed after a quarter of an hour. As long as it does that there is no other tour; then the shards are looked at on demand.
 */
const scrubOnce = async (server: ServerProcess): Promise<void> => {
  const { presign } = createSigner({ ...server, nowMs: Date.now() })
  const ask = async <T>(method: string, path: string, query: [string, string][] = []): Promise<T> => {
    const answer = await fetch(server.endpoint + presign(method, path, query), { method })
    if (!answer.ok) throw new Error(`${method} ${path} was answered ${answer.status}`)
    return (await answer.json()) as T
  }
  const until = async (isOver: (status: ScrubStatus) => boolean): Promise<ScrubStatus> => {
    for (const endMs = performance.now() + MEND_LIMIT_MS; ; ) {
      const status = await ask<ScrubStatus>('GET', '/-/scrub')
      if (isOver(status)) return status
      if (performance.now() > endMs) throw new Error(`the scrub is still at ${JSON.stringify(status)}`)
      await pause(POLL_MS)
    }
  }
  const hasSeenAll = ({ tour }: ScrubStatus): boolean => !tour || tour.phase === 'strays'
  const { tour } = await until(hasSeenAll)
  if (!tour) {
    await ask('POST', '/-/scrub/begin')
    await until(hasSeenAll)
    return
  }
  const { number } = await ask<{ number: number }>('POST', '/-/scrub/demand', [['bucket', LEDGER_BUCKET]])
  const stateOf = ({ demands }: ScrubStatus) => demands.find((one) => one.number === number)?.state
  const done = await until((status) => ['done', 'failed'].includes(stateOf(status) ?? ''))
  if (stateOf(done) === 'failed') throw new Error(`the scrub failed: ${JSON.stringify(done)}`)
}

class Run {
  readonly #options: KillOptions
  readonly data = mkdtempSync(join(tmpdir(), 'moraine-kill-'))
  readonly disks = Array.from({ length: DISKS }, (_, index) => join(this.data, `d${index + 1}`))
  readonly #credentials = createCredentials()
  readonly #ledger
  readonly #damage
  /** Whether all redundancy is there and nothing is damaged. */
  #isFull = true
  cycle = 0
  acknowledged = 0
  struck: readonly string[] = []

  constructor(options: KillOptions) {
    this.#options = options
    this.#ledger = startLedgerProcess(options.random.below(2 ** 31))
    this.#damage = createDiskDamage(this.disks, PARITY, options.random)
  }

  tally(): ReadonlyMap<string, number> {
    return new Map([...this.#ledger.tally(), ...this.#damage.tally])
  }

  async next(): Promise<number> {
    const { random, disks, damage } = this.#options
    this.cycle++
    const isStruck = this.#isFull && this.cycle > 1 && (disks || damage) && random.below(2) === 0
    if (isStruck) this.struck = this.#damage.strike({ disks, damage })
    const server = await startProcess({ data: this.data, credentials: this.#credentials, flags: FLAGS })
    try {
      await this.#verify(server)
      if (isStruck) this.#isFull = false
      else if (!this.#isFull && random.below(3) > 0) await this.#mend(server)
      const acknowledged = await this.#loadAndKill(server)
      this.acknowledged += acknowledged
      this.#damage.bringBack()
      if (this.#isFull && this.cycle % VERIFY_EVERY === 0) await this.#verifyOffline()
      return acknowledged
    } finally {
      await server.kill()
    }
  }

  async #verify(server: ServerProcess): Promise<void> {
    try {
      await this.#ledger.verify(server)
    } catch (error) {
      const how = server.isRunning() ? 'the server runs' : 'the server ended by itself'
      throw new Error(`${(error as Error).message}\n${how}: ${server.stderr().slice(-4000)}`, {
        cause: error,
      })
    }
  }

  async #mend(server: ServerProcess): Promise<void> {
    await waitForRedundancy(server, MEND_LIMIT_MS)
    await scrubOnce(server)
    await waitForRedundancy(server, MEND_LIMIT_MS)
    this.#isFull = true
  }

  async #loadAndKill(server: ServerProcess): Promise<number> {
    const loading = this.#ledger.load(server)
    const isEarly = loading.then(() => undefined)
    await Promise.race([isEarly, pause(this.#options.random.below(LIFE_MS_MAX))])
    if (!server.isRunning()) throw new Error(`the server ended by itself: ${server.stderr().slice(-4000)}`)
    await server.kill()
    this.#ledger.over()
    return loading
  }

  async #verifyOffline(): Promise<void> {
    const { code, stdout, stderr } = await runProgram(['verify', '--data', this.data])
    if (code !== 0) throw new Error(`moraine verify ended with ${code}: ${stdout}${stderr}`)
  }

  /** Once more everything is read, with all redundancy there; then the store is verified. */
  async end(): Promise<void> {
    const server = await startProcess({ data: this.data, credentials: this.#credentials, flags: FLAGS })
    try {
      await this.#verify(server)
      if (!this.#isFull) await this.#mend(server)
    } finally {
      await server.stop()
    }
    await this.#verifyOffline()
  }

  close(isKept: boolean): void {
    this.#ledger.close()
    if (!isKept) rmSync(this.data, { recursive: true, force: true, maxRetries: 3 })
  }

  describe(error: Error): string {
    const { accessKeyId, secretAccessKey } = this.#credentials
    return [
      `cycle ${this.cycle}: ${error.message}`,
      ...(this.struck.length > 0 ? ['last struck:', ...this.struck] : []),
      'the store is kept; look at it with',
      `  node bin/moraine.cjs verify --data ${this.data}`,
      `  MORAINE_ROOT_ACCESS_KEY=${accessKeyId} MORAINE_ROOT_SECRET_KEY=${secretAccessKey} node bin/moraine.cjs serve --data ${this.data}`,
    ].join('\n')
  }
}

/** Resolves when the cycles are done, or with the first that was wrong. */
export const runKillCycles = async (options: KillOptions): Promise<KillReport> => {
  const run = new Run(options)
  let failure: string | undefined
  try {
    while (run.cycle < options.cycles) {
      const acknowledged = await run.next()
      options.onCycle?.(run.cycle, acknowledged, run.struck)
      run.struck = []
    }
    await run.end()
  } catch (error) {
    failure = run.describe(error as Error)
  } finally {
    run.close(failure !== undefined)
  }
  const { cycle: cycles, acknowledged } = run
  return { cycles, acknowledged, tally: run.tally(), ...(failure !== undefined && { failure }) }
}
