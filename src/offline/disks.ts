// Which disks a store has and where each of them is, and the operator's word that an empty directory takes the place of one.
import { resolve } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { codeOf, fault } from '../base/errors.ts'
import type { FileSystem } from '../base/files.ts'
import type { DiskNumber } from '../base/ids.ts'
import { randomId, systemRandom } from '../base/prng.ts'
import { formatMiB } from '../base/units.ts'
import { peekDiskCounts } from '../metadata/peek.ts'
import { whyOut } from '../storage/directory-role.ts'
import { nodeFiles } from '../storage/files-node.ts'
import { applyJoin } from '../storage/forming.ts'
import { whyNotAdoptable, whyNotGiven } from '../storage/identity.ts'
import { slotsOfMissing } from '../storage/missing-slots.ts'
import { planReplacement } from '../storage/table-change.ts'
import { findUnwritable } from '../storage/writable.ts'
import { type KnownStore, readableMembers, readStore } from './known-store.ts'

/** Undefined when the journal cannot be read now. */
type LeftOnDisk = { readonly shards: number; readonly bytes: number } | 'unknown'

export interface ListedDisk {
  /** From 1, in the order of the store's table. */
  readonly position: number
  readonly number: DiskNumber
  readonly set: number
  /** Undefined when none of the directories holds the disk. */
  readonly root: string | undefined
  /** Why a running store does without it, as far as that can be seen from beside it. */
  readonly reason?: string
  /** What is left on it, of a disk that is being drained: as the journal said a moment ago. */
  readonly draining?: LeftOnDisk
}

/** The disks of the store in these directories, in the order of their positions, and where each was found. */
export const listDisks = async (roots: readonly string[]): Promise<ListedDisk[]> => {
  const store = await readStore(roots)
  const { states, storeId, table, rootOf } = store
  const held = new Set(rootOf.values())
  const missing = table.disks.filter(({ number }) => !rootOf.has(number))
  const slotOf = slotsOfMissing(missing, states.length, (slot) => held.has(states[slot]?.root ?? ''))
  const reasonFor = async (root: string | undefined, number: DiskNumber): Promise<string | undefined> => {
    if (root !== undefined) {
      const error = await findUnwritable(nodeFiles, root)
      return error && `cannot be written to (${error.code})`
    }
    const expected = states[slotOf.get(number) ?? states.length]
    // A directory that is not there says no more than that the disk is missing.
    if (!expected || expected.content.kind === 'absent') return undefined
    return whyOut(expected, storeId)
  }
  const listed = table.disks.map(async (disk): Promise<ListedDisk> => {
    const { position, number, set, state } = disk
    const root = rootOf.get(number)
    const reason = await reasonFor(root, number)
    const notGiven = root === undefined ? whyNotGiven(disk, roots) : undefined
    return {
      ...{ position: position + 1, number, set, root },
      ...((notGiven ?? reason) !== undefined && { reason: notGiven ?? reason! }),
      ...(state === 'draining' && { draining: await leftOn(store, number) }),
    }
  })
  return (await Promise.all(listed)).sort((a, b) => a.position - b.position)
}

const formatLeft = (left: LeftOnDisk): string =>
  left === 'unknown' ? 'draining' : `draining: ${left.shards} shards with ${formatMiB(left.bytes)} are left`

/** A segment may go while it is read. */
const TRIES = 5

const leftOn = async (store: KnownStore, disk: DiskNumber): Promise<LeftOnDisk> => {
  const { m: parity, partitions } = store.table
  const left = { shards: 0, bytes: 0 }
  for (let partition = 0; partition < partitions; partition++) {
    for (let tries = 1; ; tries++) {
      try {
        const request = { parity, partition, disk, clock: systemClock }
        const { shards, bytes } = await peekDiskCounts(readableMembers(store), request)
        left.shards += shards
        left.bytes += bytes
        break
      } catch (error) {
        if (tries < TRIES) continue
        if (codeOf(error) === 'UNEXPECTED') throw error
        return 'unknown'
      }
    }
  }
  return left
}

/** One disk a line, for the operator and for scripts: what is wrong with it comes last. */
export const formatDisk = ({ position, number, set, root, reason, draining }: ListedDisk): string =>
  [
    `position ${position}`,
    `number ${number}`,
    `set ${set}`,
    root ?? 'missing',
    ...(draining ? [formatLeft(draining)] : []),
    ...(reason === undefined ? [] : [reason]),
  ].join('  ')

/**
 * Says, for the operator, that the empty directory `target` takes the place of a disk that is missing: on whichever
 * device it lies. The store takes it in within seconds when it runs, else at its next start. Resolves to the position.
 */
export const replaceDisk = async (
  roots: readonly string[],
  target: string,
  files: FileSystem = nodeFiles,
): Promise<number> => {
  const { states, storeId, key, table, rootOf } = await readStore(roots, files)
  const index = states.findIndex(({ root }) => root === resolve(target))
  const state = states[index]
  if (!state)
    throw fault('CONFIG_INVALID', `${target} is none of the store's directories: ${roots.join(', ')}`)
  // Of one that is on its way out nothing takes the place.
  const missing = table.disks.filter(({ number, state: role }) => role === 'active' && !rootOf.has(number))
  const lost = missing.find(({ position }) => position === index) ?? missing[0]
  if (!lost) throw fault('CONFIG_INVALID', 'no disk of the store is missing: nothing is to be replaced')
  if (state.device === undefined) throw fault('CONFIG_INVALID', `${target} does not exist`)
  // The operator's word stands for what the store would have to see itself: that this is no unmounted disk.
  const reason = whyNotAdoptable(state, lost, new Set([state.device]), { storeId, table })
  if (reason !== undefined) throw fault('CONFIG_INVALID', reason)
  const newId = (): string => randomId(systemRandom)
  const { joined } = planReplacement({ storeId, table }, [{ root: state.root, lost: lost.number }], newId)
  for (const { root, identity } of joined) await applyJoin(files, root, identity, key)
  return lost.position + 1
}
