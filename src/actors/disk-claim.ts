// A disk actor's hold on the claim of its slot: see slot-claims.ts. What it opens is what is locked, and it gives the claim up
// when its disk went or takes no writes: its next life is out, and asks the keeper anew, who locks what is there by then.
import { codeOf, fault } from '../base/errors.ts'
import type { Context, Handlers } from '../runtime/actor.ts'
import type { Disk } from '../storage/disk.ts'
import type { DiskProtocol } from './disk-protocol.ts'
import type { KeeperProtocol } from './keeper.ts'
import { placeOf, type SlotClaims } from './slot-claims.ts'
import { rootIn } from './slot-roots.ts'
import { filesOf, PATHS, type StoreFacts } from './store-facts.ts'

export interface ClaimOf {
  /** What is in the slot is what this process has locked for it. */
  isHeld(): Promise<boolean>
  forfeit(): void
  /** What `open` opens, if it is what is locked: before anything in it is opened, and still when it is open. */
  open<T extends { readonly disk: Disk }>(open: () => Promise<T | undefined>): Promise<T | undefined>
  /** The handlers of a disk that is in: a fault that ends its life for what the directory has become ends the claim as well. */
  guard(handlers: Handlers<DiskProtocol>): Handlers<DiskProtocol>
}

const REFUSED = new Set<unknown>(['EACCES', 'EPERM'])

const systemOf = (error: unknown): unknown =>
  (error as { detail?: { system?: unknown } } | undefined)?.detail?.system

/** A write that is not allowed shows a disk that cannot be written to, as one to a read-only file system does. */
export const writing = async <T>(write: () => Promise<T>): Promise<T> => {
  try {
    return await write()
  } catch (error) {
    if (codeOf(error) !== 'DISK_IO' || !REFUSED.has(systemOf(error))) throw error
    const { message, detail } = error as ReturnType<typeof fault>
    throw fault('DISK_READ_ONLY', message, detail, error)
  }
}

export const createClaimOf = (context: Context<DiskProtocol>, claims: SlotClaims, slot: number): ClaimOf => {
  const facts = context.workerData as StoreFacts
  const files = filesOf(facts)
  /** What an action of this life says when the next has begun is no news of it. */
  let isOver = false
  context.defer(() => {
    isOver = true
  })
  const noticed = (error: unknown): never => {
    const code = codeOf(error)
    if (!isOver && (code === 'DISK_GONE' || code === 'DISK_READ_ONLY')) {
      isOver = true
      claims.clear(slot)
      if (code === 'DISK_READ_ONLY') {
        const system = String(systemOf(error) ?? code)
        context.ref<KeeperProtocol>(PATHS.keeper).tell('unwritable', { slot, system })
      }
    }
    throw error
  }
  const isHeld = async (): Promise<boolean> => {
    // A slot may be given its directory while this life lasts.
    const root = rootIn(facts, slot)
    try {
      return root !== undefined && claims.covers(slot, await placeOf(files, root))
    } catch {
      // Nobody can say what is there.
      return false
    }
  }
  return {
    isHeld,
    forfeit: () => claims.clear(slot),
    async open(open) {
      if (!(await isHeld())) return undefined
      const opened = await writing(open).catch(noticed)
      if (!opened || (await isHeld())) return opened
      await opened.disk.close()
      return undefined
    },
    guard(handlers) {
      const guarded = Object.entries(handlers).map(([name, handle]) => [
        name,
        async (message: never) => {
          try {
            return await handle(message)
          } catch (error) {
            return noticed(error)
          }
        },
      ])
      return Object.fromEntries(guarded) as Handlers<DiskProtocol>
    },
  }
}
