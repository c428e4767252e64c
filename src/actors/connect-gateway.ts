// Wires a gateway's part of the engine to the store around it: bucket actors by the name of the bucket, disk actors by
// the roster, and the choice of disks for a write.
import { crc32 } from 'node:zlib'
import type { DiskNumber, WriteId } from '../base/ids.ts'
import { createMemo } from '../base/memo.ts'
import { createReadPace } from '../base/read-pace.ts'
import { type ActorRef, type Behavior, type Context, child, type Protocol } from '../runtime/actor.ts'
import { createDamageLog } from '../storage/damage-log.ts'
import { placeWrite, requireWritable } from '../storage/placement.ts'
import type { BucketProtocol } from './bucket-protocol.ts'
import type { StripeCoder } from './coder.ts'
import type { DiskProtocol } from './disk-protocol.ts'
import type { GatewayParts, WriteTargets } from './gateway-parts.ts'
import { diskViews } from './readiness.ts'
import type { ReadDependencies } from './reading.ts'
import { createReadingLeases } from './reading-leases.ts'
import type { RepairerProtocol } from './repairer.ts'
import { attachRoster } from './roster.ts'
import { storePublisher } from './store-events.ts'
import { bucketRefs, PATHS, type StoreFacts } from './store-facts.ts'

/** Which partition decides for a bucket: fixed for as long as the store lives, as is the number of partitions. */
export const partitionOf = (bucket: string, partitions: number): number => crc32(bucket) % partitions

/** Buckets whose partition need not be computed for every request. */
const PARTITIONS_REMEMBERED = 1024

/** Does nothing but end with this life of its gateway, whose own address outlives it: leases of readings are this one's. */
const reader: Behavior<Record<never, never>, Record<never, never>> = {
  mailbox: { messagesMax: 1, bytesMax: 64 },
  setup: () => ({}),
}

export const connectGateway = <P extends Protocol<P>>(
  context: Context<P>,
  facts: StoreFacts,
  coder: StripeCoder,
): { parts: GatewayParts; reading: ReadDependencies } => {
  const roster = attachRoster(facts.roster)
  const { arena, clock, random } = context
  const buckets = bucketRefs(context, facts)
  const disks = roster.rows().map(({ slot }) => context.ref<DiskProtocol>(PATHS.disk(slot)))
  const disk = (number: DiskNumber): ActorRef<DiskProtocol> | undefined => {
    const row = roster.find(number)
    return row && row.state !== 'out' ? disks[row.slot] : undefined
  }

  const chooseTargets = (write: WriteId, size: number): WriteTargets => {
    const { set, k, m, disks: chosen, isReduced } = placeWrite(write, size, facts.parity, diskViews(roster))
    const rows = chosen.map((number) => roster.find(number)!)
    return {
      ...{ set, k, m, isReduced },
      targets: rows.map(({ number, slot }) => ({ disk: number, ref: disks[slot]! })),
      sessions: rows.map(({ number, session }) => ({ disk: number, session })),
    }
  }
  const requireRoom = (): void => {
    if (!roster.areAllUp()) requireWritable(facts.parity, diskViews(roster))
  }
  const partition = createMemo(PARTITIONS_REMEMBERED, (name: string) => partitionOf(name, facts.partitions))
  const bucket = (name: string): ActorRef<BucketProtocol> => buckets[partition(name)]!

  const leases = createReadingLeases(context.spawn(child(reader, 'reader', {})), clock)
  context.defer(() => leases.close())
  const parts: GatewayParts = {
    ...{ arena, clock, random, coder, bucket, buckets, disk, requireRoom, chooseTargets },
    leases,
    running: new Set(),
    spawn: (child) => context.spawn(child),
  }
  const publish = storePublisher(context)
  const missing = createDamageLog(context.log, 'shard-missing')
  const repairer = context.ref<RepairerProtocol>(PATHS.repairer)
  return {
    parts,
    reading: {
      ...{ arena, clock, coder, disk },
      isSlow: (number) => roster.find(number)?.state === 'slow',
      pace: createReadPace(clock),
      damaged(data, shard, how) {
        const { write } = data
        const at = data.places[shard]!.disk
        publish({ kind: 'shard-damaged', disk: at, write, shard })
        // Of one that is there and wrong its disk has said more.
        if (how === 'missing') missing.note(write, `${shard}`, { disk: at, write, shard })
        // Refused when too much is waiting: the next read finds it again.
        repairer.tell('damaged', { data, shard })
      },
    },
  }
}
