// What a lock is of. A name is not enough: another directory may lie under it later, or another file in the same directory.
import type { FileSystem } from '../base/files.ts'
import { LOCK_NAME } from './layout.ts'

/** What lies under this name now: which directory it is, and which file in it holds the lock. Rejects as the file system does. */
export const findLockPlace = async (files: FileSystem, root: string): Promise<string> => {
  const [directory, file] = await Promise.all([files.stat(root), files.stat(`${root}/${LOCK_NAME}/LOCK`)])
  return `${directory?.device}:${directory?.inode}:${file?.inode}`
}
