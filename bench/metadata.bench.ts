// Metadata on real files: commits per second by how many wait together, point look-ups, and keys listed per second. Six
// disks are six directories of one real disk, so a frame costs three syncs that share it.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { systemClock } from '../src/base/clock.ts'
import type { DiskNumber } from '../src/base/ids.ts'
import { silentLog } from '../src/base/log.ts'
import { systemRandom } from '../src/base/prng.ts'
import { KiB } from '../src/base/units.ts'
import { Partition } from '../src/metadata/partition.ts'
import { Disk } from '../src/storage/disk.ts'
import { nodeFiles } from '../src/storage/files-node.ts'
import { DIRECTORIES } from '../src/storage/layout.ts'
import type { Report } from './run.ts'

const DISK_COUNT = 6
const ROUND_MS = 1_500
const LISTED_KEYS = 20_000
const PAGE_KEYS = 1_000
const LOOK_UPS = 50_000

const openDisk = async (root: string, number: number): Promise<Disk> => {
  await mkdir(root)
  await writeFile(join(root, 'disk.json'), '{}')
  for (const name of DIRECTORIES) await mkdir(join(root, name))
  return Disk.open({
    root,
    files: nodeFiles,
    log: silentLog,
    storeId: '5'.repeat(32),
    diskId: `${number}`.repeat(32).slice(0, 32),
    number: number as DiskNumber,
  })
}

const openLevel = async (location: string): Promise<ClassicLevel<Buffer, Buffer>> => {
  const level = new ClassicLevel<Buffer, Buffer>(location, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  await level.open()
  return level
}

const BODY = new Uint8Array(4 * KiB)
const put = (partition: Partition, key: string): Promise<unknown> =>
  partition.putVersion({
    bucket: 'bench',
    key,
    facts: {
      size: BODY.length,
      etag: 'd41d8cd98f00b204e9800998ecf8427e',
      headers: [['content-type', 'application/octet-stream']],
      metadata: [],
      owner: 'a'.repeat(64),
      storageClass: 'STANDARD',
    },
    data: { kind: 'inline', bytes: BODY },
  })

/** `waiting` writers, each with its next commit as soon as the last one is synced. */
const benchCommits = async (partition: Partition, waiting: number, report: Report): Promise<void> => {
  let count = 0
  const cpu = process.cpuUsage()
  const started = performance.now()
  await Promise.all(
    Array.from({ length: waiting }, async (_, writer) => {
      while (performance.now() - started < ROUND_MS) await put(partition, `commit/${writer}/${count++}`)
    }),
  )
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(cpu)
  report({ case: `commit of 4 KiB inline, ${waiting} waiting`, value: count / seconds, unit: 'commits/s' })
  report({
    case: `commit of 4 KiB inline, ${waiting} waiting, CPU`,
    value: (user + system) / count,
    unit: 'us/commit',
  })
}

const benchLookUps = (partition: Partition, report: Report): void => {
  const started = performance.now()
  for (let i = 0; i < LOOK_UPS; i++) {
    partition.lookUp({ bucket: 'bench', key: `list/${(i * 7919) % LISTED_KEYS}` })
  }
  report({
    case: 'look-up of a version',
    value: ((performance.now() - started) * 1000) / LOOK_UPS,
    unit: 'us',
  })
}

const benchListing = async (partition: Partition, report: Report): Promise<void> => {
  let keys = 0
  let after = ''
  const started = performance.now()
  for (;;) {
    const page = await partition.listVersions({
      bucket: 'bench',
      prefix: 'list/',
      delimiter: '',
      after,
      limit: PAGE_KEYS,
    })
    keys += page.versions.length
    if (page.next === undefined) break
    after = page.next
  }
  const seconds = (performance.now() - started) / 1000
  report({ case: `list, pages of ${PAGE_KEYS}`, value: keys / seconds, unit: 'keys/s' })
}

export const run = async (report: Report): Promise<void> => {
  const root = await mkdtemp(join(tmpdir(), 'moraine-bench-'))
  const disks: Disk[] = []
  const levels: ClassicLevel<Buffer, Buffer>[] = []
  try {
    for (let i = 1; i <= DISK_COUNT; i++) disks.push(await openDisk(join(root, `disk${i}`), i))
    for (const name of ['a', 'b']) levels.push(await openLevel(join(root, `index-${name}`)))
    const partition = await Partition.open({
      partition: 0,
      members: disks.map(({ segments }) => ({ number: segments.disk, set: 0, io: segments })),
      parity: 2,
      indexes: levels,
      clock: systemClock,
      random: systemRandom,
    })
    await partition.createBucket('bench', { owner: 'a'.repeat(64), region: 'us-east-1' })
    for (const waiting of [1, 16, 64]) await benchCommits(partition, waiting, report)
    for (let i = 0; i < LISTED_KEYS; i += PAGE_KEYS) {
      await Promise.all(Array.from({ length: PAGE_KEYS }, (_, j) => put(partition, `list/${i + j}`)))
    }
    while (partition.isIndexing)
      await new Promise((resolve) => systemClock.setTimer(50, () => resolve(undefined), true))
    benchLookUps(partition, report)
    await benchListing(partition, report)
    await partition.close()
  } finally {
    for (const level of levels) await level.close()
    for (const disk of disks) await disk.close()
    await rm(root, { recursive: true, force: true })
  }
}
