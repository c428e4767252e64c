// Finds disks that are older copies of themselves. Each start is a session with a number, and each disk that comes back while the store
// runs gets a higher one; the number a disk was last known to be whole in is in a file on it and in the metadata, and is written
// there before anything is served, on the disk first. A disk whose file says less than the metadata do has lost what was written
// since. One whose file says the same, but is not the file that was written then, is a copy, and may have.
//
// Such a disk keeps its old number until all that should be on it was looked at: an end of the process in between is a new
// beginning of that.
import { codeOf } from '../base/errors.ts'
import type { FileSystem } from '../base/files.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { SECOND } from '../base/units.ts'
import { SESSION_FILES_ENTRY, SESSIONS_ENTRY } from '../metadata/configuration.ts'
import type { ActorRef } from '../runtime/actor.ts'
import {
  type CopyKind,
  copyKindOf,
  inspectSession,
  type SessionFile,
  writeSession,
} from '../storage/session-file.ts'
import type { BucketProtocol } from './bucket-protocol.ts'

export interface SeenDisk {
  readonly slot: number
  readonly number: DiskNumber
  readonly id: string
  readonly root: string
  /** Goes up each time a disk is opened in this slot. */
  readonly opening: number
}

export interface FoundCopy {
  readonly disk: SeenDisk
  readonly kind: CopyKind
}

export interface RecordedDisks {
  readonly copies: readonly FoundCopy[]
  /** Every other disk says the number, and the metadata know its file. */
  readonly isWhole: boolean
}

export interface DiskSessions {
  /**
   * Resolves to those of the disks that are copies of themselves. All others are of the running session then, on disk and in the
   * metadata, but for those that could not be written to: what they lack is tried again by the next call. Undefined when no partition says what it has recorded: nothing is judged then, and nothing written.
   */
  record(disks: readonly SeenDisk[]): Promise<RecordedDisks | undefined>
  /** All that should be on the disk is there again. False when no partition can be told; then it has to be said again. */
  confirm(disk: SeenDisk): Promise<boolean>
}

export interface DiskSessionsOptions {
  readonly files: FileSystem
  readonly buckets: readonly ActorRef<BucketProtocol>[]
  /** As the start found it from the disks. */
  readonly session: number
  readonly log: Log
}

const LIMIT = { withinMs: 10 * SECOND }

interface Recorded {
  /** Session by disk number. */
  readonly sessions: Record<string, number>
  /** The file that says so, by disk number. */
  readonly files: Record<string, SessionFile>
}

export const createDiskSessions = ({ files, buckets, session, log }: DiskSessionsOptions): DiskSessions => {
  let current: number | undefined
  /** Of disks that are copies, the session they say: one that is seen again is told once. */
  const told = new Map<DiskNumber, number>()
  /** Could not be written to, and were told. */
  const unwritten = new Set<DiskNumber>()
  /** How each disk was opened when it was recorded: one that was opened anew since was away. */
  const met = new Map<DiskNumber, string>()

  /** What each partition has recorded; none of those that do not answer, which are not told anything either. */
  const recall = async (): Promise<Map<ActorRef<BucketProtocol>, Recorded>> => {
    const said = new Map<ActorRef<BucketProtocol>, Recorded>()
    await Promise.all(
      buckets.map(async (bucket) => {
        try {
          const [sessions, written] = await Promise.all([
            bucket.ask('config', { name: SESSIONS_ENTRY }, LIMIT),
            bucket.ask('config', { name: SESSION_FILES_ENTRY }, LIMIT),
          ])
          said.set(bucket, {
            sessions: (sessions as Recorded['sessions'] | undefined) ?? {},
            files: (written as Recorded['files'] | undefined) ?? {},
          })
        } catch (error) {
          log.info('sessions-not-recalled', { bucket: bucket.path, code: codeOf(error) })
        }
      }),
    )
    return said
  }
  /** Adds to what each partition has, which may be more than the others have. */
  const commit = async (
    said: ReadonlyMap<ActorRef<BucketProtocol>, Recorded>,
    news: Recorded,
  ): Promise<void> => {
    await Promise.all(
      [...said].map(async ([bucket, recorded]) => {
        const { sessions, files: written } = newestOf([recorded, news])
        try {
          await Promise.all([
            bucket.ask('putConfig', { name: SESSIONS_ENTRY, value: sessions }, LIMIT),
            bucket.ask('putConfig', { name: SESSION_FILES_ENTRY, value: written }, LIMIT),
          ])
        } catch (error) {
          log.info('sessions-not-recorded', { bucket: bucket.path, code: codeOf(error) })
        }
      }),
    )
  }
  /** Resolves to when the file was made, once the disk says so; undefined when it cannot be written to. */
  const write = async ({ root, id, number }: SeenDisk, at: number): Promise<number | undefined> => {
    try {
      const bornMs = await writeSession(files, root, id, at)
      unwritten.delete(number)
      return bornMs
    } catch (error) {
      // Full, or gone: it stays of the session that it says.
      if (!unwritten.has(number)) log.info('session-not-written', { disk: number, code: codeOf(error) })
      unwritten.add(number)
      return undefined
    }
  }
  /**
   * On the disks first: a crash in between leaves a file that says more, which is no harm. No disk waits for another, which may hang:
   * what is written while a commit is under way is in the next.
   */
  const advance = async (
    disks: readonly SeenDisk[],
    said: ReadonlyMap<ActorRef<BucketProtocol>, Recorded>,
  ): Promise<void> => {
    const at = current!
    const written: Recorded = { sessions: {}, files: {} }
    let hasNews = false
    let committed = Promise.resolve()
    const commitNews = async (): Promise<void> => {
      if (!hasNews) return
      hasNews = false
      await commit(said, written)
    }
    await Promise.all(
      disks.map(async (disk) => {
        const bornMs = await write(disk, at)
        if (bornMs === undefined) return
        written.sessions[disk.number] = at
        written.files[disk.number] = { session: at, bornMs }
        hasNews = true
        committed = committed.then(commitNews)
        await committed
      }),
    )
  }
  const tellCopy = (disk: SeenDisk, kind: CopyKind, at: number, recorded: number): void => {
    if (told.get(disk.number) === at) return
    told.set(disk.number, at)
    const of = { slot: disk.slot, disk: disk.number }
    if (kind === 'copy') log.warn('disk-copied', { ...of, root: disk.root, session: at })
    else log.warn('disk-rolled-back', { ...of, session: at, recorded })
  }
  /** True when it was away since it was last recorded. */
  const wasAway = ({ number, slot, opening }: SeenDisk): boolean => {
    const before = met.get(number)
    met.set(number, `${slot}/${opening}`)
    return before !== undefined && before !== met.get(number)
  }

  return {
    async record(disks) {
      const said = await recall()
      if (said.size === 0) return undefined
      const recorded = newestOf([...said.values()])
      current ??= Math.max(session, 1 + Math.max(0, ...Object.values(recorded.sessions)))
      const copies: FoundCopy[] = []
      const behind: SeenDisk[] = []
      for (const disk of disks) {
        const seen = await inspectSession(files, disk.root, disk.id)
        const last = recorded.sessions[disk.number] ?? 0
        const isBack = wasAway(disk)
        if (seen.isDamaged && told.get(disk.number) !== seen.session)
          log.warn('session-damaged', { slot: disk.slot, disk: disk.number, root: disk.root })
        const kind = copyKindOf(seen, { session: last, file: recorded.files[disk.number] })
        if (kind !== undefined) {
          copies.push({ disk, kind })
          tellCopy(disk, kind, seen.session, last)
          continue
        }
        // A copy that was made before it went, of its file system as a whole, has the file that was written then.
        if (isBack && seen.session === current) current += 1
        if (seen.session !== current || last !== current) behind.push(disk)
      }
      await advance(behind, said)
      return { copies, isWhole: !behind.some(({ number }) => unwritten.has(number)) }
    },
    async confirm(disk) {
      const said = await recall()
      if (said.size === 0 || current === undefined) return false
      told.delete(disk.number)
      // Its file is not the one that the metadata know, even where they know it in this session.
      current += 1
      await advance([disk], said)
      return true
    },
  }
}

/** Of each disk the highest number, and the file that says the newest. */
const newestOf = (all: readonly Recorded[]): Recorded => {
  const newest: Recorded = { sessions: {}, files: {} }
  for (const { sessions, files } of all) {
    for (const [disk, at] of Object.entries(sessions))
      newest.sessions[disk] = Math.max(at, newest.sessions[disk] ?? 0)
    for (const [disk, file] of Object.entries(files)) {
      if (file.session >= (newest.files[disk]?.session ?? 0)) newest.files[disk] = file
    }
  }
  return newest
}
