// The file system of the machine, through node:fs. The only file of storage that touches it.
//
// No name is trusted: the last component is never followed when it is a symbolic link, and what was opened must be a
// regular file with one link, or somebody could have made a name of ours stand for a file elsewhere. Files are made
// readable by their owner alone, because object data, the journal and store.key are nobody else's.
import * as fs from 'node:fs'
import { FileError, type FileStat, type FileSystem, type OpenFile, type OpenMode } from '../base/files.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = fs.constants
/** Absent from the constants where the system has none. */
const O_DIRECT: number = (fs.constants as { O_DIRECT?: number }).O_DIRECT ?? 0
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700
const DIRECT_ALIGNMENT = 4096

// O_NONBLOCK does nothing to regular files, but a FIFO put in place of one cannot hold a thread of the pool for ever.
const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
  create: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK,
  update: O_RDWR | O_NOFOLLOW | O_NONBLOCK,
}

/** To make a name in a directory it must be searched, too. */
const ACCESS = { file: fs.constants.W_OK, directory: fs.constants.W_OK | fs.constants.X_OK } as const

const codeOfSystem = (error: unknown): string => {
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' ? code : 'EIO'
}

type Callback<T> = (error: NodeJS.ErrnoException | null, value: T) => void

/** One call of node:fs as a promise of its value, failing with a FileError. */
const call = <T>(operation: string, path: string, start: (done: Callback<T>) => void): Promise<T> =>
  new Promise((resolve, reject) => {
    const done: Callback<T> = (error, value) =>
      error ? reject(new FileError(operation, path, codeOfSystem(error), error)) : resolve(value)
    try {
      start(done)
    } catch (error) {
      reject(new FileError(operation, path, codeOfSystem(error), error))
    }
  })

/** One call of node:fs that asks no disk, on this thread. */
const callNow = <T>(operation: string, path: string, start: () => T): T => {
  try {
    return start()
  } catch (error) {
    throw new FileError(operation, path, codeOfSystem(error), error)
  }
}

const toStat = (stats: fs.Stats): FileStat => ({
  size: stats.size,
  links: stats.nlink,
  inode: stats.ino,
  device: stats.dev,
  bornMs: Math.max(0, Math.floor(stats.birthtimeMs)),
  kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other',
})

const statOpen = (fd: number, path: string): Promise<FileStat> =>
  call<fs.Stats>('stat', path, (done) => fs.fstat(fd, done)).then(toStat)

const closeFd = (fd: number, path: string): Promise<void> =>
  call<void>('close', path, (done) => fs.close(fd, done as fs.NoParamCallback))

/** The pieces that are left once `count` bytes of them are written. */
const dropBytes = (pieces: readonly Uint8Array[], count: number): Uint8Array[] => {
  const left: Uint8Array[] = []
  for (const piece of pieces) {
    if (count >= piece.length) count -= piece.length
    else {
      left.push(count === 0 ? piece : piece.subarray(count))
      count = 0
    }
  }
  return left
}

const wrapOpen = (fd: number, path: string, isDirect: boolean): OpenFile => {
  let isOpen = true
  const check = (operation: string): void => {
    // The number may belong to another file by now.
    if (!isOpen) throw new FileError(operation, path, 'EBADF')
  }
  return {
    path,
    isDirect,
    async read(into, position) {
      let filled = 0
      while (filled < into.length) {
        check('read')
        const at = filled
        const count = await call<number>('read', path, (done) =>
          fs.read(fd, into, at, into.length - at, position + at, done),
        )
        filled += count
        // Past an unaligned end a direct read has nothing more to give, and could not be continued there.
        if (count === 0 || (isDirect && filled % DIRECT_ALIGNMENT !== 0)) break
      }
      return filled
    },
    async write(from, position) {
      let left = from.filter((piece) => piece.length > 0)
      while (left.length > 0) {
        check('write')
        const pieces = left
        const at = position
        const count = await call<number>('write', path, (done) =>
          pieces.length === 1
            ? fs.write(fd, pieces[0]!, 0, pieces[0]!.length, at, done)
            : fs.writev(fd, pieces, at, done),
        )
        if (count === 0) throw new FileError('write', path, 'EIO')
        position += count
        left = dropBytes(left, count)
      }
    },
    async sync() {
      check('sync')
      await call<void>('sync', path, (done) => fs.fdatasync(fd, done as fs.NoParamCallback))
    },
    async truncate(size) {
      check('truncate')
      await call<void>('truncate', path, (done) => fs.ftruncate(fd, size, done as fs.NoParamCallback))
    },
    // The system has an open file's inode in memory: two threads that wake each other would cost ten times the call.
    async stat() {
      check('stat')
      return toStat(callNow('stat', path, () => fs.fstatSync(fd)))
    },
    async close() {
      if (!isOpen) return
      isOpen = false
      await closeFd(fd, path)
    },
  }
}

const openFd = (path: string, flags: number): Promise<number> =>
  call<number>('open', path, (done) => fs.open(path, flags, FILE_MODE, done))

/** Opens without O_DIRECT after the file system refused it. */
const openBuffered = async (path: string, mode: OpenMode): Promise<number> => {
  try {
    return await openFd(path, FLAGS[mode])
  } catch (error) {
    // Some kernels make the file before they refuse O_DIRECT: O_EXCL held then, so the empty file is ours.
    if (mode !== 'create' || codeOfSystem(error) !== 'EEXIST') throw error
    const fd = await openFd(path, FLAGS.update)
    if ((await statOpen(fd, path)).size === 0) return fd
    await closeFd(fd, path)
    throw error
  }
}

const openEither = async (
  path: string,
  mode: OpenMode,
  wantsDirect: boolean,
): Promise<{ fd: number; isDirect: boolean }> => {
  if (!wantsDirect || O_DIRECT === 0) return { fd: await openFd(path, FLAGS[mode]), isDirect: false }
  try {
    return { fd: await openFd(path, FLAGS[mode] | O_DIRECT), isDirect: true }
  } catch (error) {
    if (codeOfSystem(error) !== 'EINVAL') throw error
    return { fd: await openBuffered(path, mode), isDirect: false }
  }
}

/**
 * The files of this machine. What may wait for a disk runs in the pool of libuv: nothing blocks the calling thread.
 */
export const nodeFiles: FileSystem = {
  async open(path, mode, options) {
    const { fd, isDirect } = await openEither(path, mode, options?.direct === true)
    try {
      const { kind, links } = await statOpen(fd, path)
      if (kind === 'directory') throw new FileError('open', path, 'EISDIR')
      if (kind !== 'file') throw new FileError('open', path, 'EINVAL')
      // A file that was removed since the open has none, and its reader finds that out by itself.
      if (links > 1) throw new FileError('open', path, 'EMLINK')
    } catch (error) {
      await closeFd(fd, path)
      throw error
    }
    return wrapOpen(fd, path, isDirect)
  },
  async makeDirectory(path) {
    try {
      await call<void>('makeDirectory', path, (done) =>
        fs.mkdir(path, DIRECTORY_MODE, done as fs.NoParamCallback),
      )
      return true
    } catch (error) {
      if (codeOfSystem(error) !== 'EEXIST') throw error
      const stats = await nodeFiles.stat(path)
      if (stats?.kind === 'directory') return false
      throw error
    }
  },
  list: (path) => call<string[]>('list', path, (done) => fs.readdir(path, done)),
  async remove(path) {
    const stats = await call<fs.Stats>('remove', path, (done) => fs.lstat(path, done))
    await call<void>('remove', path, (done) =>
      stats.isDirectory()
        ? fs.rmdir(path, done as fs.NoParamCallback)
        : fs.unlink(path, done as fs.NoParamCallback),
    )
  },
  rename: (from, to) => call<void>('rename', from, (done) => fs.rename(from, to, done as fs.NoParamCallback)),
  async stat(path, { isHot = false } = {}) {
    try {
      return toStat(
        isHot
          ? callNow('stat', path, () => fs.lstatSync(path))
          : await call<fs.Stats>('stat', path, (done) => fs.lstat(path, done)),
      )
    } catch (error) {
      const code = codeOfSystem(error)
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      throw error
    }
  },
  checkWritable: (path, kind) =>
    call<void>('access', path, (done) =>
      fs.access(kind === 'directory' ? `${path}/` : path, ACCESS[kind], done as fs.NoParamCallback),
    ),
  async space(path) {
    const stats = await call<fs.StatsFs>('space', path, (done) => fs.statfs(path, done))
    return {
      totalBytes: stats.blocks * stats.bsize,
      freeBytes: stats.bavail * stats.bsize,
      freeInodes: stats.files === 0 ? Number.POSITIVE_INFINITY : stats.ffree,
    }
  },
  async syncDirectory(path) {
    const fd = await call<number>('syncDirectory', path, (done) =>
      fs.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, done),
    )
    try {
      await call<void>('syncDirectory', path, (done) => fs.fsync(fd, done as fs.NoParamCallback))
    } finally {
      await closeFd(fd, path)
    }
  },
}

/** What Linux shows of this process; elsewhere there is no such directory. */
const PROCESS = '/proc/self'

/** What is open as descriptor `name`, when this process has an fcntl lock on it. A child may inherit the descriptor, never the lock. */
const lockedPath = async (name: string, end: string): Promise<string[]> => {
  const link = `${PROCESS}/fd/${name}`
  const path = await call<string>('readlink', link, (done) => fs.readlink(link, done))
  if (!path.endsWith(end)) return []
  const about = `${PROCESS}/fdinfo/${name}`
  const text = await call<string>('read', about, (done) => fs.readFile(about, 'utf8', done))
  return /^lock:.* POSIX /m.test(text) ? [path] : []
}

/**
 * Paths that end in `end` of files on which any thread of this process has an fcntl lock. Opens none of them; none where the
 * system does not say.
 */
export const lockedPathsHere = async (end: string): Promise<string[]> => {
  const names = await nodeFiles.list(`${PROCESS}/fd`).catch(() => [])
  return (await Promise.all(names.map((name) => lockedPath(name, end).catch(() => [])))).flat()
}
