// The file system as an interface: storage and journal are written against it, so that the same code runs on real
// disks, in memory, and on a disk that fails in every way of the fault model (test/support/faulty-files.ts).
//
// Durability is explicit. `write` promises nothing after a power cut until `sync` resolves; a new, renamed or removed
// directory entry promises nothing until `syncDirectory` of its directory resolves. After a failed sync a file must not
// be synced again: the kernel may have marked its dirty pages clean (see "Can Applications Recover from fsync
// Failures?", ATC '20).

export interface FileStat {
  readonly size: number
  /** 0 when the file was removed while open: such a file counts for nothing. */
  readonly links: number
  readonly inode: number
  readonly device: number
  /**
   * When it was made, by the clock of the system: neither its name nor its bytes nor its owner change that, and a copy has its own. 0
   * where the file system does not say.
   */
  readonly bornMs: number
  readonly kind: 'file' | 'directory' | 'other'
}

export interface FileSpace {
  readonly totalBytes: number
  /** What an unprivileged writer can still use. */
  readonly freeBytes: number
  /** `Number.POSITIVE_INFINITY` where the file system has no fixed number. */
  readonly freeInodes: number
}

/**
 * `read`: must exist. `create`: must not exist (O_EXCL). `update`: must exist, read and write.
 * No mode follows a symbolic link in the last component (O_NOFOLLOW), none truncates.
 */
export type OpenMode = 'read' | 'create' | 'update'

export interface OpenFile {
  readonly path: string
  /** True when the file was opened for O_DIRECT and the file system agreed; then all I/O is 4,096-aligned. */
  readonly isDirect: boolean
  /** Reads until `into` is full or the file ends; resolves to the number of bytes read. `into` may view shared memory. */
  read(into: Uint8Array, position: number): Promise<number>
  /** Writes all of `from` one after another at `position`, or rejects. Views of shared memory are fine. */
  write(from: readonly Uint8Array[], position: number): Promise<void>
  /** fdatasync: when it resolves the file's bytes and length survive a power cut. */
  sync(): Promise<void>
  truncate(size: number): Promise<void>
  stat(): Promise<FileStat>
  /** Idempotent. */
  close(): Promise<void>
}

/** Errors are FileErrors: the operation, the path and the system's own code (`ENOENT`, `EIO`, `ENOSPC`, `EROFS`, …). */
export interface FileSystem {
  open(path: string, mode: OpenMode, options?: { direct?: boolean }): Promise<OpenFile>
  /** Creates one directory; its parent must exist. Resolves false when it existed already. */
  makeDirectory(path: string): Promise<boolean>
  /** Names in the directory, in no order, without '.' and '..'. */
  list(path: string): Promise<string[]>
  /** Removes a file, or an empty directory. */
  remove(path: string): Promise<void>
  /** Atomic; replaces a file of that name. */
  rename(from: string, to: string): Promise<void>
  /**
   * Undefined when there is nothing of that name. Does not follow a symbolic link. `isHot`: it was looked up a moment ago, so
   * the answer is in the system's memory and need not wait for a disk.
   */
  stat(path: string, options?: { isHot?: boolean }): Promise<FileStat | undefined>
  /**
   * Rejects with what the system has against this process writing to the file, or making names in the directory. Touches nothing,
   * and says nothing of room, or of a broken device.
   */
  checkWritable(path: string, kind: 'file' | 'directory'): Promise<void>
  space(path: string): Promise<FileSpace>
  /** fsync of the directory: its entries survive a power cut when it resolves. */
  syncDirectory(path: string): Promise<void>
}

/** What a FileSystem rejects with. Match `code`, the system's errno name. */
export class FileError extends Error {
  override readonly name = 'FileError'
  readonly code: string
  readonly operation: string
  readonly path: string
  constructor(operation: string, path: string, code: string, cause?: unknown) {
    super(`${operation} ${path}: ${code}`, cause === undefined ? undefined : { cause })
    this.code = code
    this.operation = operation
    this.path = path
  }
}
