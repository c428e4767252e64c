// A file system that can only be looked at. The code that opens disks for a running store looks at those of a stopped one through
// it: where a start would make something first, it is as if that had been done, and nothing is written.
import { FileError, type FileSystem } from '../base/files.ts'
import { IDENTITY_NAME, KEY_NAME } from '../storage/layout.ts'
import { isNotThere } from '../storage/shard-files.ts'

const refuse = (operation: string) => (path: string) =>
  Promise.reject(new FileError(operation, path, 'EROFS'))

export const observedFiles = (files: FileSystem): FileSystem => ({
  open: (path, mode, options) => (mode === 'read' ? files.open(path, mode, options) : refuse('open')(path)),
  /** A disk that is known by its store.key alone gets its disk.json back before it is opened. */
  stat: async (path, options) =>
    (await files.stat(path, options)) ??
    (path.endsWith(`/${IDENTITY_NAME}`) ? files.stat(path.replace(/[^/]+$/, KEY_NAME), options) : undefined),
  space: (path) => files.space(path),
  checkWritable: (path, kind) => files.checkWritable(path, kind),
  /** A directory of a disk that is missing is made, and empty. */
  async list(path) {
    try {
      return await files.list(path)
    } catch (error) {
      if (isNotThere(error)) return []
      throw error
    }
  },
  makeDirectory: async () => false,
  syncDirectory: async () => undefined,
  remove: refuse('remove'),
  rename: refuse('rename'),
})
