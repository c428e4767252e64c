// Draining a disk: the keeper's part of it. A change of the table says that the disk is on its way out; from then on nothing new is
// written to it, repairer and recoder move what is on it, and when nothing names it any more another change ends its membership.
// Both are changes like any other, so a crash anywhere leaves a table from which the next start goes on.
import { codeOf, unavailable } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { formatMiB, MINUTE, SECOND } from '../base/units.ts'
import type { LeftOnDisk } from '../metadata/segment-upkeep.ts'
import type { ActorRef } from '../runtime/actor.ts'
import { whyNotDrainable } from '../storage/drain.ts'
import type { DiskTable, TableDisk } from '../storage/identity-file.ts'
import { drainingOf, planDrain, planLeave, type TableChange } from '../storage/table-change.ts'
import type { BucketProtocol } from './bucket-protocol.ts'
import { diskViews } from './readiness.ts'
import type { Roster } from './roster.ts'
import { rootIn, slotOf } from './slot-roots.ts'
import type { StoreFacts } from './store-facts.ts'

/** Which disk: by its number, or by the directory that holds it or is looked for it. */
export type DrainTarget = { readonly disk: DiskNumber } | { readonly directory: string }

export type DrainAnswer =
  | {
      /** `begun`: it is in the table of disks, and goes on by itself. `known`: it was before. */
      readonly kind: 'begun' | 'known'
      readonly number: DiskNumber
      readonly directory: string | null
      /** Disks of its set now, and their parity. */
      readonly disks: number
      readonly parity: number
      readonly shards: number
      readonly bytes: number
    }
  /** One sentence for the operator, with the numbers. */
  | { readonly kind: 'refused'; readonly message: string }

export interface DrainingOptions {
  readonly buckets: readonly ActorRef<BucketProtocol>[]
  readonly facts: StoreFacts
  readonly roster: Roster
  readonly log: Log
  table(): DiskTable
  /** Resolves when the change counts. */
  carryOut(change: TableChange): Promise<void>
}

export interface Draining {
  begin(target: DrainTarget): Promise<DrainAnswer>
  /** Ends the drain when nothing is left on the disk. */
  look(): Promise<void>
}

const LIMIT = { withinMs: 60 * SECOND }
/** A segment is sealed for it, when one is open there. */
const LEFT_LIMIT = { withinMs: 2 * MINUTE }

const sum = <T>(all: readonly T[], of: (one: T) => number): number =>
  all.reduce((total, one) => total + of(one), 0)

export const createDraining = ({ buckets, facts, roster, log, ...keeper }: DrainingOptions): Draining => {
  const directoryOf = (number: DiskNumber): string | null =>
    rootIn(facts, roster.find(number)?.slot ?? -1) ?? null

  const find = (target: DrainTarget): TableDisk | string => {
    const { disks } = keeper.table()
    const known = disks.map(({ number }) => number).join(', ')
    if ('disk' in target) {
      const found = disks.find(({ number }) => number === target.disk)
      return found ?? `the store has no disk with the number ${target.disk}, but ${known}`
    }
    const slot = slotOf(facts, target.directory)
    const number = slot === -1 ? 0 : roster.row(slot).number
    const found = disks.find((disk) => disk.number === number)
    return found ?? `${target.directory} holds no disk of this store; give one of its directories or a number`
  }

  const countOn = async (disk: DiskNumber): Promise<{ shards: number; bytes: number }> => {
    const waiting = await Promise.all(buckets.map((bucket) => bucket.ask('waiting', {}, LIMIT)))
    const counts = waiting.flatMap(({ onDisks }) => onDisks).filter((counted) => counted.disk === disk)
    return { shards: sum(counts, ({ shards }) => shards), bytes: sum(counts, ({ bytes }) => bytes) }
  }

  const segmentBytesOn = async (disk: DiskNumber): Promise<number> => {
    const segments = await Promise.all(buckets.map((bucket) => bucket.ask('segments', {}, LIMIT)))
    return sum(
      segments.flat().filter(({ disks }) => disks.includes(disk)),
      ({ length }) => length,
    )
  }

  const leftOn = async (disk: DiskNumber): Promise<LeftOnDisk[]> =>
    Promise.all(buckets.map((bucket) => bucket.ask('leftOn', { disk }, LEFT_LIMIT)))
  const isEmpty = (left: readonly LeftOnDisk[]): boolean =>
    left.every(({ shards, segments }) => shards === 0 && segments === 0)

  return {
    async begin(target) {
      const disk = find(target)
      if (typeof disk === 'string') return { kind: 'refused', message: disk }
      const { number, set } = disk
      const table = keeper.table()
      const other = drainingOf(table)
      const counts = await countOn(other?.number ?? number)
      const setDisks = table.disks.filter((member) => member.set === set)
      const answer = {
        ...{ number, directory: directoryOf(number), disks: setDisks.length, parity: table.m },
        ...counts,
      }
      if (other?.number === number) return { kind: 'known', ...answer }
      if (other) {
        const { shards, bytes } = counts
        const message =
          `disk ${number} cannot be drained while disk ${other.number} is: ` +
          `${shards} shards with ${formatMiB(bytes)} are left there, and one is drained at a time`
        return { kind: 'refused', message }
      }
      const views = new Map(diskViews(roster).map((view) => [view.number, view]))
      const message = whyNotDrainable({
        ...{ number, m: table.m, ...counts, segmentBytes: await segmentBytesOn(number) },
        disks: setDisks.map((member) => ({
          number: member.number,
          isPresent: views.get(member.number)?.isReachable === true,
          freeBytes: views.get(member.number)?.freeBytes ?? 0,
        })),
      })
      if (message !== undefined) return { kind: 'refused', message }
      try {
        await keeper.carryOut(planDrain(table, number))
      } catch (error) {
        const why = `the drain of disk ${number} was begun and is tried again: ${(error as Error).message}`
        throw unavailable('TOO_FEW_DISKS', why, {}, error)
      }
      log.info('disk-draining', { disk: number, directory: answer.directory, ...counts })
      return { kind: 'begun', ...answer }
    },
    async look() {
      const disk = drainingOf(keeper.table())
      if (!disk) return
      const { number } = disk
      try {
        if (!isEmpty(await leftOn(number))) return
        // A write that chose its disks before the drain may still be on its way: from here on its commit is refused.
        roster.closeDraining()
        if (!isEmpty(await leftOn(number))) return
      } catch (error) {
        log.info('drain-postponed', { disk: number, code: codeOf(error) })
        return
      }
      const directory = directoryOf(number)
      await keeper.carryOut(planLeave(keeper.table(), number))
      log.info('disk-drained', { disk: number, directory })
    },
  }
}
