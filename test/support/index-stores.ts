// Index stores for tests: one that records its batches, so that any of them can be lost, and knobs to fail or stall it.
import { MemoryLevel } from 'memory-level'
import type { IndexOperation, IndexStore } from '../../src/metadata/index-slot.ts'
import { createIndexStore } from './partitions.ts'

export class RecordingStore implements IndexStore {
  readonly level: IndexStore
  readonly batches: IndexOperation[][] = []
  /** False once a batch came without `sync`. */
  isSynced = true
  failure: string | undefined
  stall: Promise<void> | undefined
  /** A table with these keys does not unpack: reads of them fail, and walks. A store that is cleared is made anew. */
  damaged: ((key: Buffer) => boolean) | undefined
  clears = 0

  constructor(batches: readonly (readonly IndexOperation[])[] = []) {
    const level = new MemoryLevel<Buffer, Buffer>({ keyEncoding: 'buffer', valueEncoding: 'buffer' })
    this.level = level
    // memory-level applies a batch at once, before its promise settles.
    this.batches.push(...batches.map((batch) => [...batch]))
    if (batches.length > 0) void this.level.batch(batches.flat(), { sync: true })
  }

  #apply(batch: readonly IndexOperation[]): Promise<void> {
    this.batches.push([...batch])
    return this.level.batch([...batch], { sync: true })
  }

  getSync(key: Buffer): Buffer | undefined {
    if (this.failure) throw new Error(this.failure)
    if (this.damaged?.(key)) throw new Error('Corruption: corrupted compressed block contents')
    return this.level.getSync(key)
  }

  async batch(operations: IndexOperation[], options: { sync: boolean }): Promise<void> {
    if (!options.sync) this.isSynced = false
    if (this.failure) throw new Error(this.failure)
    if (this.stall) await this.stall
    await this.#apply(operations)
  }

  iterator(range: { gte: Buffer; lt?: Buffer }): ReturnType<IndexStore['iterator']> {
    const iterator = this.level.iterator(range)
    return {
      nextv: async (size) => {
        const rows = await iterator.nextv(size)
        if (rows.some(([key]) => this.damaged?.(key))) throw new Error('Corruption: bad block')
        return rows
      },
      seek: (target) => iterator.seek(target),
      close: () => iterator.close(),
    }
  }

  async clear(): Promise<void> {
    this.clears++
    this.damaged = undefined
    this.batches.length = 0
    await this.level.clear()
  }
}

/** A store that holds what `store` holds, after `change` had its way with each entry; undefined loses it. */
export const alteredStore = async (
  store: IndexStore,
  change: (key: Buffer, value: Buffer) => readonly [Buffer, Buffer] | undefined,
): Promise<IndexStore> => {
  const altered = createIndexStore()
  const iterator = store.iterator({ gte: Buffer.alloc(0) })
  for (let rows = await iterator.nextv(1000); rows.length > 0; rows = await iterator.nextv(1000)) {
    for (const [key, value] of rows) {
      const kept = change(key, value)
      if (kept) await altered.batch([{ type: 'put', key: kept[0], value: kept[1] }], { sync: true })
    }
  }
  await iterator.close()
  return altered
}
