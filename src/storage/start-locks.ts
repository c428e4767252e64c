// The locks of a start: taken one directory after the other, taken back when the start is refused, and taken anew while the
// store runs, where a directory comes back that was away. A directory that cannot be locked for a reason of its own (read-only,
// another owner, a broken device) is told apart from one that somebody else holds: the store may do without the first.
import { codeOf, type FaultCode, fault, type MoraineError, unavailable } from '../base/errors.ts'
import { FileError, type FileSystem } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { isTooManyOpen } from './disk-errors.ts'
import { type FilesOf, makeRoot } from './forming.ts'
import type { StoreLock, TakeLock } from './lock.ts'
import { findLockPlace } from './lock-place.ts'
import { findUnwritable } from './writable.ts'

/** What a start has done that a refusal takes back, last first. */
export class Undo {
  readonly #actions: (() => Promise<void>)[] = []
  add(action: () => Promise<void>): void {
    this.#actions.push(action)
  }
  /** What one of them cannot take back keeps none of the others from it: the locks among them are this process's. */
  async run(log: Log): Promise<void> {
    for (const action of this.#actions.reverse()) {
      await action().catch((error: unknown) => log.warn('start-not-undone', { error }))
    }
  }
}

/** Makes the directories above and including `root` that are missing, and removes them again on undo. */
const makeMissing = async (files: FileSystem, root: string, undo: Undo): Promise<void> => {
  const missing: string[] = []
  for (let path = root; path !== '' && (await files.stat(path)) === undefined; ) {
    missing.unshift(path)
    path = path.slice(0, path.lastIndexOf('/'))
  }
  for (const path of missing) {
    undo.add(async () => {
      if ((await files.stat(path)) !== undefined && (await files.list(path)).length === 0) {
        await files.remove(path)
      }
    })
  }
  await makeRoot(files, root)
}

const READ_ONLY_CODES = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ENOENT', 'ENOSPC'])

/** For the operator: which directory it is, and what the system says. */
export const describe = (error: unknown, root: string): unknown => {
  if (!(error instanceof FileError) || isTooManyOpen(error)) return error
  const code: FaultCode = READ_ONLY_CODES.has(error.code) ? 'DISK_READ_ONLY' : 'DISK_IO'
  return fault(code, `${root} cannot be written to (${error.code})`, { system: error.code }, error)
}

/** Whether an error says something of its directory alone. */
export const isOfDirectory = (error: unknown): error is MoraineError =>
  codeOf(error) === 'DISK_READ_ONLY' || codeOf(error) === 'DISK_IO'

interface Held {
  readonly lock: StoreLock
  /** Which directory it was, and which file in it holds the lock. */
  readonly place: string
}

export interface StartLocksOptions {
  readonly filesOf: FilesOf
  readonly takeLock: TakeLock
  readonly log: Log
}

export class StartLocks {
  /** Directories that cannot be locked or written to, and why. */
  readonly failures = new Map<string, MoraineError>()
  readonly #filesOf: FilesOf
  readonly #takeLock: TakeLock
  readonly #log: Log
  readonly #held = new Map<string, Held>()
  /** One after another: a lock is never taken twice at once. */
  #last: Promise<void> = Promise.resolve()
  #isReleased = false

  constructor({ filesOf, takeLock, log }: StartLocksOptions) {
    this.#filesOf = filesOf
    this.#takeLock = takeLock
    this.#log = log
  }

  /** Neither locked, nor tried in vain. */
  isUntried(root: string): boolean {
    return !this.#held.has(root) && !this.failures.has(root)
  }

  /** Rejects with STORE_IN_USE; what is wrong with a directory itself is in `failures` then. */
  async takeAll(roots: readonly string[], undo: Undo): Promise<void> {
    for (const root of roots) {
      try {
        await makeMissing(this.#filesOf(root), root, undo)
        await this.#take(root)
        undo.add(async () => this.#held.get(root)?.lock.undo())
      } catch (thrown) {
        const error = describe(thrown, root)
        if (!isOfDirectory(error)) throw error
        this.failures.set(root, error)
      }
    }
  }

  async #take(root: string): Promise<void> {
    await this.#checkWritable(root)
    const lock = await this.#takeLock(root)
    // A disk that hung while the store ended: nobody would ever give this one back.
    if (this.#isReleased) {
      await lock.release()
      throw unavailable('ACTOR_STOPPED', 'the store has ended')
    }
    if (lock.isRemade) this.#log.warn('disk.lock-damaged', { root, isRestored: true })
    try {
      this.#held.set(root, { lock, place: await this.#placeOf(root) })
    } catch (error) {
      await lock.undo()
      throw error
    }
  }

  /** See `StartedStore`. */
  relock(root: string): Promise<void> {
    const taken = this.#last.then(() => this.#takeAnew(root))
    this.#last = taken.catch(() => undefined)
    return taken
  }

  async #takeAnew(root: string): Promise<void> {
    try {
      const held = this.#held.get(root)
      if (held?.place === (await this.#placeOf(root))) return await this.#checkWritable(root)
      // The old one guards files that are gone; it must go first, for it has the same name.
      this.#held.delete(root)
      await held?.lock.release()
      await this.#take(root)
    } catch (error) {
      throw describe(error, root)
    }
  }

  async #checkWritable(root: string): Promise<void> {
    const error = await findUnwritable(this.#filesOf(root), root)
    if (error) throw error
  }

  #placeOf(root: string): Promise<string> {
    return findLockPlace(this.#filesOf(root), root)
  }

  async release(): Promise<void> {
    this.#isReleased = true
    await Promise.all([...this.#held.values()].map(({ lock }) => lock.release()))
  }
}

/** One error that names every directory. */
export const joinFailures = (failures: readonly MoraineError[]): MoraineError => {
  const first = failures[0]!
  if (failures.length === 1) return first
  const message = failures.map((error) => error.message).join('; ')
  return fault(first.code as FaultCode, message, {}, first)
}
