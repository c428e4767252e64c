// The real server under mixed load, killed at a random instant, started again and read against the client's book, over
// and over on one store. The suite does a few rounds; scripts/kill-loop.mjs as many as one likes.
import type { Random } from '../../src/base/prng.ts'
import { createLedger } from './ledger.ts'
import {
  createCredentials,
  createTemporaryDirectory,
  type ServerProcess,
  startProcess,
} from './server-process.ts'

export interface KillRounds {
  readonly rounds: number
  readonly random: Random
  /** Called after each round whose reading was right. */
  onRound?(round: number, acknowledged: number): void
}

/** The longest life of a server; the shortest is none at all after its ready line. */
const LIFE_MS_MAX = 1200

/** Resolves to the number of acknowledged writes that were read back right. Throws at the first that was not. */
export const runKillRounds = async ({ rounds, random, onRound }: KillRounds): Promise<number> => {
  const data = createTemporaryDirectory('kill')
  const credentials = createCredentials()
  const ledger = createLedger(random)
  const start = (): Promise<ServerProcess> => startProcess({ data, credentials })
  let total = 0
  for (let round = 1; round <= rounds; round++) {
    const server = await start()
    try {
      await ledger.verify(server)
      let isOver = false
      const loading = ledger.load(server, () => isOver)
      // Whatever the lanes meet once the server is gone is no news.
      const settled = loading.catch((error: unknown) => {
        if (!isOver) throw error
        return 0
      })
      await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, random.below(LIFE_MS_MAX)))])
      isOver = true
      await server.kill()
      const acknowledged = await settled
      total += acknowledged
      onRound?.(round, acknowledged)
    } finally {
      await server.kill()
    }
  }
  const last = await start()
  try {
    await ledger.verify(last)
  } finally {
    await last.stop()
  }
  return total
}
