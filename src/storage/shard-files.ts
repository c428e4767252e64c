// Large shards: one file each, `shards/ab/WRITEID`, units one after another, written with O_DIRECT from the arena where
// the file system can. A file has its final name from the start: nobody refers to a shard before its write is committed,
// and a file that nobody refers to is garbage, never data.
//
// The rest of the file is what makes it durable: fdatasync of the file, fsync of its directory, and of the
// directory above when that one is new.
import { assert, unavailable } from '../base/errors.ts'
import type { OpenFile } from '../base/files.ts'
import type { WriteId } from '../base/ids.ts'
import { createLimiter } from '../base/promises.ts'
import type { DiskContext } from './disk-context.ts'
import { isWriteId, shardDirectory, shardPath, shardsPath } from './layout.ts'
import { PAGE_BYTES } from './unit.ts'

export interface ShardWriter {
  readonly write: WriteId
  /**
   * Writes a sealed unit, `fileBytesOf(payloadBytes)` bytes of its slab, after those appended before. Not durable
   * yet. The slab must stay as it is until this settles. After a failure only `abort` is left.
   */
  append(unit: Uint8Array): Promise<void>
  /** The whole shard, its length and its name are durable when it resolves. Nothing can be appended afterwards. */
  seal(): Promise<void>
  /** Removes what was written, sealed or not. Idempotent, and waits for writes that still run. */
  abort(): Promise<void>
}

export interface ShardFiles {
  /**
   * `bytes`: what the file is going to take (`StripePlan.diskBytes`). Rejects with DISK_FULL when it would not fit now. Room is
   * taken unit by unit: who says much and sends little keeps nobody else out, and any append may find the disk full.
   */
  create(write: WriteId, bytes: number): Promise<ShardWriter>
  /**
   * As `create`, for a repair: takes the place of whatever has the shard's name when it is sealed, at once. Until then what is
   * whole of that can be read.
   */
  replace(write: WriteId, bytes: number): Promise<ShardWriter>
  /** Removes shards, those that are not there too; durable when it resolves. */
  remove(writes: readonly WriteId[]): Promise<void>
  /** Those of the 256 directories that there are, in order. */
  directories(): Promise<number[]>
  /** Files in one of the 256 directories: shards by their write id, and names that are none. */
  list(directory: number): Promise<{ writes: WriteId[]; strays: string[] }>
  /** Removes names that are no shards from one of the directories, files only; durable when it resolves. */
  removeStrays(directory: number, names: readonly string[]): Promise<void>
  /** Closes what was begun and not ended, when the writes to it have ended. What lies there nobody refers to. */
  close(): Promise<void>
}

const DIRECTORY_NAME = /^[0-9a-f]{2}$/
const directoryName = (directory: number): string => directory.toString(16).padStart(2, '0')

const REPAIR_SUFFIX = '.new'
const NOT_THERE = new Set(['ENOENT', 'ENOTDIR'])
export const isNotThere = (error: unknown): boolean =>
  NOT_THERE.has((error as { code?: string } | undefined)?.code ?? '')

/**
 * Units of a disk that the kernel has at a time. Two keep a device busy; what it has beyond that only stands in front of
 * the small writes and syncs of others, in its queue and in the threads of libuv: hundreds of uploads must not hold up a commit.
 */
const UNITS_AT_ONCE = 4

/** Writes at a position, leaving O_DIRECT for good when the file system refuses it only now. */
const createDirectWriter = (context: DiskContext) => {
  let wantsDirect = true
  const fallBack = (path: string, reason: string): void => {
    if (!wantsDirect) return
    wantsDirect = false
    context.log.warn('disk.no-direct-io', { disk: context.number, path, reason })
  }
  return {
    async create(path: string): Promise<OpenFile> {
      const file = await context.files.open(path, 'create', { direct: wantsDirect })
      if (!file.isDirect) fallBack(path, 'the file system does not offer it')
      return file
    },
    /** Resolves to the file to go on with. */
    async write(file: OpenFile, unit: Uint8Array, position: number): Promise<OpenFile> {
      try {
        await file.write([unit], position)
        return file
      } catch (error) {
        if (!file.isDirect || (error as { code?: string }).code !== 'EINVAL') throw error
        fallBack(file.path, 'a write was refused')
        const buffered = await context.files.open(file.path, 'update')
        await file.close()
        await buffered.write([unit], position)
        return buffered
      }
    },
  }
}

export const createShardFiles = (
  context: DiskContext,
  forget: (path: string) => Promise<void>,
): ShardFiles => {
  const { root, files, counters, room } = context
  const direct = createDirectWriter(context)
  const limited = createLimiter(UNITS_AT_ONCE)
  /** Directories known to be durable. */
  const syncedDirectories = new Set<string>()

  const ensureDirectory = async (path: string): Promise<void> => {
    if (!syncedDirectories.has(path)) await files.makeDirectory(path)
  }
  const syncEntry = async (path: string): Promise<void> => {
    await context.syncDirectory(path)
    if (syncedDirectories.has(path)) return
    // It may have been made by a process that died before it synced it: found is not durable.
    await context.syncDirectory(shardsPath(root))
    syncedDirectories.add(path)
  }
  const removeFile = async (path: string): Promise<void> => {
    try {
      await files.remove(path)
    } catch (error) {
      if (!isNotThere(error)) throw error
    }
    await forget(path)
  }
  const syncRemoval = async (path: string): Promise<void> => {
    try {
      await context.syncDirectory(path)
    } catch (error) {
      if (!isNotThere(error)) throw error
    }
  }

  /** Ends each file that is being written: nobody comes back to it in the next life of the disk. */
  const writers = new Set<() => Promise<void>>()
  let isClosed = false

  const openWriter = (write: WriteId, opened: OpenFile): ShardWriter => {
    let { path } = opened
    let file = opened
    let length = 0
    let state: 'open' | 'sealed' | 'failed' | 'aborted' = 'open'
    /** Writes follow one another: a change of file happens between two of them. */
    let last: Promise<void> = Promise.resolve()

    const failing = async (action: () => Promise<void>): Promise<void> => {
      try {
        await context.guarded(action)
      } catch (error) {
        if (state === 'open') state = 'failed'
        throw error
      }
    }
    const writeAt = async (unit: Uint8Array, position: number): Promise<void> => {
      assert(state === 'open', 'a shard that failed or ended is not appended to')
      const reservation = await room.take(unit.length)
      try {
        file = await direct.write(file, unit, position)
        counters.writes += 1
        counters.writtenBytes += unit.length
        reservation.use(unit.length)
      } finally {
        reservation.release()
      }
    }
    const ended = async (): Promise<void> => {
      // Whoever appended was told of the failure; here only the end of the write matters.
      await last.catch(() => undefined)
    }
    const closeFile = async (): Promise<void> => {
      writers.delete(leave)
      await file.close()
    }
    const leave = async (): Promise<void> => {
      if (state === 'open') state = 'failed'
      await ended()
      await closeFile()
    }
    writers.add(leave)
    return {
      write,
      append(unit) {
        assert(unit.length % PAGE_BYTES === 0, 'a unit is written in whole pages')
        const position = length
        length += unit.length
        last = last.then(() => limited(() => failing(() => writeAt(unit, position))))
        return last
      },
      async seal() {
        await last
        assert(state === 'open', 'a shard is sealed once')
        await failing(async () => {
          if (path === shardPath(root, write)) {
            await Promise.all([context.syncFile(file), syncEntry(shardDirectory(root, write))])
          } else {
            await context.syncFile(file)
            await files.rename(path, shardPath(root, write))
            path = shardPath(root, write)
            await forget(path)
            await syncEntry(shardDirectory(root, write))
          }
          state = 'sealed'
          await closeFile()
        })
      },
      async abort() {
        await ended()
        if (state === 'aborted') return
        state = 'aborted'
        await context.guarded(async () => {
          await closeFile()
          await removeFile(path)
        })
      },
    }
  }

  const create = (write: WriteId, bytes: number, path: string, isNew: boolean): Promise<ShardWriter> =>
    context.guarded(async () => {
      await room.admit(bytes)
      await ensureDirectory(shardDirectory(root, write))
      // A repair that a crash cut off left its file.
      if (!isNew) await removeFile(path)
      const file = await direct.create(path)
      if (!isClosed) return openWriter(write, file)
      await file.close()
      throw unavailable('TOO_FEW_DISKS', 'the disk was closed while the shard was begun')
    })

  return {
    create: (write, bytes) => create(write, bytes, shardPath(root, write), true),
    replace: (write, bytes) => create(write, bytes, `${shardPath(root, write)}${REPAIR_SUFFIX}`, false),
    remove: (writes) =>
      context.guarded(async () => {
        await Promise.all(writes.map((write) => removeFile(shardPath(root, write))))
        // Also where nothing was there: who removed it may not have lived to sync that.
        const directories = new Set(writes.map((write) => shardDirectory(root, write)))
        await Promise.all([...directories].map(syncRemoval))
        await context.checkPresence()
      }),
    directories: () =>
      context.guarded(async () => {
        const names = (await files.list(shardsPath(root))).filter((name) => DIRECTORY_NAME.test(name))
        return names.map((name) => Number.parseInt(name, 16)).sort((a, b) => a - b)
      }),
    list: (directory) =>
      context.guarded(async () => {
        const path = `${shardsPath(root)}/${directoryName(directory)}`
        if ((await files.stat(path)) === undefined) return { writes: [], strays: [] }
        const names = await files.list(path)
        return {
          writes: names.filter(isWriteId),
          strays: names.filter((name) => !isWriteId(name)),
        }
      }),
    removeStrays: (directory, names) =>
      context.guarded(async () => {
        const path = `${shardsPath(root)}/${directoryName(directory)}`
        for (const name of names) {
          assert(!isWriteId(name) && !name.includes('/'), 'a stray is no shard')
          await removeFile(`${path}/${name}`)
        }
        await syncRemoval(path)
      }),
    async close() {
      isClosed = true
      await Promise.all([...writers].map((leave) => leave()))
    },
  }
}
