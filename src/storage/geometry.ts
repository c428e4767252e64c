// Geometry: how many data and parity shards a write gets. A function of the size of the body and of the disks that can
// be reached; nothing else decides. m is fixed when the store is made, k shrinks with the disks that are out, so that
// a write made with disks out survives the loss of any m others as well.
import { fault, type MoraineError, unavailable } from '../base/errors.ts'
import { KiB } from '../base/units.ts'

/** The largest and, where there is more than one set, the smallest erasure set. */
export const SET_DISKS_MAX = 16
export const SET_DISKS_MIN = 8
/** A store has at most as many disks as the codec can address twice over; more need a table of another format. */
export const DISKS_MAX = 256

/**
 * Below this a data shard is not worth a disk operation of its own: smaller bodies are cut into fewer data shards. The parity
 * stays, so what may be lost stays.
 */
export const DATA_SHARD_BYTES_MIN = 16 * KiB

export interface Geometry {
  readonly k: number
  readonly m: number
}

/** Parity of a set of `disks` disks when the operator says nothing. */
export const defaultParity = (disks: number): number => {
  if (disks <= 1) return 0
  if (disks <= 3) return 1
  if (disks <= 7) return 2
  return disks <= 11 ? 3 : 4
}

/** Throws CONFIG_INVALID for a number of disks that no store can have. What a store is made with must form equal sets besides. */
export const checkDiskCount = (disks: number): void => {
  if (disks >= 1 && disks <= DISKS_MAX) return
  throw fault('CONFIG_INVALID', `${disks} disks cannot be used: a store has 1 to ${DISKS_MAX} in all`, {
    disks,
  })
}

/** The largest parity that a store in so many directories may have. */
export const parityMaxOf = (disks: number): number => Math.min(disks, SET_DISKS_MAX) - 1

/** How many disks each set of a store of `disks` disks has. Throws CONFIG_INVALID when they form no equal sets. */
export const setDisksOf = (disks: number): number => {
  const isPossible = Number.isInteger(disks) && disks >= 1 && disks <= DISKS_MAX
  if (isPossible && disks <= SET_DISKS_MAX) return disks
  if (isPossible) {
    for (let size = SET_DISKS_MAX; size >= SET_DISKS_MIN; size--) {
      if (disks % size === 0) return size
    }
  }
  throw fault(
    'CONFIG_INVALID',
    `${disks} disks cannot be used: up to ${SET_DISKS_MAX} form one erasure set, more must form equal sets of ${SET_DISKS_MIN} to ${SET_DISKS_MAX}, ${DISKS_MAX} in all`,
    { disks },
  )
}

/** The parity of a new store: `wanted`, or the default. Throws CONFIG_INVALID when `wanted` leaves no data shard. */
export const parityOf = (disks: number, wanted?: number): number => {
  const size = setDisksOf(disks)
  if (wanted === undefined) return defaultParity(size)
  if (Number.isInteger(wanted) && wanted >= 0 && wanted < size) return wanted
  throw fault(
    'CONFIG_INVALID',
    `parity ${wanted} is impossible with ${size} disks in an erasure set: it must be 0 to ${size - 1}`,
    { parity: wanted, disks: size },
  )
}

/** True when new versions may be written with `usable` of a set's `disks` disks. */
export const isWritable = (disks: number, m: number, usable: number): boolean =>
  disks - usable <= m && usable >= m + 1

/** True when a set can be read: every version has at least one shard more than it can miss. */
export const isReadable = (disks: number, m: number, present: number): boolean => disks - present <= m

/** What is known of a set's disks when a write begins. `roomy` are reachable and have room. */
export interface SetState {
  readonly disks: number
  readonly reachable: number
  readonly roomy: number
}

/** Undefined when a set can take a write; else unavailable TOO_FEW_DISKS, or the fault DISK_FULL when only room is missing. */
export const whyNotWritable = (set: SetState, m: number): MoraineError | undefined => {
  const detail = { disks: set.disks, reachable: set.reachable, roomy: set.roomy, parity: m }
  if (!isWritable(set.disks, m, set.reachable)) {
    return unavailable('TOO_FEW_DISKS', 'too few disks can be reached to write', detail)
  }
  if (!isWritable(set.disks, m, set.roomy)) {
    return fault('DISK_FULL', 'too few disks have room for new data', detail)
  }
  return undefined
}

/** Geometry of a body of `size` bytes in a set with `usable` disks that can take it (`whyNotWritable` said so). */
export const geometryOf = (size: number, usable: number, m: number): Geometry => ({
  k: Math.max(1, Math.min(usable - m, Math.ceil(size / DATA_SHARD_BYTES_MIN))),
  m,
})
