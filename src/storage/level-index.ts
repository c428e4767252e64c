// An index of the metadata on a disk: a LevelDB, as the metadata see it.
import type { ClassicLevel } from 'classic-level'
import type { FileSystem } from '../base/files.ts'
import type { DiskNumber } from '../base/ids.ts'
import { require } from '../base/require.ts'
import type { IndexStore } from '../metadata/index-slot.ts'
import { verifyLevelTables } from './level-tables.ts'

export const LEVEL_ENCODING = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const

/** Loaded with the first that is opened: a store in memory has none. */
export const classicLevel = (): typeof ClassicLevel =>
  (require('classic-level') as typeof import('classic-level')).ClassicLevel

/** An ordered store that has an end. */
export interface ClosableIndex extends IndexStore {
  close(): Promise<void>
}

export interface LevelIndexPlace {
  readonly location: string
  readonly disk?: DiskNumber | undefined
  /** To look at its files with. */
  readonly files?: FileSystem
  /** Told when the directory was made anew. */
  readonly onMade?: () => Promise<void>
}

/**
 * A level as the metadata sees it. It is cleared by being made anew, for a damaged one cannot even be walked through. Its
 * chained batch costs a fifth of its batch of an array, which copies each operation.
 */
export const indexStoreOf = (
  level: ClassicLevel<Buffer, Buffer>,
  { location, disk, files, onMade }: LevelIndexPlace,
): ClosableIndex => ({
  ...(disk !== undefined && { disk }),
  getSync: (key) => level.getSync(key),
  iterator: (range) => level.iterator(range),
  async clear() {
    await level.close()
    await classicLevel().destroy(location)
    await level.open()
    await onMade?.()
  },
  ...(files && { verifyFiles: () => verifyLevelTables(files, location) }),
  close: () => level.close(),
  batch(operations, options) {
    const batch = level.batch()
    for (const { type, key, value } of operations) {
      if (type === 'put') batch.put(key, value)
      else batch.del(key)
    }
    return batch.write(options)
  },
})

/** Opens the one at `location`, or makes it. Rejects as LevelDB does. */
export const openLevelIndex = async (location: string, disk?: DiskNumber): Promise<ClosableIndex> => {
  const Level = classicLevel()
  const level = new Level<Buffer, Buffer>(location, { ...LEVEL_ENCODING, multithreading: false })
  await level.open()
  return indexStoreOf(level, { location, disk })
}
