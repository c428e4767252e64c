// What commits left to be reclaimed. A `free` entry stays in the index until the work is done, whoever does it and
// however often it is begun: a crash between the removal of shards and the commit that says so costs a second attempt.
import { isDeepStrictEqual } from 'node:util'
import type { UploadId, WriteId } from '../base/ids.ts'
import type { PartTablePage } from './complete.ts'
import type { Decision } from './decision.ts'
import {
  afterPrefix,
  FREES_COUNTER_KEY,
  keyBytes,
  partKey,
  partOfKey,
  partPrefix,
  SPACE,
  sequenceOfFreeKey,
  tableKey,
} from './keys.ts'
import { heldByWrite } from './relocation.ts'
import type { CommitLimits, Room } from './room.ts'
import { type FreeRecord, removeShards, type ShardsData, type StoredPart } from './stored.ts'

/** One thing to do: remove the shards of these writes from their disks, then confirm. */
export interface FreeWork {
  readonly id: string
  readonly shards: readonly ShardsData[]
  /** The entry is not done with this piece: `next` hands out another of the same id. */
  readonly hasMore: boolean
}

interface Outstanding {
  readonly key: string
  readonly work: FreeWork
  /** Its shards are alive elsewhere. */
  readonly isPlaceOnly: boolean
  /** Parts this piece of work covers. */
  readonly parts: readonly { readonly partNumber: number; readonly data: StoredPart['data'] }[]
  readonly upload: UploadId | undefined
  readonly isTableToo: boolean
  /** Nothing of the entry is left after this piece. */
  readonly isLast: boolean
}

/** Parts of an upload that one piece of work covers. */
const PARTS_PER_WORK = 256
const FREES_PER_SCAN = 1000
const WORKS_PER_SCAN = 64

/** Of work without any the confirmation remains. */
const shardsOf = ({ shards }: FreeWork): number => shards.reduce((sum, { places }) => sum + places.length, 1)

export class Frees {
  readonly #room: Room
  /** Handed out and not confirmed. */
  readonly #outstanding = new Map<string, Outstanding>()

  constructor(room: Room) {
    this.#room = room
  }

  /** Entries that wait, those that readers hold back included. */
  get count(): number {
    return this.#room.ledger.counters.durable(FREES_COUNTER_KEY).frees ?? 0
  }

  /**
   * Work that no reader holds back, oldest first, until it is `shardsMax` shards or more, none twice before it is confirmed or given
   * back; with `after`, the id of a piece, only what comes behind it. Idempotent for who does it: a shard that is not there any more is removed.
   */
  async next(shardsMax: number, after = ''): Promise<FreeWork[]> {
    const { ledger, leases } = this.#room
    const through = leases.releasedThrough()
    const found: FreeWork[] = []
    let shards = 0
    if (this.count === 0) return found
    const behind = after === '' ? SPACE.free : `${Buffer.from(after, 'hex').toString('latin1')}\x00`
    const scan = ledger.scan(behind, afterPrefix(SPACE.free))
    try {
      for (
        let rows = await scan.next(WORKS_PER_SCAN);
        rows.length > 0;
        rows = await scan.next(WORKS_PER_SCAN)
      ) {
        for (const { key, record } of rows) {
          if (sequenceOfFreeKey(key) > through || shards >= shardsMax) return found
          const id = keyBytes(key).toString('hex')
          if (this.#outstanding.has(id) || this.#mustWait(record as FreeRecord)) continue
          const outstanding = await this.#workOf(id, key, record as FreeRecord)
          this.#outstanding.set(id, outstanding)
          found.push(outstanding.work)
          shards += shardsOf(outstanding.work)
        }
      }
      return found
    } finally {
      await scan.close()
    }
  }

  /** Parts are not listed because pages of a table are missing: that takes the word of all indexes. */
  #mustWait({ kind }: FreeRecord): boolean {
    return kind === 'unlisted' && !this.#room.ledger.indexes.isComplete
  }

  async #workOf(id: string, key: string, record: FreeRecord): Promise<Outstanding> {
    if (record.kind === 'shards' || record.kind === 'place') {
      return {
        key,
        work: { id, shards: [record.data], hasMore: false },
        isPlaceOnly: record.kind === 'place',
        parts: [],
        upload: undefined,
        isTableToo: false,
        isLast: true,
      }
    }
    const upload = record.upload as UploadId
    const listed = record.kind === 'unlisted' ? this.#listedParts(upload) : new Set<number>()
    const { parts, isLast } = await this.#partsOf(upload, listed)
    const shards = parts.flatMap(({ data }) => (data.kind === 'shards' ? [data] : []))
    return {
      key,
      work: { id, shards, hasMore: !isLast },
      isPlaceOnly: false,
      parts,
      upload,
      isTableToo: record.kind === 'upload',
      isLast,
    }
  }

  /**
   * The data of a write, for who found its shard on a disk; undefined when no version or part holds it any more. A part that waits to be
   * reclaimed holds nothing, although its record is there until that is done: of some its other shards went first.
   */
  async dataOfWrite(write: WriteId): Promise<ShardsData | undefined> {
    const holder = heldByWrite(this.#room.ledger, write)
    const part = holder && partOfKey(holder.key)
    return part && (await this.#isFreed(part.upload, part.partNumber)) ? undefined : holder?.shards
  }

  /** Looks through all that waits: who asks has found damage, which is rare. */
  async #isFreed(upload: UploadId, partNumber: number): Promise<boolean> {
    if (this.count === 0) return false
    const scan = this.#room.ledger.scan(SPACE.free, afterPrefix(SPACE.free))
    try {
      for (
        let rows = await scan.next(FREES_PER_SCAN);
        rows.length > 0;
        rows = await scan.next(FREES_PER_SCAN)
      ) {
        for (const { record } of rows) {
          const free = record as FreeRecord
          if (free.kind !== 'upload' && free.kind !== 'unlisted') continue
          if (free.upload !== upload) continue
          if (free.kind === 'upload' || !this.#listedParts(upload).has(partNumber)) return true
        }
      }
      return false
    } finally {
      await scan.close()
    }
  }

  #listedParts(upload: UploadId): Set<number> {
    const listed = new Set<number>()
    for (let page = 0; ; page++) {
      const record = this.#room.ledger.get(tableKey(upload, page))?.record as PartTablePage | undefined
      if (!record) return listed
      for (const [partNumber] of record.parts) listed.add(partNumber)
    }
  }

  async #partsOf(
    upload: UploadId,
    listed: ReadonlySet<number>,
  ): Promise<{ parts: Outstanding['parts'][number][]; isLast: boolean }> {
    const parts: Outstanding['parts'][number][] = []
    const prefix = partPrefix(upload)
    const scan = this.#room.ledger.scan(prefix, afterPrefix(prefix))
    try {
      for (
        let rows = await scan.next(PARTS_PER_WORK);
        rows.length > 0;
        rows = await scan.next(PARTS_PER_WORK)
      ) {
        for (const { record } of rows) {
          const { partNumber, data } = record as StoredPart
          if (listed.has(partNumber)) continue
          if (parts.length === PARTS_PER_WORK) return { parts, isLast: false }
          parts.push({ partNumber, data })
        }
      }
    } finally {
      await scan.close()
    }
    return { parts, isLast: true }
  }

  /** The work could not be done now, or all of it was given to somebody who is gone: `next` hands it out again. */
  giveBack(ids: readonly string[] = [...this.#outstanding.keys()]): void {
    for (const id of ids) this.#outstanding.delete(id)
  }

  /** The shards are gone from every disk that is there. Durable when it resolves. */
  async confirm(ids: readonly string[], limits?: CommitLimits): Promise<void> {
    const done = ids.flatMap((id) => this.#outstanding.get(id) ?? [])
    try {
      await this.#room.ledger.decide((decision) => {
        for (const outstanding of done) this.#remove(decision, outstanding)
      }, limits)
    } finally {
      this.giveBack(ids)
    }
  }

  #remove(
    decision: Decision,
    { key, work, parts, upload, isTableToo, isLast, isPlaceOnly }: Outstanding,
  ): void {
    if (!decision.get(key)) return
    let isDone = isLast
    if (upload === undefined) {
      if (!isPlaceOnly) for (const data of work.shards) removeShards(decision, data)
    } else {
      for (const { partNumber, data } of parts) {
        const at = partKey(upload, partNumber)
        const now = decision.get(at)?.record as StoredPart | undefined
        // A part that went meanwhile (the version of a completed upload was deleted) took its shards along.
        if (!now) continue
        // A shard of it was moved by a repair: where it is now nothing was removed.
        if (!isDeepStrictEqual(now.data, data)) {
          isDone = false
          continue
        }
        decision.delete(at)
        if (data.kind === 'shards') removeShards(decision, data)
      }
    }
    if (!isDone) return
    if (upload !== undefined && isTableToo) {
      for (let page = 0; decision.get(tableKey(upload, page)); page++) decision.delete(tableKey(upload, page))
    }
    decision.delete(key)
    decision.count(FREES_COUNTER_KEY, { frees: -1 })
  }
}
