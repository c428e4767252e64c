// How the keeper claims slots: a directory is locked, and shows that it can be written to, before its disk is opened. One that
// cannot be is tried again now and then, because its cause may go away.
import type { Clock } from '../base/clock.ts'
import type { FileSystem } from '../base/files.ts'
import { MINUTE, SECOND } from '../base/units.ts'
import { probeDisk } from '../storage/probe.ts'
import { describe } from '../storage/start-locks.ts'
import { lockPlace, type SlotClaims } from './slot-claims.ts'

const RETRY_MS = 10 * SECOND
/** One that takes a probe and then fails at what the store writes is tried less and less often, up to this. */
const RETRY_MS_MAX = 5 * MINUTE

export interface ClaimingOptions {
  readonly files: FileSystem
  /** Directory of a slot that has one. */
  rootIn(slot: number): string | undefined
  readonly claims: SlotClaims
  readonly relock: (root: string) => Promise<void>
  readonly clock: Clock
  /** Why the disk of the slot stays out. */
  readonly note: (slot: number, message: string) => void
}

export interface Claiming {
  /** True when the slot is claimed now. */
  claim(slot: number): Promise<boolean>
  /** Something could not be written to the disk in the slot, for the reason that the system gave. */
  refused(slot: number, system: string): void
}

interface Refusals {
  readonly count: number
  readonly atMs: number
}

export const createClaiming = (options: ClaimingOptions): Claiming => {
  const { files, rootIn, claims, relock, clock, note } = options
  const notBeforeMs = new Map<number, number>()
  const refusals = new Map<number, Refusals>()
  const noteOut = (slot: number, message: string): void => note(slot, `${message}: its disk is out`)
  return {
    async claim(slot) {
      const root = rootIn(slot)
      if (root === undefined) return false
      const nowMs = clock.monotonicMs()
      if (nowMs < (notBeforeMs.get(slot) ?? nowMs)) return false
      try {
        const place = await lockPlace(files, root, relock)
        await probeDisk(files, root).catch((error: unknown) => {
          throw describe(error, root)
        })
        claims.set(slot, place)
        return true
      } catch (error) {
        notBeforeMs.set(slot, nowMs + RETRY_MS)
        noteOut(slot, (error as Error).message)
        return false
      }
    },
    refused(slot, system) {
      const nowMs = clock.monotonicMs()
      const { count, atMs } = refusals.get(slot) ?? { count: 0, atMs: nowMs }
      const again = nowMs - atMs > 2 * RETRY_MS_MAX ? 0 : count
      refusals.set(slot, { count: again + 1, atMs: nowMs })
      notBeforeMs.set(slot, nowMs + Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** again))
      noteOut(slot, `${rootIn(slot)} cannot be written to (${system})`)
    },
  }
}
