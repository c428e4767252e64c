// Finds disks that are older copies of themselves. Each start is a session with a number; the number of the last session a
// disk was known to be whole in is in a file on the disk and in the metadata, and is written there before anything is served,
// on the disk first. A disk whose file says less than the metadata do has lost what was written since.
//
// Such a disk keeps its old number until all that should be on it was looked at: an end of the process in between is a new
// beginning of that.
import { codeOf } from '../base/errors.ts'
import type { FileSystem } from '../base/files.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { SECOND } from '../base/units.ts'
import { SESSIONS_ENTRY } from '../metadata/configuration.ts'
import type { ActorRef } from '../runtime/actor.ts'
import { inspectSession, writeSession } from '../storage/session-file.ts'
import type { BucketProtocol } from './bucket-protocol.ts'

export interface SeenDisk {
  readonly slot: number
  readonly number: DiskNumber
  readonly id: string
  readonly root: string
}

export interface DiskSessions {
  /**
   * Resolves to those of the disks that are older copies. All others are of the running session then, on disk and in the
   * metadata. Undefined when no partition says what it has recorded: nothing is judged then, and nothing written.
   */
  record(disks: readonly SeenDisk[]): Promise<SeenDisk[] | undefined>
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

/** Session by disk number. */
type Recorded = Readonly<Record<string, number>>

export const createDiskSessions = ({ files, buckets, session, log }: DiskSessionsOptions): DiskSessions => {
  let current: number | undefined
  /** Of disks that are older copies, the session they say: one that is seen again is told once. */
  const told = new Map<DiskNumber, number>()

  /** What each partition has recorded; none of those that do not answer, which are not told anything either. */
  const recall = async (): Promise<Map<ActorRef<BucketProtocol>, Recorded>> => {
    const said = new Map<ActorRef<BucketProtocol>, Recorded>()
    await Promise.all(
      buckets.map(async (bucket) => {
        try {
          const recorded = await bucket.ask('config', { name: SESSIONS_ENTRY }, LIMIT)
          said.set(bucket, (recorded as Recorded | undefined) ?? {})
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
        try {
          await bucket.ask('putConfig', { name: SESSIONS_ENTRY, value: newestOf([recorded, news]) }, LIMIT)
        } catch (error) {
          log.info('sessions-not-recorded', { bucket: bucket.path, code: codeOf(error) })
        }
      }),
    )
  }
  /** Which of the disks say so now. */
  const write = async (disks: readonly SeenDisk[], at: number): Promise<SeenDisk[]> => {
    const written = await Promise.all(
      disks.map(async (disk) => {
        try {
          await writeSession(files, disk.root, disk.id, at)
          return [disk]
        } catch (error) {
          // Full, or gone: it stays of the session that it says.
          log.info('session-not-written', { disk: disk.number, code: codeOf(error) })
          return []
        }
      }),
    )
    return written.flat()
  }
  /** On the disks first: a crash in between leaves a file that says more, which is no harm. */
  const advance = async (
    disks: readonly SeenDisk[],
    said: ReadonlyMap<ActorRef<BucketProtocol>, Recorded>,
  ): Promise<void> => {
    const at = current!
    const written = await write(disks, at)
    const news = Object.fromEntries(written.map(({ number }) => [number, at]))
    if (written.length > 0) await commit(said, news)
  }

  return {
    async record(disks) {
      const said = await recall()
      if (said.size === 0) return undefined
      const recorded = newestOf([...said.values()])
      current ??= Math.max(session, 1 + Math.max(0, ...Object.values(recorded)))
      const older: SeenDisk[] = []
      const behind: SeenDisk[] = []
      for (const disk of disks) {
        const { session: at, isDamaged } = await inspectSession(files, disk.root, disk.id)
        const last = recorded[disk.number] ?? 0
        const isNews = told.get(disk.number) !== at
        if (isDamaged && isNews)
          log.warn('session-damaged', { slot: disk.slot, disk: disk.number, root: disk.root })
        if (at < last) {
          older.push(disk)
          if (isNews)
            log.warn('disk-rolled-back', { slot: disk.slot, disk: disk.number, session: at, recorded: last })
          told.set(disk.number, at)
        } else if (at !== current || last !== current) behind.push(disk)
      }
      await advance(behind, said)
      return older
    },
    async confirm(disk) {
      const said = await recall()
      if (said.size === 0 || current === undefined) return false
      told.delete(disk.number)
      // Its file is old even where the metadata know it in this session.
      await advance([disk], said)
      return true
    },
  }
}

/** Of each disk the highest number. */
const newestOf = (all: readonly Recorded[]): Recorded => {
  const newest: Record<string, number> = {}
  for (const recorded of all) {
    for (const [disk, at] of Object.entries(recorded)) newest[disk] = Math.max(at, newest[disk] ?? 0)
  }
  return newest
}
