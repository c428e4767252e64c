// What records refer to, kept in a database of its own: which shards on which disk, and in which state each upload is. A store may have
// more of them than fit into memory.
import type { DiskNumber, UploadId } from '../base/ids.ts'
import type { IndexOperation } from '../metadata/index-slot.ts'
import { fixed } from '../metadata/keys.ts'
import type { ShardsData } from '../metadata/stored.ts'
import type { ClosableIndex } from '../storage/level-index.ts'

const BATCH_OPERATIONS = 2000
const NOTHING = Buffer.alloc(0)

const fileKey = (disk: DiskNumber, write: string): Buffer =>
  Buffer.from(`f${fixed(disk, 4)}${Buffer.from(write, 'hex').toString('latin1')}`, 'latin1')
const entryKey = (disk: DiskNumber, volume: number, offset: number): Buffer =>
  Buffer.from(`e${fixed(disk, 4)}${fixed(volume, 4)}${fixed(offset, 4)}`, 'latin1')
const uploadStateKey = (upload: UploadId): Buffer =>
  Buffer.from(`u${Buffer.from(upload, 'hex').toString('latin1')}`, 'latin1')

/** Whose an upload's parts are. */
export interface UploadState {
  /** The object, or the upload, for people. */
  readonly name: string
  /** Completed: only listed parts count. */
  readonly isCompleted?: boolean
  /** Waits to be reclaimed: its shards may be gone already. */
  readonly isFreed?: boolean
}

export class References {
  readonly #store: ClosableIndex
  #operations: IndexOperation[] = []

  constructor(store: ClosableIndex) {
    this.#store = store
  }

  async #put(key: Buffer, value: Buffer): Promise<void> {
    this.#operations.push({ type: 'put', key, value })
    if (this.#operations.length >= BATCH_OPERATIONS) await this.flush()
  }

  /** Before anything is asked. */
  async flush(): Promise<void> {
    const operations = this.#operations
    this.#operations = []
    if (operations.length > 0) await this.#store.batch(operations, { sync: false })
  }

  /** `isFreed`: it waits to be reclaimed, and may be noted as garbage. */
  async addShards({ write, places }: ShardsData, isFreed: boolean): Promise<void> {
    const value = isFreed ? Buffer.from('freed') : NOTHING
    for (const { disk, volume, offset } of places) {
      const key = volume === undefined ? fileKey(disk, write) : entryKey(disk, volume, offset ?? 0)
      await this.#put(key, value)
    }
  }

  hasFile(disk: DiskNumber, write: string): boolean {
    return this.#store.getSync(fileKey(disk, write)) !== undefined
  }

  /** What refers to an entry of a volume: a record, or one that waits to be reclaimed. */
  entry(disk: DiskNumber, volume: number, offset: number): 'live' | 'freed' | undefined {
    const value = this.#store.getSync(entryKey(disk, volume, offset))
    return value && (value.length === 0 ? 'live' : 'freed')
  }

  addUpload(upload: UploadId, state: UploadState): Promise<void> {
    return this.#put(uploadStateKey(upload), Buffer.from(JSON.stringify(state)))
  }

  upload(upload: UploadId): UploadState | undefined {
    const value = this.#store.getSync(uploadStateKey(upload))
    return value && (JSON.parse(value.toString()) as UploadState)
  }
}
