// What the part of the engine that runs on a gateway's thread works with: its actor's context, the arena, the coder and
// the way to the disks. One value, made once by the gateway actor and handed down.

import type { Clock } from '../base/clock.ts'
import type { DiskNumber, WriteId } from '../base/ids.ts'
import type { Random } from '../base/prng.ts'
import type { ActorRef, ActorSpec, Protocol } from '../runtime/actor.ts'
import type { Arena } from '../runtime/arena.ts'
import type { BucketProtocol, DiskSession } from './bucket-protocol.ts'
import type { StripeCoder } from './coder.ts'
import type { DiskProtocol } from './disk-protocol.ts'
import type { ShardTarget } from './object.ts'
import type { ReadingLeases } from './reading-leases.ts'

export interface WriteTargets {
  readonly set: number
  readonly k: number
  readonly m: number
  readonly targets: readonly ShardTarget[]
  readonly sessions: readonly DiskSession[]
  /** See `Placement`. */
  readonly isReduced: boolean
}

/** What a gateway knows of the writes that began there. */
export interface RunningWritesProtocol {
  /** Those whose shards no record need name yet. */
  runningWrites(m: Record<string, never>): readonly WriteId[]
}

export interface GatewayParts {
  /** Kept by the object actors. */
  readonly running: Set<WriteId>
  readonly leases: ReadingLeases
  readonly arena: Arena
  readonly clock: Clock
  readonly random: Random
  readonly coder: StripeCoder
  spawn<P extends Protocol<P>>(child: ActorSpec<P>): ActorRef<P>
  /** The bucket actor that decides for this bucket. */
  bucket(name: string): ActorRef<BucketProtocol>
  /** Every bucket actor, by partition. */
  readonly buckets: readonly ActorRef<BucketProtocol>[]
  disk(number: DiskNumber): ActorRef<DiskProtocol> | undefined
  /** Before a small body is taken in: throws as `chooseTargets` does, for the journal's reserve is not for bodies. */
  requireRoom(): void
  /** Throws TOO_FEW_DISKS, or DISK_FULL when enough disks are there but too few have room. */
  chooseTargets(write: WriteId, size: number): WriteTargets
}
