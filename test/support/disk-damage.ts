// What happens to disks: directories that lose their contents, files whose bytes flip. Works on the real file system,
// behind the server's back.
import { createHash } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import type { Random } from '../../src/base/prng.ts'

/** A server may have put a new file into a directory between its listing and its removal. */
const removeWhileUsed = (path: string): void => {
  for (;;) {
    try {
      rmSync(path, { recursive: true, force: true })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error
    }
  }
}

/** Removes all that is in the directory and leaves the directory itself: the same inode on the same device. */
export const emptyDirectory = (directory: string): void => {
  for (const name of readdirSync(directory)) removeWhileUsed(join(directory, name))
}

/** Every file below the directory, as paths relative to it, in order. */
export const filesIn = (directory: string): string[] =>
  readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .sort()

/** Inverts one byte in place. Returns false, and touches nothing, when the file ends before `offset`. */
export const flipByte = (path: string, offset: number): boolean => {
  const file = openSync(path, 'r+')
  try {
    if (offset >= fstatSync(file).size) return false
    const byte = Buffer.alloc(1)
    readSync(file, byte, 0, 1, offset)
    byte[0] = (byte[0] ?? 0) ^ 0xff
    writeSync(file, byte, 0, 1, offset)
    return true
  } finally {
    closeSync(file)
  }
}

/** Inverts `count` random bytes of a file. An empty file is left alone. */
export const flipBytes = (path: string, random: Random, count: number): void => {
  const file = openSync(path, 'r')
  const { size } = fstatSync(file)
  closeSync(file)
  for (let i = 0; i < count && size > 0; i++) flipByte(path, random.below(size))
}

/** Names, kinds and contents of all that is below the directory: equal snapshots mean untouched to the byte. */
export const snapshotOf = (directory: string): string[] =>
  readdirSync(directory, { withFileTypes: true, recursive: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name)
      const content = entry.isFile()
        ? createHash('sha256').update(readFileSync(path)).digest('hex')
        : 'directory'
      return `${relative(directory, path)} ${content}`
    })
    .sort()
