// Whether a disk's directory can be written to, wherever the store will make names in it: asked before it is locked, so that
// a disk that could only be read is out from the start, with its cause, instead of failing at the first write that comes.
//
// The system is asked for its permission; nothing is written to find out. That covers what an operator does to a directory
// (its owner, its mode, a file system that is mounted read-only); a device that fails says so at the first write, and a
// full one is no reason to do without what it holds. The 256 directories of shards are passed over: to look each of them up on a
// disk at rest would cost seconds.
import { FileError, type FileSystem } from '../base/files.ts'
import { DIRECTORIES, LOCK_NAME } from './layout.ts'

/** Those of them with a directory for each partition of the metadata. */
const DIVIDED = new Set<string>(['journal', 'index'])

type Name = readonly [path: string, kind: 'file' | 'directory']

/** Those that are directories: what else lies there is met where it is opened. */
const partitionsOf = async (files: FileSystem, path: string): Promise<Name[]> => {
  const names = await files.list(path).catch(() => [])
  const kinds = await Promise.all(names.map((name) => files.stat(`${path}/${name}`).catch(() => undefined)))
  return names
    .filter((_, index) => kinds[index]?.kind === 'directory')
    .map((name) => [`${path}/${name}`, 'directory'] as const)
}

/** In the order in which a start uses them. */
const writtenTo = async (files: FileSystem, root: string): Promise<Name[]> => {
  const names: Name[] = [
    [root, 'directory'],
    [`${root}/${LOCK_NAME}`, 'directory'],
    [`${root}/${LOCK_NAME}/LOCK`, 'file'],
  ]
  for (const name of DIRECTORIES) {
    names.push([`${root}/${name}`, 'directory'])
    if (DIVIDED.has(name)) names.push(...(await partitionsOf(files, `${root}/${name}`)))
  }
  return names
}

/** What the system has against this process writing to a disk's directory; undefined when nothing can be seen. Touches nothing. */
export const findUnwritable = async (files: FileSystem, root: string): Promise<FileError | undefined> => {
  for (const [path, kind] of await writtenTo(files, root)) {
    try {
      await files.checkWritable(path, kind)
    } catch (error) {
      if (!(error instanceof FileError)) throw error
      // What is not there yet will be made.
      if (error.code !== 'ENOENT') return error
    }
  }
  return undefined
}
