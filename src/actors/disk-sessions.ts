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
import { readSession, writeSession } from '../storage/session-file.ts'
import type { BucketProtocol } from './bucket.ts'

export interface SeenDisk {
  readonly slot: number
  readonly number: DiskNumber
  readonly id: string
  readonly root: string
}

export interface DiskSessions {
  /** Resolves to those of the disks that are older copies. All others are of the running session then, on disk and in the metadata. */
  record(disks: readonly SeenDisk[]): Promise<SeenDisk[]>
  /** All that should be on the disk is there again. */
  confirm(disk: SeenDisk): Promise<void>
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

  const recall = async (): Promise<Record<string, number>> => {
    const asked = await Promise.allSettled(
      buckets.map((bucket) => bucket.ask('config', { name: SESSIONS_ENTRY }, LIMIT)),
    )
    const merged: Record<string, number> = {}
    for (const answer of asked) {
      // A partition that is not served says nothing; the others have been told the same.
      const recorded = answer.status === 'fulfilled' ? (answer.value as Recorded | undefined) : undefined
      for (const [disk, at] of Object.entries(recorded ?? {})) merged[disk] = Math.max(at, merged[disk] ?? 0)
    }
    return merged
  }
  const commit = async (value: Recorded): Promise<void> => {
    await Promise.all(
      buckets.map(async (bucket) => {
        try {
          await bucket.ask('putConfig', { name: SESSIONS_ENTRY, value }, LIMIT)
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
  const advance = async (disks: readonly SeenDisk[], recorded: Record<string, number>): Promise<void> => {
    const at = current!
    const stale = disks.filter(({ number }) => recorded[number] !== at)
    const written = await write(stale, at)
    for (const { number } of written) recorded[number] = at
    if (written.length > 0) await commit(recorded)
  }

  return {
    async record(disks) {
      const recorded = await recall()
      current ??= Math.max(session, 1 + Math.max(0, ...Object.values(recorded)))
      const older = new Set<SeenDisk>()
      for (const disk of disks) {
        const at = await readSession(files, disk.root, disk.id)
        const last = recorded[disk.number] ?? 0
        if (at >= last) continue
        older.add(disk)
        log.warn('disk-rolled-back', { slot: disk.slot, disk: disk.number, session: at, recorded: last })
      }
      await advance(
        disks.filter((disk) => !older.has(disk)),
        recorded,
      )
      return [...older]
    },
    async confirm(disk) {
      await advance([disk], await recall())
    },
  }
}
