// A partition opened over the disks of the roster, for the bucket actor: its journal by way of the disk actors, its indexes on two
// of the disks.
import type { IndexPosition } from '../metadata/index-slot.ts'
import type { MemberDisk } from '../metadata/members.ts'
import { Partition } from '../metadata/partition.ts'
import type { Context } from '../runtime/actor.ts'
import { createBodyMover } from './body-mover.ts'
import type { BucketProtocol } from './bucket-protocol.ts'
import type { DiskProtocol } from './disk-protocol.ts'
import { createFrameMemory } from './frame-memory.ts'
import { createIndexes, type Indexes } from './indexes.ts'
import type { RepairerProtocol } from './repairer.ts'
import type { Roster } from './roster.ts'
import { createNearSegments, type NearSegments, segmentDiskOf } from './segment-disk.ts'
import { rootIn } from './slot-roots.ts'
import { filesOf, PATHS, type StoreFacts } from './store-facts.ts'

export interface PartitionOpener {
  /** The table of disks as the roster has it now. */
  members(): MemberDisk[]
  /** On the disks that are there now; closed when this life of the actor ends. Rejects as `Partition.open` does. */
  open(): Promise<Partition>
  /** After a disk came: an index that still writes into what was there before is made anew. */
  loseMovedIndexes(): Promise<void>
}

export const createOpener = (
  context: Context<BucketProtocol>,
  facts: StoreFacts,
  roster: Roster,
  number: number,
): PartitionOpener => {
  const { clock, log, random } = context
  /** By slot. */
  const near = new Map<number, NearSegments>()
  const nearIn = (slot: number): NearSegments => {
    const known = near.get(slot) ?? createNearSegments(filesOf(facts), rootIn(facts, slot) ?? '', clock)
    near.set(slot, known)
    return known
  }
  context.defer(async () => {
    await Promise.all([...near.values()].map((segments) => segments.close()))
  })
  /** Which disk was in each slot, and in which of its sessions. */
  const inSlot = new Map<number, string>()
  /** What was open belongs to the disk that was there before, which may be in another slot now. */
  const closeNearOf = (slot: number, seen: string): void => {
    if (inSlot.get(slot) === seen) return
    inSlot.set(slot, seen)
    near
      .get(slot)
      ?.close()
      .catch(() => undefined)
  }
  const memory = createFrameMemory(context.arena)
  let opened: { readonly partition: Partition; readonly indexes: Indexes } | undefined
  const members = (): MemberDisk[] =>
    roster.rows().flatMap(({ slot, number: disk, set, state, session, isDraining }) => {
      closeNearOf(slot, state === 'out' ? '' : `${disk}:${session}`)
      if (disk === 0) return []
      const ref = context.ref<DiskProtocol>(PATHS.disk(slot))
      const io = state === 'out' ? undefined : segmentDiskOf(disk, ref, nearIn(slot), memory)
      return [{ number: disk, set, io, session, ...(isDraining && { isDraining }) }]
    })
  return {
    members,
    async open() {
      const indexes = createIndexes({ facts, roster, partition: number, clock, log })
      let partition: Partition
      const reopenIndex = async (position: IndexPosition): Promise<void> => {
        const store = await indexes.reopen(position)
        if (store) await partition.attachIndex(position, store)
      }
      try {
        partition = await Partition.open({
          ...{ partition: number, parity: facts.parity, clock, random, log },
          members: members(),
          bodies: createBodyMover(context, facts, roster),
          ...(facts.segmentBytes !== undefined && { segmentBytes: facts.segmentBytes }),
          indexes: await indexes.open(),
          onSegmentDamaged: () => void context.ref<RepairerProtocol>(PATHS.repairer).tell('wake', {}),
          onIndexLost: (position) =>
            void reopenIndex(position).catch((error: unknown) => context.fail(error)),
        })
      } catch (error) {
        await indexes.close()
        throw error
      }
      context.defer(async () => {
        await partition.close()
        await indexes.close()
      })
      opened = { partition, indexes }
      return partition
    },
    async loseMovedIndexes() {
      if (!opened) return
      const { partition, indexes } = opened
      for (const position of await indexes.moved())
        partition.loseIndex(position, 'its directory was exchanged')
    },
  }
}
