// Digests in the codec pool, stripe by stripe: each step starts from what the step before it came to, on whichever thread
// that was. Different digests of a body do not wait for each other, nor for parity. A digest that is bound to its thread is
// computed here, from the chunks.
import { settleAll } from '../base/promises.ts'
import { isPortable, type PortableName } from '../codec/portable-digests.ts'
import type { BodyDigests, DigestedStripe } from './body-digests.ts'
import type { StripeCoder } from './coder.ts'
import type { DigestName } from './engine.ts'
import { createLocalDigests } from './local-digests.ts'

export const createPooledDigests = (
  names: readonly DigestName[],
  size: number,
  coder: Pick<StripeCoder, 'digest'>,
): BodyDigests => {
  const bound = createLocalDigests(
    names.filter((name) => !isPortable(name)),
    size,
  )
  /** By digest, what its newest step will come to; undefined before the first. */
  const steps = new Map<PortableName, Promise<Uint8Array | undefined>>(
    names.filter(isPortable).map((name) => [name, Promise.resolve(undefined)]),
  )

  const step = (name: PortableName, stripe: DigestedStripe): Promise<unknown> => {
    const next = steps.get(name)!.then((state) => coder.digest({ name, state, ...stripe }))
    steps.set(name, next)
    return next
  }

  return {
    takeChunk: (bytes) => bound.takeChunk(bytes),
    async takeStripe(stripe) {
      await settleAll([...steps.keys()].map((name) => step(name, stripe)))
    },
    async finish() {
      const digests = new Map(await bound.finish())
      for (const [name, last] of steps) digests.set(name, (await last)!)
      return digests
    },
  }
}
