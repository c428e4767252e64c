// Indexes in memory in the places where a rebuild makes them: what it made becomes the shelf of the next store.
import type { IndexPlaces, Rebuilt } from '../../../src/offline/rebuild.ts'
import { RecordingStore } from '../../support/index-stores.ts'
import { IndexShelf } from '../../support/store-crash.ts'

export class MemoryPlaces implements IndexPlaces {
  readonly #stores = new Map<string, RecordingStore>()

  async isThere(location: string): Promise<boolean> {
    return this.#stores.has(location)
  }

  async open(location: string) {
    const store = this.#stores.get(location) ?? new RecordingStore()
    this.#stores.set(location, store)
    return {
      getSync: (key: Buffer) => store.getSync(key),
      iterator: (range: { gte: Buffer; lt?: Buffer }) => store.iterator(range),
      batch: (...args: Parameters<RecordingStore['batch']>) => store.batch(...args),
      clear: () => store.clear(),
      close: async () => undefined,
    }
  }

  async drop(location: string): Promise<void> {
    this.#stores.delete(location)
  }

  async replace(location: string, fresh: string): Promise<void> {
    this.#stores.set(location, this.#stores.get(fresh)!)
    this.#stores.delete(fresh)
  }

  /** The first of each partition in the first position, the second in the second. */
  shelfOf({ indexes }: Rebuilt): IndexShelf {
    const positions = new Map<number, number>()
    const held = indexes.map(({ partition, directory }) => {
      const position = positions.get(partition) ?? 0
      positions.set(partition, position + 1)
      return [`${partition}/${position}`, this.#stores.get(directory)!.batches] as const
    })
    return new IndexShelf(new Map(held))
  }
}
