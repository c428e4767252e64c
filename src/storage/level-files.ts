// What LevelDB keeps to itself. When it opens a database it drops a damaged record of its log, and all that follows in the
// same block, without a word, and takes a manifest that ends too early for whole: a start that goes on with what is left
// should at least have said so. Of a damaged table it believes what it reads, or ends the process (level-table.ts). So all its
// files are looked at before it is opened: CURRENT, the manifest, the logs, and the tables that the manifest names.
//
//   a log, or a manifest, is blocks of 32 KiB; a record in it, or a piece of one that goes on in the next block:
//     u32 CRC-32C of type and bytes, masked · u16 length · u8 type, 1 to 4 · bytes
//   what is left of a block below 7 bytes is zeros
//
// What a crash leaves is no damage: a log that ends within a record, or in zeros. A manifest is another matter: without its
// end the database lacks whole tables, and its mark does not; an index that is made anew for nothing costs less.

import type { FileSystem } from '../base/files.ts'
import { MiB } from '../base/units.ts'
import { isZero } from '../base/zeros.ts'
import { createScalarCrc } from '../codec/crc.ts'
import { readBeginning } from './identity-file.ts'
import { BLOCK_BYTES, HEADER_BYTES, manifestOf, numberOfTable, tablesInManifest } from './level-manifest.ts'
import { checkLevelTable, levelChecksumOf, levelMaskOf } from './level-table.ts'

const TYPE_AT = 6
/** A log is turned into a table at 4 MiB, and a batch is as long at most; a manifest is begun anew at each start. */
export const FILE_BYTES_MAX = 64 * MiB

export interface LevelDamage {
  readonly file: string
  /** The first one; undefined when it is the file as a whole. */
  readonly offset?: number
  /** Damaged blocks. */
  readonly blocks?: number
  /** The database must not be opened with it: what it would show may lack anything. */
  readonly isFatal: boolean
}

/** Whether a record of another length would verify here: then it is the length that is wrong, and not the end that is missing. */
const hasOtherLength = (rest: Buffer): boolean => {
  const checksum = rest.readUInt32LE(0)
  const crc = createScalarCrc('crc32c')
  for (let at = TYPE_AT; at < rest.length; at++) {
    crc.update(rest.subarray(at, at + 1))
    if (levelMaskOf(crc.value().low) === checksum) return true
  }
  return false
}

/** What a record at the start of `rest`, which ends with its block or with the file, comes to. */
const checkRecord = (rest: Buffer, isEnd: boolean): number | 'damaged' | 'end' => {
  const length = rest.readUInt16LE(4)
  const type = rest[TYPE_AT]!
  const end = HEADER_BYTES + length
  if (type === 0 && length === 0 && isZero(rest)) return 'end'
  if (end > rest.length) {
    // Only the file can end within a record, and only within one that its block has room for.
    return isEnd && !hasOtherLength(rest) ? 'end' : 'damaged'
  }
  if (levelChecksumOf(rest.subarray(TYPE_AT, end)) === rest.readUInt32LE(0)) return end
  const isTorn = isEnd && isZero(rest.subarray(Math.min(end, rest.length - 1)))
  return isTorn ? 'end' : 'damaged'
}

/** Where the first damage of a block is. `mayEnd`: within a record, at the end of the file. */
const checkBlock = (block: Buffer, mayEnd: boolean): number | undefined => {
  let at = 0
  while (at + HEADER_BYTES <= block.length) {
    const rest = block.subarray(at)
    // A record that its block has no room for was never written, wherever the file ends.
    const fits = HEADER_BYTES + rest.readUInt16LE(4) <= BLOCK_BYTES - at
    const found = checkRecord(rest, mayEnd && fits)
    if (found === 'damaged') return at
    if (found === 'end') return undefined
    at += found
  }
  const isCut = at < block.length && block.length < BLOCK_BYTES
  return isCut && !mayEnd ? at : undefined
}

/** The first damage of a log, and how many of its blocks have any. `mayEnd`: within a record, as a crash leaves it. */
export const checkLevelLog = (
  bytes: Buffer,
  mayEnd = true,
): { offset: number; blocks: number } | undefined => {
  let first: number | undefined
  let blocks = 0
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const isLast = start + BLOCK_BYTES >= bytes.length
    const at = checkBlock(bytes.subarray(start, start + BLOCK_BYTES), mayEnd && isLast)
    if (at === undefined) continue
    first ??= start + at
    blocks++
  }
  return first === undefined ? undefined : { offset: first, blocks }
}

/** Damage in the files of the database at `directory` that matter to it; nothing for none, or for no database. */
export const findLevelDamage = async (files: FileSystem, directory: string): Promise<LevelDamage[]> => {
  if ((await files.stat(directory)) === undefined) return []
  const names = await files.list(directory)
  const current = await readBeginning(files, `${directory}/CURRENT`, FILE_BYTES_MAX)
  // One that was never made whole.
  if (current === undefined) return []
  const manifest = manifestOf(current)
  if (manifest === undefined || !names.includes(manifest)) return [{ file: 'CURRENT', isFatal: true }]
  const damage: LevelDamage[] = []
  let tables: ReadonlySet<number> = new Set()
  for (const file of [manifest, ...names.filter((name) => /^\d+\.log$/.test(name))]) {
    const bytes = await readBeginning(files, `${directory}/${file}`, FILE_BYTES_MAX)
    const found = bytes && checkLevelLog(bytes, file !== manifest)
    if (found) damage.push({ file, ...found, isFatal: file === manifest })
    if (bytes && file === manifest && !found) tables = tablesInManifest(bytes)
  }
  for (const file of names) {
    if (!tables.has(numberOfTable(file))) continue
    const bytes = await readBeginning(files, `${directory}/${file}`, FILE_BYTES_MAX)
    const offset = bytes && checkLevelTable(bytes)
    if (offset !== undefined) damage.push({ file, offset, isFatal: true })
  }
  return damage
}
