// The whole tree as data: what there is, in which order it starts, and what becomes of it when it breaks. Where each
// actor runs is decided by a placement table (`planThreads`), never here.
//
//   root                      rest-for-one: what starts later rests on what started before
//   ├─ events                 what happened, as a stream
//   ├─ inspector              what the operator may see
//   ├─ storage                one-for-one: a sick disk must not restart its neighbours
//   │   └─ disk-0 … disk-n
//   ├─ metadata               one-for-one: a partition that cannot be served must not take the others along
//   │   └─ bucket-0 … bucket-p
//   ├─ upkeep                 one-for-one
//   │   ├─ keeper             the table of disks; on the main thread
//   │   ├─ reclaimer-0 … reclaimer-p
//   │   ├─ repairer
//   │   ├─ scrubber
//   │   ├─ compactor
//   │   └─ recoder
//   └─ gateways               one-for-one
//       └─ gateway-0 … gateway-g   and below it an object actor for each large write
import { MINUTE, SECOND } from '../base/units.ts'
import type { ActorSpec, Decision, Fault, SupervisorSpec } from '../runtime/actor.ts'
import { child } from '../runtime/actor.ts'
import { MAIN_THREAD, type Placement } from '../runtime/placement.ts'
import { bucket } from './bucket.ts'
import { type CompactorArgs, compactor } from './compactor.ts'
import { disk } from './disk.ts'
import { type InspectorArgs, inspector } from './inspector.ts'
import { type KeeperArgs, keeper } from './keeper.ts'
import { reclaimer } from './reclaimer.ts'
import { type RecoderArgs, recoder } from './recoder.ts'
import { type RepairerArgs, repairer } from './repairer.ts'
import { type ScrubberArgs, scrubber } from './scrubber.ts'
import { PATHS } from './store-facts.ts'

export interface TreeOptions {
  readonly slots: number
  readonly partitions: number
  /** From the layer above: this one knows no HTTP. */
  readonly gateways: readonly ActorSpec[]
  readonly inspector: InspectorArgs
  /** The actor behind the stream of events. */
  readonly events: ActorSpec
  readonly keeper: KeeperArgs
  readonly repairer: RepairerArgs
  readonly scrubber: ScrubberArgs
  readonly compactor: CompactorArgs
  readonly recoder: RecoderArgs
  /** For tests that break more in a minute than any store should live through: instead of what each supervisor has. */
  readonly patience?: Patience
}

/** How much a supervisor puts up with, and how long it waits between restarts. */
export type Patience = Pick<SupervisorSpec, 'intensity' | 'backoff'>

const BACKOFF = { minMs: 100, maxMs: 30 * SECOND, jitter: 0.2 }

/** What is no reason to start an actor again, that actor answers by itself: see `Expectations`. */
const decide = (): Decision => 'restart'

/** Without a partition that has the root identity's keys nobody can be let in: the operator hears why, at once. */
const decideGateway = ({ code }: Fault): Decision => (code === 'PARTITION_SHUT' ? 'escalate' : 'restart')

const count = <T>(length: number, make: (index: number) => T): T[] =>
  Array.from({ length }, (_, index) => make(index))

export const tree = ({ slots, partitions, gateways, patience, ...args }: TreeOptions): SupervisorSpec => ({
  name: 'root',
  strategy: 'rest-for-one',
  intensity: { restartsMax: 3, periodMs: MINUTE },
  backoff: BACKOFF,
  ...patience,
  decide: ({ code }) => (code === 'PARTITION_SHUT' ? 'escalate' : 'restart'),
  children: [
    args.events,
    child(inspector, 'inspector', args.inspector),
    {
      name: 'storage',
      strategy: 'one-for-one',
      // Every disk may have a fault of its own at once; a disk that keeps failing stays out between its restarts.
      intensity: { restartsMax: 5 * slots, periodMs: 30 * SECOND },
      backoff: BACKOFF,
      ...patience,
      decide,
      place: 'storage',
      children: count(slots, (slot) => child(disk, `disk-${slot}`, { slot })),
    },
    {
      name: 'metadata',
      strategy: 'one-for-one',
      intensity: { restartsMax: 5 * partitions, periodMs: 30 * SECOND },
      backoff: BACKOFF,
      ...patience,
      decide,
      place: 'metadata',
      children: count(partitions, (partition) => child(bucket, `bucket-${partition}`, { partition })),
    },
    {
      name: 'upkeep',
      strategy: 'one-for-one',
      intensity: { restartsMax: 5 * (partitions + 5), periodMs: 30 * SECOND },
      backoff: BACKOFF,
      ...patience,
      decide,
      place: 'upkeep',
      children: [
        child(keeper, 'keeper', args.keeper),
        ...count(partitions, (partition) => child(reclaimer, `reclaimer-${partition}`, { partition })),
        child(repairer, 'repairer', args.repairer),
        child(scrubber, 'scrubber', args.scrubber),
        child(compactor, 'compactor', args.compactor),
        child(recoder, 'recoder', args.recoder),
      ],
    },
    {
      name: 'gateways',
      strategy: 'one-for-one',
      intensity: { restartsMax: 5, periodMs: 30 * SECOND },
      backoff: BACKOFF,
      ...patience,
      decide: decideGateway,
      place: 'gateways',
      children: gateways,
    },
  ],
})

/** Where the tree runs on a machine with `cores` cores. In memory everything shares the caller's thread. */
export const planThreads = (cores: number): Placement => ({
  // The locks of the directories are there.
  [PATHS.keeper]: MAIN_THREAD,
  ...(cores < 4
    ? { gateways: 'front', metadata: 'front', storage: 'disks', upkeep: 'disks' }
    : { gateways: 'gateway', metadata: 'metadata', storage: 'disks', upkeep: 'upkeep' }),
})
