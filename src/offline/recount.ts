// The counters of a partition counted anew, to be compared with those that its commits carried along.
import type { BucketId } from '../base/ids.ts'
import { BUCKETS_COUNTER_KEY } from '../metadata/buckets.ts'
import type { CounterName, Counts } from '../metadata/counters.ts'
import {
  type BinaryKey,
  bucketCounterKey,
  CURRENT_KEY_OFFSET,
  diskCounterKey,
  FREES_COUNTER_KEY,
  REDUCED_COUNTER_KEY,
  SPACE,
} from '../metadata/keys.ts'
import { type ShardsData, shardBytes } from '../metadata/stored.ts'

export class Recount {
  readonly #counts = new Map<BinaryKey, Partial<Record<CounterName, number>>>()

  #add(key: BinaryKey, change: Counts): void {
    const counts = this.#counts.get(key) ?? {}
    for (const [name, by] of Object.entries(change) as [CounterName, number][]) {
      counts[name] = (counts[name] ?? 0) + by
    }
    this.#counts.set(key, counts)
  }

  bucket(): void {
    this.#add(BUCKETS_COUNTER_KEY, { objects: 1 })
  }

  /** Of a row whose key begins as that of a version does. */
  version(key: BinaryKey, size: number): void {
    this.#add(bucketCounterKey(bucketOf(key)), { objects: 1, bytes: size })
  }

  upload(key: BinaryKey): void {
    this.#add(bucketCounterKey(bucketOf(key)), { uploads: 1 })
  }

  free(): void {
    this.#add(FREES_COUNTER_KEY, { frees: 1 })
  }

  shards(data: ShardsData): void {
    const bytes = shardBytes(data)
    for (const { disk } of data.places) this.#add(diskCounterKey(disk), { shards: 1, bytes })
    if (data.isReduced) this.#add(REDUCED_COUNTER_KEY, { shards: data.places.length })
  }

  /** What `carried`, every counter of the index, says otherwise. */
  differences(
    carried: ReadonlyMap<BinaryKey, Counts>,
  ): { key: BinaryKey; carried: Counts; counted: Counts }[] {
    const keys = new Set([...carried.keys(), ...this.#counts.keys()])
    return [...keys].flatMap((key) => {
      const [said = {}, counted = {}] = [carried.get(key), this.#counts.get(key)]
      return textOf(said) === textOf(counted) ? [] : [{ key, carried: said, counted }]
    })
  }
}

/** Those that are 0 are not written. */
const textOf = (counts: Counts): string =>
  JSON.stringify(
    Object.entries(counts)
      .filter(([, value]) => value !== 0)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )

export const bucketOf = (key: BinaryKey): BucketId =>
  Buffer.from(key.slice(1, CURRENT_KEY_OFFSET), 'latin1').toString('hex') as BucketId

/** For people. */
export const formatCounter = (key: BinaryKey): string => {
  if (key === FREES_COUNTER_KEY) return 'of what waits to be reclaimed'
  if (key === REDUCED_COUNTER_KEY) return 'of shards written while disks were out'
  if (key === BUCKETS_COUNTER_KEY) return 'of buckets'
  if (key.startsWith(`${SPACE.counter}d`))
    return `of disk ${Buffer.from(key.slice(2), 'latin1').readUInt32BE(0)}`
  return `of bucket ${Buffer.from(key.slice(2), 'latin1').toString('hex')}`
}
