// The tables of a database of LevelDB that is open, for the scrub. LevelDB itself verifies none of what it reads (level-table.ts): what
// is damaged on the medium is to be found before LevelDB meets it.
import type { FileSystem } from '../base/files.ts'
import type { VerifiedFile } from '../metadata/index-slot.ts'
import { readBeginning } from './identity-file.ts'
import { checkLevelLog, FILE_BYTES_MAX } from './level-files.ts'
import { manifestOf, numberOfTable, tablesInManifest } from './level-manifest.ts'
import { checkLevelTable } from './level-table.ts'
import { createMedium, type Medium } from './medium.ts'
import { isNotThere } from './shard-files.ts'
import { UNREADABLE } from './shard-reader.ts'

/** What a database that is open is made of; undefined when it does not say. */
const tablesNow = async (files: FileSystem, directory: string): Promise<ReadonlySet<number> | undefined> => {
  const current = await readBeginning(files, `${directory}/CURRENT`, FILE_BYTES_MAX)
  const manifest = manifestOf(current)
  const bytes = manifest && (await readBeginning(files, `${directory}/${manifest}`, FILE_BYTES_MAX))
  // It is appended to meanwhile.
  if (!bytes || checkLevelLog(bytes, true)) return undefined
  return tablesInManifest(bytes)
}

/**
 * Looks at the tables of a database that is open, one after another, as the medium has them. A table that is removed meanwhile is no
 * finding, nor is one that is still being written: only those count of which the database says that it is made.
 */
export async function* verifyLevelTables(files: FileSystem, directory: string): AsyncGenerator<VerifiedFile> {
  const medium = createMedium(files)
  const tables = await tablesNow(files, directory)
  if (!tables) return yield { file: 'MANIFEST', bytes: 0, damagedAt: 0 }
  const names = await files.list(directory)
  for (const file of names) {
    if (!tables.has(numberOfTable(file))) continue
    const table = await readTable(files, medium, `${directory}/${file}`)
    const damagedAt = table && checkLevelTable(table)
    const isStill =
      damagedAt === undefined || (await tablesNow(files, directory))?.has(numberOfTable(file)) !== false
    yield { file, bytes: table?.length ?? 0, ...(damagedAt !== undefined && isStill && { damagedAt }) }
  }
  const missing = new Set(tables)
  for (const file of names) missing.delete(numberOfTable(file))
  if (missing.size === 0) return
  const now = await tablesNow(files, directory)
  for (const number of missing) {
    if (now?.has(number) !== false) yield { file: `${number}.ldb`, bytes: 0, damagedAt: 0 }
  }
}

/** Undefined when it is not there any more; no bytes of one that cannot be read. */
const readTable = async (files: FileSystem, medium: Medium, path: string): Promise<Buffer | undefined> => {
  try {
    const stat = await files.stat(path)
    if (!stat) return undefined
    const { buffer, byteOffset, length } = await medium.read(path, 0, Math.min(stat.size, FILE_BYTES_MAX))
    return Buffer.from(buffer, byteOffset, length)
  } catch (error) {
    if (isNotThere(error)) return undefined
    if (!UNREADABLE.has((error as { code?: string }).code ?? '')) throw error
    return Buffer.alloc(0)
  }
}
