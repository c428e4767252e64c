// Steps of digests on their way to the pool: those that wait at the same time go together, because a few MD5s side by side
// take little longer than one. None waits for company: while a thread is free, a step goes at once and alone.
import { type DigestStep, MD5_LANES } from '../codec/portable-digests.ts'

type SendStep = (step: DigestStep) => Promise<Uint8Array>

interface Waiting {
  readonly step: DigestStep
  readonly resolve: (state: Uint8Array) => void
  readonly reject: (error: unknown) => void
}

/** `run` takes a bundle to one thread; at most `bundlesMax` are there at a time. What fails a bundle fails each of its steps. */
export const createDigestBundles = (
  run: (steps: readonly DigestStep[]) => Promise<readonly Uint8Array[]>,
  bundlesMax: number,
): SendStep => {
  // No longer than the arena is large: each step that waits holds its stripe.
  const waiting: Waiting[] = []
  let running = 0
  let isDue = false

  const send = async (bundle: readonly Waiting[]): Promise<void> => {
    try {
      const states = await run(bundle.map(({ step }) => step))
      for (const [i, { resolve }] of bundle.entries()) resolve(states[i]!)
    } catch (error) {
      for (const { reject } of bundle) reject(error)
    }
  }
  const sendNext = (): void => {
    while (running < bundlesMax && waiting.length > 0) {
      const share = Math.ceil(waiting.length / (bundlesMax - running))
      running++
      void send(waiting.splice(0, Math.min(MD5_LANES, share))).then(ended)
    }
  }
  const ended = (): void => {
    running--
    if (waiting.length === 0 || isDue) return
    // Who was answered just now may come with a next step in this turn: it goes along with those that wait, not after them.
    isDue = true
    setImmediate(() => {
      isDue = false
      sendNext()
    })
  }

  return (step) =>
    new Promise((resolve, reject) => {
      waiting.push({ step, resolve, reject })
      if (!isDue) sendNext()
    })
}
