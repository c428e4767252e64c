// What a running server says about its redundancy, and waiting for it to be full again.
import { createSigner } from '../../bench/load/presign.ts'
import type { Redundancy } from '../../src/actors/inspector.ts'
import type { ServerProcess } from './server-process.ts'

export const readRedundancy = async (server: ServerProcess): Promise<Redundancy> => {
  const { presign } = createSigner({ ...server, nowMs: Date.now() })
  const answer = await fetch(server.endpoint + presign('GET', '/-/health/redundancy'))
  if (answer.status !== 200) throw new Error(`redundancy was answered ${answer.status}`)
  return (await answer.json()) as Redundancy
}

export const isFull = ({ waiting, disks, notServed }: Redundancy): boolean =>
  notServed.length === 0 &&
  waiting.shards === 0 &&
  waiting.bytes === 0 &&
  disks.every(({ state }) => state === 'present')

/** Resolves to the first answer that satisfies; rejects with the last one after `limitMs`. */
export const waitForRedundancy = async (
  server: ServerProcess,
  limitMs: number,
  isSatisfied: (redundancy: Redundancy) => boolean = isFull,
): Promise<Redundancy> => {
  const endMs = performance.now() + limitMs
  for (;;) {
    const redundancy = await readRedundancy(server)
    if (isSatisfied(redundancy)) return redundancy
    if (performance.now() > endMs) {
      throw new Error(`redundancy is still ${JSON.stringify(redundancy)} after ${limitMs} ms`)
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}
