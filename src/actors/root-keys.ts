// The root identity's keys: made and committed by the first partition, and then kept by every one, so that a partition that is not
// served locks nobody out of the others.
import { type KeyPair, openKeyPair } from '../auth/root.ts'
import { codeOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { SECOND } from '../base/units.ts'
import type { ActorRef } from '../runtime/actor.ts'
import { type BucketProtocol, ROOT_KEYS } from './bucket-protocol.ts'
import type { StoreFacts } from './store-facts.ts'

const LIMIT = { withinMs: 30 * SECOND }

/** Made now if no partition has any. `buckets` are all partitions' actors, in order. */
export const findRootKeys = async (
  buckets: readonly ActorRef<BucketProtocol>[],
  { storeKey }: Pick<StoreFacts, 'storeKey'>,
  log: Log,
): Promise<KeyPair> => {
  const asked = await Promise.allSettled(buckets.map((ref) => ref.ask('config', { name: ROOT_KEYS }, LIMIT)))
  const values = asked.map((answer) => (answer.status === 'fulfilled' ? answer.value : undefined))
  // The first partition's count, whatever the others have: it is where they are changed.
  const known = values.find((value): value is string => typeof value === 'string')
  const sealed = known ?? (await buckets[0]!.ask('rootKeys', {}, LIMIT))
  const lacking = buckets.filter((_, i) => i > 0 && asked[i]!.status === 'fulfilled' && values[i] !== sealed)
  await Promise.all(
    lacking.map(async (ref) => {
      try {
        await ref.ask('putConfig', { name: ROOT_KEYS, value: sealed }, LIMIT)
      } catch (error) {
        // The next start tries again: the first partition has them.
        log.info('root-keys-not-copied', { bucket: ref.path, code: codeOf(error) })
      }
    }),
  )
  return openKeyPair(storeKey, Buffer.from(sealed, 'base64'))
}
