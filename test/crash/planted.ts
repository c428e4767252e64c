// Bugs that a store could have, as its disks would see them: what is done too early, and what is left out.
import type { FileSystem, OpenFile } from '../../src/base/files.ts'
import type { FaultyFiles } from '../support/faulty-files.ts'
import { filesBelow } from '../support/memory-tree.ts'
import { ROOTS } from './scenario.ts'

export type Plant = (files: FaultyFiles) => FileSystem

const withFiles = (files: FaultyFiles, change: (file: OpenFile, path: string) => OpenFile): FileSystem => ({
  ...files,
  open: async (path, mode, options) => change(await files.open(path, mode, options), path),
})

/** What is asked to be synced below a directory of this name is acknowledged, and not synced. */
export const withoutSync =
  (name: string): Plant =>
  (files) => ({
    ...withFiles(files, (file, path) =>
      path.includes(`/${name}/`) ? { ...file, sync: async () => undefined } : file,
    ),
    syncDirectory: (path) => (path.includes(`/${name}`) ? Promise.resolve() : files.syncDirectory(path)),
  })

/** A directory that something was renamed in is not synced. */
export const withoutSyncOfRenames: Plant = (files) => {
  const renamed = new Set<string>()
  const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'))
  return {
    ...files,
    async rename(from, to) {
      await files.rename(from, to)
      renamed.add(parentOf(to))
    },
    syncDirectory: (path) => (renamed.has(path) ? Promise.resolve() : files.syncDirectory(path)),
  }
}

/** Shards go, durably, before the commit that frees them is written; the store itself finds nothing left to remove. */
export const freeingFirst: Plant = (files) =>
  withFiles(files, (file, path) => {
    if (!path.includes('/journal/')) return file
    return {
      ...file,
      async write(from, position) {
        for (const root of position > 0 ? ROOTS : []) {
          for (const { path: shard } of await filesBelow(files, `${root}/shards`)) {
            await files.remove(shard)
            await files.syncDirectory(shard.slice(0, shard.lastIndexOf('/')))
          }
        }
        await file.write(from, position)
      },
    }
  })
