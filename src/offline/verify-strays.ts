// What lies on the disks and nobody refers to: shards of writes that a crash cut off, files that are none of ours. Garbage is no
// damage. And the other way around: what is noted as garbage and a record refers to, which must never be.
import type { DiskNumber } from '../base/ids.ts'
import type { Disk, VolumeEntry } from '../storage/disk.ts'
import { readFreed } from '../storage/garbage.ts'
import {
  DIRECTORIES,
  IDENTITY_NAME,
  KEY_NAME,
  LOCK_NAME,
  numberOf,
  SESSION_NAME,
  volumePath,
} from '../storage/layout.ts'
import { entryBytesOf } from '../storage/unit.ts'
import type { Finding } from './findings.ts'
import { ofDisk, type Verification } from './verification.ts'

const ENTRIES = 1000
const OURS = new Set<string>([...DIRECTORIES, IDENTITY_NAME, KEY_NAME, LOCK_NAME, SESSION_NAME, 'lost+found'])

interface Site {
  readonly verification: Verification
  readonly disk: Disk
  readonly number: DiskNumber
  readonly root: string
}

const note = (
  { verification, number }: Site,
  finding: Pick<Finding, 'what' | 'file' | 'offset' | 'bytes' | 'reason'>,
) => verification.findings.add({ severity: 'note', ...ofDisk(verification, number), ...finding })

const findStrays = async (site: Site): Promise<void> => {
  const { verification, root } = site
  const { files } = verification
  const tell = (file: string): void =>
    note(site, { what: 'stray', file, reason: 'it is no file of the store' })
  for (const name of await files.list(root)) if (!OURS.has(name)) tell(name)
  const volumes = await files.list(`${root}/volumes`).catch((): string[] => [])
  for (const name of volumes) {
    const isOurs = numberOf(name, 'vol') !== undefined || numberOf(name, 'free') !== undefined
    if (!isOurs) tell(`volumes/${name}`)
  }
  for (const partition of await files.list(`${root}/journal`).catch((): string[] => [])) {
    const names = await files.list(`${root}/journal/${partition}`).catch((): string[] => [])
    for (const name of names) if (numberOf(name, 'log') === undefined) tell(`journal/${partition}/${name}`)
  }
  const directories = await files.list(`${root}/shards`).catch((): string[] => [])
  for (const name of directories) if (!/^[0-9a-f]{2}$/.test(name)) tell(`shards/${name}`)
}

const findOrphanFiles = async (site: Site): Promise<void> => {
  const { verification, disk, number, root } = site
  for (const directory of await disk.listShardDirectories()) {
    verification.signal.throwIfAborted()
    const { writes, strays } = await disk.listShards(directory)
    const path = `shards/${directory.toString(16).padStart(2, '0')}`
    for (const name of strays)
      note(site, { what: 'stray', file: `${path}/${name}`, reason: 'it is no shard' })
    for (const write of writes) {
      if (!verification.isComplete || verification.references.hasFile(number, write)) continue
      const bytes = (await verification.files.stat(`${root}/${path}/${write}`))?.size ?? 0
      note(site, { what: 'orphan', file: `${path}/${write}`, bytes, reason: 'no record refers to it' })
    }
  }
}

const judgeEntry = (
  site: Site,
  volume: number,
  { offset, payloadBytes }: VolumeEntry,
  freed: ReadonlySet<number>,
): void => {
  const { verification, number } = site
  const { findings, references, isComplete } = verification
  const reference = references.entry(number, volume, offset)
  const file = `volumes/${volume}.vol`
  if (reference === 'live' && freed.has(offset)) {
    const where = { ...ofDisk(verification, number), file, offset }
    findings.add({
      severity: 'damaged',
      what: 'shard',
      ...where,
      reason: 'it is noted as garbage, and a record refers to it',
    })
  }
  if (!isComplete || reference || freed.has(offset)) return
  const bytes = entryBytesOf(payloadBytes)
  note(site, { what: 'orphan', file, offset, bytes, reason: 'no record refers to it' })
}

const verifyVolume = async (site: Site, volume: number): Promise<void> => {
  const { verification, disk, root } = site
  const { offsets, damage } = await readFreed(verification.files, root, volume)
  if (damage) {
    const reason = `${damage.notes} notes of what was freed are damaged`
    note(site, { what: 'stray', file: `volumes/${volume}.free`, offset: damage.offset, reason })
  }
  if ((await verification.files.stat(volumePath(root, volume))) === undefined) return
  for (let at: number | undefined = 0; at !== undefined; ) {
    verification.signal.throwIfAborted()
    const { entries, next, isOurs } = await disk.walkVolume(volume, at, ENTRIES)
    if (!isOurs && at === 0) {
      const reason = 'its header is damaged, or it is of another disk'
      note(site, { what: 'stray', file: `volumes/${volume}.vol`, offset: 0, reason })
    }
    for (const entry of entries) judgeEntry(site, volume, entry, offsets)
    at = next
  }
}

/** After all records were seen. */
export const verifyStrays = async (verification: Verification): Promise<void> => {
  for (const [number, disk] of verification.disks) {
    const site: Site = { verification, disk, number, root: verification.store.rootOf.get(number)! }
    await findStrays(site)
    await findOrphanFiles(site)
    const names = await verification.files.list(`${site.root}/volumes`).catch((): string[] => [])
    const volumes = new Set(names.flatMap((name) => numberOf(name, 'vol') ?? numberOf(name, 'free') ?? []))
    for (const volume of [...volumes].sort((a, b) => a - b)) await verifyVolume(site, volume)
  }
}
