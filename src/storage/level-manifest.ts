// Which tables a database of LevelDB is made of. A crash leaves others beside them, half written: they are nobody's.
//
// A manifest is a log (level-files.ts) of edits, each a list of fields: varint tag · what the tag says.
import { LevelCursor } from './level-table.ts'

/** Of a log: see level-files.ts. */
export const BLOCK_BYTES = 32_768
export const HEADER_BYTES = 7
const [FULL, LAST] = [1, 4]
/** Tags of fields. */
const [COMPARATOR, POINTER, REMOVED, ADDED] = [1, 5, 6, 7]

/** The manifest that counts, as CURRENT says; undefined when it says nothing of the kind. */
export const manifestOf = (current: Buffer | undefined): string | undefined =>
  /^(MANIFEST-\d+)\n$/.exec(current?.toString('latin1') ?? '')?.[1]

/** The number of the table that the file is; -1 for other files. */
export const numberOfTable = (name: string): number => Number(/^(\d+)\.(ldb|sst)$/.exec(name)?.[1] ?? -1)

/** The records of a log that verified, each in one piece. */
const recordsOf = (log: Buffer): Buffer[] => {
  const records: Buffer[] = []
  const pieces: Buffer[] = []
  for (let at = 0; at + HEADER_BYTES <= log.length; ) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    if (left < HEADER_BYTES) {
      at += left
      continue
    }
    const end = at + HEADER_BYTES + log.readUInt16LE(at + 4)
    // Being written: what it says does not count yet.
    if (end > log.length) break
    const type = log[at + 6]
    pieces.push(log.subarray(at + HEADER_BYTES, end))
    if (type === FULL || type === LAST) records.push(Buffer.concat(pieces.splice(0)))
    at = end
  }
  return records
}

/** Numbers of the tables that count, of a manifest that verified. */
export const tablesInManifest = (manifest: Buffer): Set<number> => {
  const tables = new Set<number>()
  for (const record of recordsOf(manifest)) {
    const cursor = new LevelCursor(record)
    const skipText = (): void => cursor.skip(cursor.varint())
    while (cursor.at < record.length) {
      const tag = cursor.varint()
      if (tag === COMPARATOR) skipText()
      else if (tag === POINTER) {
        cursor.varint()
        skipText()
      } else if (tag === REMOVED) {
        cursor.varint()
        tables.delete(cursor.varint())
      } else if (tag === ADDED) {
        cursor.varint()
        tables.add(cursor.varint())
        cursor.varint()
        skipText()
        skipText()
      }
      // All others are one number.
      else cursor.varint()
    }
  }
  return tables
}
