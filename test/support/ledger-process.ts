// The client's book in a process of its own, as clients are: it outlives every server that is killed, shares no processor time
// with whoever kills, and is told over a pipe which server to load, and which to read.
//
// The same file is both ends: forked, it keeps the book.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createPrng } from '../../src/base/prng.ts'
import { createLedger } from './ledger.ts'
import type { Target } from './s3-client.ts'

type Order =
  | { readonly kind: 'load' | 'verify'; readonly target: Target }
  /** The server is dead: lanes that wait for something end. */
  | { readonly kind: 'over' }
type Report =
  | { readonly kind: 'done'; readonly acknowledged: number; readonly tally: [string, number][] }
  | { readonly kind: 'failed'; readonly message: string }

export interface LedgerProcess {
  /** Resolves, after `over`, to how many writes were acknowledged. Rejects with an answer that no store may give. */
  load(target: Target): Promise<number>
  over(): void
  /** Rejects with the first thing that does not read as the book says. */
  verify(target: Target): Promise<void>
  /** Of all that was acknowledged so far. */
  tally(): ReadonlyMap<string, number>
  close(): void
}

const KEEPER = 'ledger'

export const startLedgerProcess = (seed: number): LedgerProcess => {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), [KEEPER, String(seed)], {
    execArgv: ['--no-warnings'],
  })
  let tally: ReadonlyMap<string, number> = new Map()
  const order = (kind: 'load' | 'verify', { endpoint, region, credentials }: Target): Promise<number> =>
    new Promise((resolve, reject) => {
      const onEnd = (): void => reject(new Error('the process that keeps the book has ended'))
      child.once('exit', onEnd)
      child.once('message', (report: Report) => {
        child.off('exit', onEnd)
        if (report.kind === 'failed') {
          reject(new Error(report.message))
          return
        }
        tally = new Map(report.tally)
        resolve(report.acknowledged)
      })
      child.send({ kind, target: { endpoint, region, credentials } } satisfies Order)
    })
  return {
    load: (target) => order('load', target),
    over: () => void child.send({ kind: 'over' } satisfies Order),
    verify: async (target) => void (await order('verify', target)),
    tally: () => tally,
    close: () => child.disconnect(),
  }
}

const keepBook = (seed: number): void => {
  const ledger = createLedger(createPrng(seed))
  let isOver = false
  const report = (one: Report): void => void process.send?.(one)
  process.on('message', (order: Order) => {
    isOver = order.kind === 'over'
    if (order.kind === 'over') return
    const work = order.kind === 'load' ? ledger.load(order.target, () => isOver) : ledger.verify(order.target)
    work.then(
      (acknowledged) => report({ kind: 'done', acknowledged: acknowledged ?? 0, tally: [...ledger.tally] }),
      (error: Error) => report({ kind: 'failed', message: error.message }),
    )
  })
  // Nothing is left of it when whoever started it is gone.
  process.on('disconnect', () => process.exit())
}

if (process.argv[2] === KEEPER && process.send) keepBook(Number(process.argv[3]))
