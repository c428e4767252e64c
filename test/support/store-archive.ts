// A whole store in one small file: its tree of files, packed by Brotli, whose window of 16 MiB finds that the copies of a
// segment are equal and that zeros are zeros.
//
//   u32 length of a JSON list of [path, bytes], -1 bytes for a directory; the list; the bytes of the files, one after another
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'

/** Paths below a directory, `undefined` for a directory; in one order, so that equal trees are equal maps. */
export type Tree = ReadonlyMap<string, Buffer | undefined>

export const readTree = (directory: string): Tree => {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  const paths = entries.map((entry) => {
    const path = join(entry.parentPath ?? entry.path, entry.name)
    return [path.slice(directory.length + 1), entry.isDirectory() ? undefined : readFileSync(path)] as const
  })
  return new Map(paths.sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** As a store makes them: 0700 and 0600. */
export const writeTree = (tree: Tree, directory: string): void => {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  for (const [path, bytes] of tree) {
    if (bytes === undefined) mkdirSync(join(directory, path), { recursive: true, mode: 0o700 })
    else writeFileSync(join(directory, path), bytes, { mode: 0o600 })
  }
}

export const packTree = (tree: Tree): Buffer => {
  const list = Buffer.from(JSON.stringify([...tree].map(([path, bytes]) => [path, bytes?.length ?? -1])))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(list.length)
  const files = [...tree.values()].filter((bytes) => bytes !== undefined)
  const whole = Buffer.concat([length, list, ...files])
  return brotliCompressSync(whole, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: whole.length,
    },
  })
}

export const unpackTree = (packed: Uint8Array): Tree => {
  const whole = brotliDecompressSync(packed)
  let at = 4 + whole.readUInt32LE(0)
  const list = JSON.parse(whole.toString('utf8', 4, at)) as [path: string, bytes: number][]
  return new Map(
    list.map(([path, bytes]) => {
      if (bytes < 0) return [path, undefined]
      at += bytes
      return [path, whole.subarray(at - bytes, at)]
    }),
  )
}
