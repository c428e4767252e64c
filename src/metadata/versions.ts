// Versions: PUT, DELETE and the look-up of what is current. Every decision is linearizable per key.
import { refusal } from '../base/errors.ts'
import { bucketCounterKey, currentKey } from './keys.ts'
import type { VersionFacts, VersionRecord } from './records.ts'
import { type BucketAddress, bucketIn, type CommitLimits, type Room } from './room.ts'
import {
  addShards,
  bodyOf,
  freeData,
  type NewData,
  newStoredVersion,
  type StoredVersion,
  storedData,
  toVersion,
  versionOf,
} from './stored.ts'

/** ETags without quotes, or `*`. */
export interface Conditions {
  readonly ifMatch?: readonly string[] | undefined
  readonly ifNoneMatch?: readonly string[] | undefined
}

export interface PutVersion extends BucketAddress, CommitLimits {
  readonly key: string
  readonly facts: VersionFacts
  /** Shards must be synced. An inline body is no longer the caller's. */
  readonly data: NewData
  readonly conditions?: Conditions | undefined
}

export interface VersionAddress extends BucketAddress {
  readonly key: string
  /** `null` is the only version of a key in a bucket that was never versioned. */
  readonly versionId?: string | undefined
}

export interface DeleteVersion extends VersionAddress, CommitLimits {
  readonly conditions?: Conditions | undefined
}

const noSuchKey = (key: string): Error => refusal('NoSuchKey', 'The specified key does not exist', { key })

/** `NoSuchKey` for If-Match without a version (as AWS answers), else `PreconditionFailed`. */
export const checkConditions = (
  conditions: Conditions | undefined,
  current: { readonly etag: string } | undefined,
  key: string,
): void => {
  const matches = (etags: readonly string[]): boolean =>
    current !== undefined && etags.some((etag) => etag === '*' || etag === current.etag)
  const failed = (condition: string): Error =>
    refusal('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
      condition,
    })
  if (conditions?.ifMatch) {
    if (!current) throw noSuchKey(key)
    if (!matches(conditions.ifMatch)) throw failed('If-Match')
  }
  if (conditions?.ifNoneMatch && matches(conditions.ifNoneMatch)) throw failed('If-None-Match')
}

/** Durable on m + 1 disks, with its inline body, when it resolves. */
export const putVersion = async (room: Room, request: PutVersion): Promise<VersionRecord> => {
  const { ledger, clock } = room
  const { key, facts, data, conditions } = request
  const entry = await ledger.decide((decision) => {
    const { id } = bucketIn(decision, request)
    const at = currentKey(id, key)
    const previous = decision.get(at)?.record as StoredVersion | undefined
    checkConditions(conditions, previous, key)
    const stored = newStoredVersion(facts, clock.nowMs(), storedData(data))
    if (previous) freeData(decision, previous.data)
    addShards(decision, at, data)
    decision.count(bucketCounterKey(id), {
      objects: previous ? 0 : 1,
      bytes: facts.size - (previous?.size ?? 0),
    })
    return decision.put(at, stored, bodyOf(data))
  }, request)
  return toVersion(entry)
}

/** A key that is not there is deleted already. Durable when it resolves. `NoSuchBucket`, `NoSuchVersion`. */
export const deleteVersion = ({ ledger }: Room, request: DeleteVersion): Promise<void> =>
  ledger.decide((decision) => {
    const { id } = bucketIn(decision, request)
    checkVersionId(request)
    const at = currentKey(id, request.key)
    const current = decision.get(at)?.record as StoredVersion | undefined
    checkConditions(request.conditions, current, request.key)
    if (!current) return
    freeData(decision, current.data)
    decision.delete(at)
    decision.count(bucketCounterKey(id), { objects: -1, bytes: -current.size })
  }, request)

const checkVersionId = ({ key, versionId }: VersionAddress): void => {
  if (versionId === undefined || versionId === 'null') return
  throw refusal('NoSuchVersion', 'The specified version does not exist', { key })
}

/** The version as the last synced commit left it. `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`. */
export const lookUpVersion = ({ ledger }: Room, address: VersionAddress): VersionRecord => {
  const { id } = bucketIn(ledger, address)
  checkVersionId(address)
  const entry = ledger.get(currentKey(id, address.key))
  if (!entry) throw noSuchKey(address.key)
  return versionOf(entry)
}
