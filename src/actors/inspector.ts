// The inspector answers what an operator asks of the running store. It lives on the main thread, because only the system
// itself can see every thread; everything it says is read, never changed.
import { codeOf } from '../base/errors.ts'
import { KiB, SECOND } from '../base/units.ts'
import type { Behavior, Context } from '../runtime/actor.ts'
import type { PoolThreadView } from '../runtime/pool.ts'
import type { SystemView } from '../runtime/system.ts'
import type { ThreadView } from '../runtime/thread.ts'
import { whyNotGiven } from '../storage/identity.ts'
import type { TableDisk } from '../storage/identity-file.ts'
import type { BucketProtocol, Waiting } from './bucket-protocol.ts'
import type { KeeperProtocol } from './keeper.ts'
import type { RepairerProtocol } from './repairer.ts'
import { attachRoster, type Roster, type RosterRow } from './roster.ts'
import type { SlotNote } from './slot-notes.ts'
import { rootIn } from './slot-roots.ts'
import { PATHS, type StoreFacts } from './store-facts.ts'

/** Full redundancy: nothing waits, every disk is present and every partition served. */
export interface Redundancy {
  /** What does not lie where it should: exact, from the counters in the commits. */
  readonly waiting: { readonly shards: number; readonly bytes: number }
  readonly disks: readonly DiskPresence[]
  /** As long as a disk is on its way out. */
  readonly draining?: DrainProgress
  /** Most often empty. */
  readonly unused: readonly UnusedDirectory[]
  /** Partitions whose buckets answer 503: what waits there is not known. Most often empty. */
  readonly notServed: readonly PartitionNote[]
}

export interface PartitionNote {
  readonly partition: number
  /** What it needs. */
  readonly message: string
}

export interface DiskPresence {
  /** As `moraine disk list` has it: from 1, in the order in which the directories were given when the store was made. */
  readonly position: number
  /** Where the disk is, or where it is looked for; null when no directory is given for it: `message` says so. */
  readonly directory: string | null
  /** `out`: counts for nothing until it is back or replaced. */
  readonly state: 'present' | 'out'
  /** Nothing new is written to it, and it leaves when nothing is left on it. */
  readonly isDraining?: true
  /** What an operator should know of it. */
  readonly message?: string
}

/** What is left on the disk that is being drained. It lacks no redundancy. */
export interface DrainProgress {
  readonly position: number
  readonly number: number
  /** One of each version and part that is still to be moved, and of each that waits to be reclaimed. */
  readonly shards: number
  readonly bytes: number
  /** Copies of journal segments. */
  readonly segments: number
}

/** A directory that was given, and holds no disk of the store, nor is needed for one. */
export interface UnusedDirectory {
  readonly directory: string
  readonly message: string
}

const MESSAGES: Readonly<Partial<Record<RosterRow['state'], string>>> = {
  out: 'the disk is not there, or its directory does not hold it',
  full: 'the disk is full: it is read and deleted from, not written to',
  'read-only': 'the disk is read-only',
  slow: 'the disk lags behind its peers and is passed over',
}
const NO_DIRECTORY = 'no directory is given for this disk'
const NOT_NEEDED = 'the directory holds no disk of this store, and none is missing'

interface Seen {
  readonly facts: StoreFacts
  readonly roster: Roster
  readonly disks: readonly TableDisk[]
  readonly notes: readonly SlotNote[]
}

/** Each disk of the table, in the order of the table, beside the directories that have none. */
const presence = ({ facts, roster, disks, notes }: Seen): Pick<Redundancy, 'disks' | 'unused'> => {
  const noteOf = (slot: number): string | undefined => notes.find((note) => note.slot === slot)?.message
  const inTable = [...disks].sort((a, b) => a.position - b.position)
  const numbers = new Set<number>(disks.map(({ number }) => number))
  return {
    disks: inTable.map((disk): DiskPresence => {
      const { position, number, state: role } = disk
      const row = roster.find(number)
      const directory = (row && rootIn(facts, row.slot)) ?? null
      const state = row?.state ?? 'out'
      const message =
        row && directory !== null
          ? (noteOf(row.slot) ?? MESSAGES[state])
          : (whyNotGiven(disk, facts.roots) ?? NO_DIRECTORY)
      return {
        ...{ position: position + 1, directory, state: state === 'out' ? 'out' : 'present' },
        ...(role === 'draining' && { isDraining: true }),
        ...(message !== undefined && { message }),
      }
    }),
    unused: roster.rows().flatMap(({ slot, number }) => {
      const directory = rootIn(facts, slot)
      if (directory === undefined || numbers.has(number)) return []
      return [{ directory, message: noteOf(slot) ?? NOT_NEEDED }]
    }),
  }
}

/** A thread of the codec pool of a gateway, which alone knows it. */
export interface CodecThreadView extends PoolThreadView {
  readonly name: string
  /** Whose large bodies it codes. */
  readonly of: string
}

/** What runs, from the threads to the last actor. */
export interface ActorsView {
  /** Those that actors live on, then those of the codec. */
  readonly threads: readonly (ThreadView | CodecThreadView)[]
  /** The tree: supervisors and actors, whoever has children before them. */
  readonly actors: SystemView['tree']
  readonly deadLetters: number
  readonly refused: number
}

/** What a gateway knows that the system does not. */
export interface CodecThreadsProtocol {
  codecThreads(m: Record<string, never>): readonly PoolThreadView[]
}

export interface InspectorProtocol {
  actors(m: Record<string, never>): Promise<ActorsView>
  redundancy(m: Record<string, never>): Promise<Redundancy>
}

export interface InspectorArgs {
  /** Filled in by the composition root once the system is there. */
  inspect(): Promise<SystemView>
  /** Paths of the actors that have codec threads. */
  readonly gateways: readonly string[]
}

export const inspector: Behavior<InspectorProtocol, InspectorArgs> = {
  mailbox: { messagesMax: 64, bytesMax: 64 * KiB },
  interleave: { actors: 4, redundancy: 4 },
  setup(context, { inspect, gateways }) {
    const facts = context.workerData as StoreFacts
    const roster = attachRoster(facts.roster)
    return {
      async actors() {
        // One after the other: what is asked of the gateways here is not to be seen in their mailboxes.
        const { tree, threads, deadLetters, refused } = await inspect()
        const pools = await Promise.all(gateways.map((path) => codecThreadsOf(context, path)))
        return { threads: [...threads, ...pools.flat()], actors: tree, deadLetters, refused }
      },
      redundancy: async () => {
        const { waiting, notServed, disks, notes, partitions } = await lookAround(context, facts.partitions)
        const draining = drainProgress(disks, partitions)
        return {
          ...{ waiting, notServed, ...presence({ facts, roster, disks, notes }) },
          ...(draining && { draining }),
        }
      },
    }
  },
}

/** As for a thread that does not answer: who looks does not wait for long. */
const CODEC_LIMIT = { withinMs: 1 * SECOND }

const codecThreadsOf = async (
  context: Context<InspectorProtocol>,
  gateway: string,
): Promise<CodecThreadView[]> => {
  try {
    const threads = await context.ref<CodecThreadsProtocol>(gateway).ask('codecThreads', {}, CODEC_LIMIT)
    return threads.map((thread, index) => ({ name: `codec-${index}`, of: gateway, ...thread }))
  } catch (error) {
    // Between two lives of its gateway there is no codec; the tree shows that one.
    context.log.debug('codec-threads-unknown', { gateway, code: codeOf(error) })
    return []
  }
}

const LOOK_LIMIT = { withinMs: 10 * SECOND }

const drainProgress = (
  disks: readonly TableDisk[],
  partitions: readonly Waiting[],
): DrainProgress | undefined => {
  const disk = disks.find(({ state }) => state === 'draining')
  if (!disk) return undefined
  const { number, position } = disk
  const counts = partitions.flatMap(({ onDisks }) => onDisks.filter((counted) => counted.disk === number))
  return {
    ...{ position: position + 1, number },
    shards: counts.reduce((sum, { shards }) => sum + shards, 0),
    bytes: counts.reduce((sum, { bytes }) => sum + bytes, 0),
    segments: partitions.reduce((sum, { leavingSegments }) => sum + leavingSegments, 0),
  }
}

const lookAround = async (
  context: Context<InspectorProtocol>,
  partitions: number,
): Promise<
  Pick<Redundancy, 'waiting' | 'notServed'> &
    Pick<Seen, 'disks' | 'notes'> & { readonly partitions: readonly Waiting[] }
> => {
  const notServed: PartitionNote[] = []
  const served: Waiting[] = []
  const buckets = Array.from({ length: partitions }, async (_, partition) => {
    try {
      const bucket = context.ref<BucketProtocol>(PATHS.bucket(partition))
      const waiting = await bucket.ask('waiting', {}, LOOK_LIMIT)
      served.push(waiting)
      return waiting
    } catch (error) {
      if (codeOf(error) !== 'PARTITION_SHUT') throw error
      notServed.push({ partition, message: (error as Error).message })
      return { shards: 0, bytes: 0 }
    }
  })
  const damaged = context.ref<RepairerProtocol>(PATHS.repairer).ask('waiting', {}, LOOK_LIMIT)
  const overview = context.ref<KeeperProtocol>(PATHS.keeper).ask('overview', {}, LOOK_LIMIT)
  const all = await Promise.all([damaged, ...buckets])
  return {
    waiting: {
      shards: all.reduce((sum, { shards }) => sum + shards, 0),
      bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    },
    ...{ notServed, partitions: served },
    ...(await overview),
  }
}
