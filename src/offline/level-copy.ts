// A LevelDB opened where it must not be changed. Opening one writes: a log is turned into a table, a manifest is begun anew. So
// it is opened in a directory beside: its tables, which are never written to again, are there by symbolic links, and only
// its small files are copied.
import { copyFile, mkdir, readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type ClosableIndex, openLevelIndex } from '../storage/level-index.ts'

const TABLE = /^\d+\.(ldb|sst)$/
/** What it needs besides; its LOG and its LOCK are its own. */
const SMALL = /^(CURRENT|MANIFEST-\d+|\d+\.log)$/

/** Opens what is at `location` by way of `copy`, a directory that is not there yet. Rejects as LevelDB does. */
export const openLevelCopy = async (location: string, copy: string): Promise<ClosableIndex> => {
  await mkdir(copy)
  for (const name of await readdir(location)) {
    if (TABLE.test(name)) await symlink(join(location, name), join(copy, name))
    else if (SMALL.test(name)) await copyFile(join(location, name), join(copy, name))
  }
  return openLevelIndex(copy)
}
