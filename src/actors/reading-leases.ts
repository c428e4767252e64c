// The leases of one gateway's readings. The gateway names them, so it can end one whose look-up it has no answer of: the
// bucket actor may have opened it all the same. An end that finds the mailbox full is said again: a lease that is never
// ended holds back for good what is deleted after it.
//
// Invariant: every lease that may be open is ended, once its reading is, as soon as the bucket actor takes it in.
import type { Clock, Timer } from '../base/clock.ts'
import { codeOf } from '../base/errors.ts'
import { SECOND } from '../base/units.ts'
import type { ActorRef, Address } from '../runtime/actor.ts'
import type { BucketProtocol, Opened } from './bucket-protocol.ts'
import type { ObjectAddress } from './engine.ts'

type BucketRef = ActorRef<BucketProtocol>

export interface ReadingLeases {
  /** A version to read; `end` its lease, when it has one, once nothing of it is read any more. */
  open(bucket: BucketRef, address: ObjectAddress): Promise<Opened>
  end(bucket: BucketRef, lease: number): void
  /** No end is said any more: the reader itself has ended. */
  close(): void
}

const LOOKUP_LIMIT = { withinMs: 30 * SECOND }
const AGAIN_AFTER_MS = 250

/** Of `reader`, whose own end ends them all. */
export const createReadingLeases = (reader: Address, clock: Clock): ReadingLeases => {
  let last = 0
  let isClosed = false
  const unsaid = new Map<number, BucketRef>()
  let timer: Timer | undefined
  const say = (bucket: BucketRef, lease: number): boolean =>
    bucket.tell('close', { reader: reader.path, lease })
  const sayAgain = (): void => {
    timer = undefined
    for (const [lease, bucket] of unsaid) {
      // One that is full now is full for those behind, too.
      if (!say(bucket, lease)) break
      unsaid.delete(lease)
    }
    arm()
  }
  const arm = (): void => {
    if (unsaid.size > 0) timer ??= clock.setTimer(AGAIN_AFTER_MS, sayAgain)
  }
  const end = (bucket: BucketRef, lease: number): void => {
    // A reading may be cut off after its reader has ended, and nobody is there any more to take its end in.
    if (isClosed || say(bucket, lease)) return
    unsaid.set(lease, bucket)
    arm()
  }
  return {
    open(bucket, address) {
      const lease = ++last
      return bucket.ask('open', { address, reader, lease }, LOOKUP_LIMIT).catch((error: unknown) => {
        if (codeOf(error) === 'ASK_TIMEOUT') end(bucket, lease)
        throw error
      })
    },
    end,
    close() {
      isClosed = true
      timer?.cancel()
    },
  }
}
