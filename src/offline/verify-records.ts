// Every record that the journal yields, and every shard that one refers to. Twice through the records: first what says in which
// state uploads are, then all others, each shard of each read block by block.
import type { UploadId } from '../base/ids.ts'
import { createLimiter } from '../base/promises.ts'
import { quoteName } from '../base/quoting.ts'
import { PARTS_PER_PAGE, type PartTablePage } from '../metadata/complete.ts'
import { SESSIONS_ENTRY } from '../metadata/configuration.ts'
import type { Counts } from '../metadata/counters.ts'
import type { Entry } from '../metadata/entry.ts'
import type { IndexSlot } from '../metadata/index-slot.ts'
import type { Journal } from '../metadata/journal.ts'
import {
  afterPrefix,
  type BinaryKey,
  CURRENT_KEY_OFFSET,
  configKey,
  fromBinary,
  keyOfUploadKey,
  partKey,
  SPACE,
  tableKey,
  writeKey,
} from '../metadata/keys.ts'
import type { BucketRecord, UploadRecord } from '../metadata/records.ts'
import type { FreeRecord, ShardsData, StoredPart, StoredVersion } from '../metadata/stored.ts'
import { bucketOf, formatCounter, Recount } from './recount.ts'
import { rowsOf } from './rows.ts'
import { checkShards } from './shard-check.ts'
import { ofDisk, type Verification } from './verification.ts'

/** Objects whose shards are read side by side: each takes a unit of every shard, 16 MiB at most. */
const CHECKED_AT_ONCE = 4

interface Records {
  readonly verification: Verification
  readonly journal: Journal
  readonly slot: IndexSlot
  /** Without a whole copy. */
  readonly brokenSegments: ReadonlySet<number>
  readonly buckets: Map<string, string>
  readonly recount: Recount
  readonly writes: { held: number; known: number }
  readonly carried: Map<BinaryKey, Counts>
}

const recordAt = ({ slot }: Records, key: BinaryKey): Entry | undefined => {
  const entry = slot.get(key)
  return entry === 'damaged' ? undefined : entry
}

const nameOfVersion = ({ buckets }: Records, key: BinaryKey): string =>
  quoteName(`${buckets.get(bucketOf(key)) ?? bucketOf(key)}/${fromBinary(key.slice(CURRENT_KEY_OFFSET))}`)

const wrong = ({ verification }: Records, reason: string): void =>
  verification.findings.add({ severity: 'damaged', what: 'record', reason })

const lose = ({ verification }: Records, reason: string): void =>
  verification.findings.add({ severity: 'lost', what: 'object', reason })

/** What says in which state uploads are, and how buckets are called. */
const readStates = async (records: Records): Promise<void> => {
  const { verification, slot, buckets, recount } = records
  const { references } = verification
  for await (const { row } of rowsOf(slot, SPACE.bucket, afterPrefix(SPACE.bucket))) {
    const { id, name } = row!.record as BucketRecord
    buckets.set(id, name)
    recount.bucket()
  }
  for await (const { key, row } of rowsOf(slot, SPACE.upload, afterPrefix(SPACE.upload))) {
    const { id } = row!.record as UploadRecord
    recount.upload(key)
    const bucket = buckets.get(bucketOf(key)) ?? bucketOf(key)
    await references.addUpload(id, {
      name: `the upload of ${quoteName(`${bucket}/${fromBinary(keyOfUploadKey(key))}`)}`,
    })
  }
  for await (const { key, row } of rowsOf(slot, SPACE.current, afterPrefix(SPACE.current))) {
    const { data } = row!.record as StoredVersion
    if (data.kind !== 'parts') continue
    await references.addUpload(data.upload, { name: nameOfVersion(records, key), isCompleted: true })
  }
  // Last: what waits to be reclaimed does so whatever else is said.
  for await (const { row } of rowsOf(slot, SPACE.free, afterPrefix(SPACE.free))) {
    const record = row!.record as FreeRecord
    if (record.kind !== 'upload') continue
    await references.addUpload(record.upload as UploadId, { name: 'a reclaimed upload', isFreed: true })
  }
  await references.flush()
}

const checkWrite = (
  records: Records,
  holder: BinaryKey | undefined,
  { write }: ShardsData,
  name: string,
): void => {
  records.writes.held++
  const entry = recordAt(records, writeKey(write))?.record as { key: string } | undefined
  if (!entry) wrong(records, `${name}: nothing says where its write ${write} is held`)
  else if (holder !== undefined && entry.key !== holder)
    wrong(records, `${name}: its write ${write} is held elsewhere`)
}

/** Reads the shards of a record that counts. */
const checkLive = async (records: Records, data: ShardsData, name: string): Promise<void> => {
  const { verification } = records
  const { findings, absent, disks, progress } = verification
  const { shards, redundancy } = await checkShards(disks, data)
  for (const { index, disk, file, offset, bytes, state, damage } of shards) {
    if (state === 'disk missing') {
      absent.set(disk, (absent.get(disk) ?? 0) + 1)
      continue
    }
    if (state !== 'missing') progress.bytes += bytes
    const where = { severity: 'damaged', what: 'shard', ...ofDisk(verification, disk), file } as const
    if (state === 'missing') {
      const at = offset === undefined ? {} : { offset }
      findings.add({ ...where, ...at, reason: `shard ${index} of ${name} is missing` })
    }
    for (const unit of damage) {
      const reason = `shard ${index} of ${name}: ${unit.reason}`
      findings.add({ ...where, offset: unit.offset, reason })
    }
  }
  if (redundancy !== 'lost') return
  const left = shards.filter(({ state }) => state === 'ok').length
  lose(records, `${name}: ${left} whole shards are left, ${data.k} are needed`)
}

/** Shards that wait to be reclaimed: they may be gone, and damage to them is none. */
const passFreed = async ({ verification, recount }: Records, data: ShardsData): Promise<void> => {
  recount.shards(data)
  await verification.references.addShards(data, true)
}

const checkInline = async (records: Records, entry: Entry, name: string): Promise<void> => {
  const { body, segment } = entry
  if (!body || !records.brokenSegments.has(segment)) return
  try {
    await records.journal.readBody(segment, body)
  } catch {
    // Whatever the reason: no copy has it.
    lose(records, `${name}: no copy of segment ${segment} has its bytes`)
  }
}

const checkParts = (
  records: Records,
  { size, partCount = 0 }: StoredVersion,
  upload: UploadId,
  name: string,
): void => {
  let [count, bytes] = [0, 0]
  for (let page = 0; page * PARTS_PER_PAGE < partCount; page++) {
    const table = recordAt(records, tableKey(upload, page))?.record as PartTablePage | undefined
    for (const [partNumber, partSize] of table?.parts ?? []) {
      if (!recordAt(records, partKey(upload, partNumber)))
        lose(records, `${name}: part ${partNumber} has no record`)
      count++
      bytes += partSize
    }
  }
  if (count !== partCount || bytes !== size) lose(records, `${name}: the table of its parts is not whole`)
}

const checkVersion = async (records: Records, entry: Entry): Promise<void> => {
  const stored = entry.record as StoredVersion
  const { data, size } = stored
  const name = nameOfVersion(records, entry.key)
  const { buckets, recount, verification } = records
  recount.version(entry.key, size)
  if (!buckets.has(bucketOf(entry.key))) wrong(records, `${name}: its bucket does not exist`)
  if (data.kind === 'inline') await checkInline(records, entry, name)
  if (data.kind === 'parts') checkParts(records, stored, data.upload, name)
  if (data.kind === 'shards') {
    recount.shards(data)
    checkWrite(records, entry.key, data, name)
    await verification.references.addShards(data, false)
    await checkLive(records, data, name)
  }
  verification.progress.objects++
  verification.onProgress({ ...verification.progress })
}

const isListed = (records: Records, upload: UploadId, partNumber: number): boolean => {
  for (let page = 0; ; page++) {
    const table = recordAt(records, tableKey(upload, page))?.record as PartTablePage | undefined
    if (!table) return false
    if (table.parts.some(([number]) => number === partNumber)) return true
  }
}

const checkPart = async (records: Records, entry: Entry): Promise<void> => {
  const { verification } = records
  const { partNumber, data } = entry.record as StoredPart
  const upload = Buffer.from(entry.key.slice(1, 25), 'latin1').toString('hex') as UploadId
  const state = verification.references.upload(upload)
  const name = `part ${partNumber} of ${state?.name ?? `the unknown upload ${upload}`}`
  if (!state) wrong(records, `${name}: neither an object nor an open upload has it`)
  if (data.kind === 'shards') checkWrite(records, entry.key, data, name)
  // What a completed upload does not list waits to be reclaimed, too.
  const isLive = state && !state.isFreed && (!state.isCompleted || isListed(records, upload, partNumber))
  if (data.kind === 'shards' && !isLive) return passFreed(records, data)
  if (data.kind === 'inline') return isLive ? checkInline(records, entry, name) : undefined
  if (data.kind !== 'shards') return
  records.recount.shards(data)
  await verification.references.addShards(data, false)
  await checkLive(records, data, name)
}

const checkFree = async (records: Records, entry: Entry): Promise<void> => {
  const record = entry.record as FreeRecord
  records.recount.free()
  // A place that a shard has left: nothing else of the write waits there.
  if (record.kind === 'place') return records.verification.references.addShards(record.data, true)
  if (record.kind !== 'shards') return
  checkWrite(records, undefined, record.data, 'what waits to be reclaimed')
  await passFreed(records, record.data)
}

const checkRow = async (records: Records, entry: Entry): Promise<void> => {
  records.verification.signal.throwIfAborted()
  const space = entry.key[0]
  if (space === SPACE.current) await checkVersion(records, entry)
  if (space === SPACE.part) await checkPart(records, entry)
  if (space === SPACE.free) await checkFree(records, entry)
  if (space === SPACE.counter) records.carried.set(entry.key, entry.record as Counts)
  if (space === SPACE.write) records.writes.known++
}

const checkRows = async (records: Records): Promise<void> => {
  const limited = createLimiter(CHECKED_AT_ONCE)
  let running: Promise<void>[] = []
  try {
    for await (const { row } of rowsOf(records.slot, SPACE.bucket, undefined)) {
      running.push(limited(() => checkRow(records, row!)))
      if (running.length < 2 * CHECKED_AT_ONCE) continue
      await Promise.all(running)
      running = []
    }
    await Promise.all(running)
  } finally {
    // After a failure, too, nothing may still read when disks and databases are closed.
    await Promise.allSettled(running)
  }
}

const reportCounts = ({ verification, recount, carried, writes }: Records): void => {
  const { findings } = verification
  for (const { key, carried: said, counted } of recount.differences(carried)) {
    const reason = `the counter ${formatCounter(key)} says ${JSON.stringify(said)}, counted were ${JSON.stringify(counted)}`
    findings.add({ severity: 'damaged', what: 'counter', reason })
  }
  if (writes.known === writes.held) return
  const reason = `${writes.known} writes are said to be held by records, ${writes.held} are`
  findings.add({ severity: 'damaged', what: 'record', reason })
}

/** `slot`: what the journal yields. */
export const verifyRecords = async (
  verification: Verification,
  journal: Journal,
  slot: IndexSlot,
  brokenSegments: ReadonlySet<number>,
): Promise<void> => {
  const records: Records = {
    ...{ verification, journal, slot, brokenSegments, buckets: new Map(), recount: new Recount() },
    ...{ writes: { held: 0, known: 0 }, carried: new Map() },
  }
  await readStates(records)
  await checkRows(records)
  await verification.references.flush()
  reportCounts(records)
  const sessions = recordAt(records, configKey(SESSIONS_ENTRY))?.record as { value?: unknown } | undefined
  for (const [disk, session] of Object.entries((sessions?.value ?? {}) as Record<string, number>)) {
    verification.sessions.set(disk, Math.max(session, verification.sessions.get(disk) ?? 0))
  }
}
