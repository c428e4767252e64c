// What can happen to the files of an index, on real LevelDBs: logs and manifests that end anywhere, flipped bits, files that are
// not there, in one index, in the other and in both. The journal is whole in all of it.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Random } from '../../src/base/prng.ts'
import { type Campaign, createCampaign, type Mount } from '../support/level-campaign.ts'
import {
  fillPartition,
  type IndexImages,
  type LevelImage,
  logsOf,
  manifestOf,
  tablesOf,
} from '../support/level-images.ts'
import { roundsOf } from '../support/rounds.ts'
import { assert, deadline, needing, seeded, suite } from '../support/uvu.ts'

const test = suite('leveldb damage')
const LIMIT_MS = 300_000
const REOPENS_MIN = 500
/** Where the damage is to be at every byte: at each of them, or at every third. */
const BYTE_STEP = roundsOf(3, 1)
/** LevelDB syncs at each opening; in memory that costs nothing, and it is not what is tested. */
const MEMORY = '/dev/shm'

const directory = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'moraine-leveldb-'))
const filled = await fillPartition(directory)
const campaign: Campaign = createCampaign(directory, filled)
process.on('exit', () => campaign.close())

type Damage = (image: LevelImage) => LevelImage
const KINDS = ['one', 'two'] as const
type Kind = (typeof KINDS)[number]

const changed = (file: string, change: (bytes: Buffer) => Buffer): Damage => {
  return (image) => new Map([...image].map(([name, bytes]) => [name, name === file ? change(bytes) : bytes]))
}
const cut = (file: string, length: number): Damage => changed(file, (bytes) => bytes.subarray(0, length))
const without =
  (file: string): Damage =>
  (image) =>
    new Map([...image].filter(([name]) => name !== file))
const flipped = (file: string, offset: number, bit: number): Damage =>
  changed(file, (bytes) => {
    const copy = Buffer.from(bytes)
    copy[offset]! ^= 1 << bit
    return copy
  })

const BLOCK_BYTES = 32_768
const HEADER_BYTES = 7

/** The physical records of a log or a manifest. */
const recordsOf = (bytes: Buffer): { offset: number; length: number }[] => {
  const records: { offset: number; length: number }[] = []
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    if (left < HEADER_BYTES) {
      at += left
      continue
    }
    const length = HEADER_BYTES + bytes.readUInt16LE(at + 4)
    records.push({ offset: at, length })
    at += length
  }
  return records
}

let turn = 0
/** The damage in one index, in turns in either. */
const inOne = (name: string, kind: Kind, damageOf: (images: IndexImages) => Damage): Promise<void> => {
  const position = turn++ % 2
  const [first, second] = filled.images
  const pair = [first, second].map((images, i) =>
    i === position ? damageOf(images)(images[kind]) : images[kind],
  )
  return campaign.reopen(`${name} of index ${position} (${kind})`, [pair[0], pair[1]])
}
const inBoth = (name: string, kind: Kind, damageOf: (images: IndexImages) => Damage): Promise<void> => {
  const [first, second] = filled.images.map((images) => damageOf(images)(images[kind]))
  return campaign.reopen(`${name} of both (${kind})`, [first, second])
}

const sizeOf = (kind: Kind, file: (image: LevelImage) => string): number =>
  Math.max(...filled.images.map((images) => images[kind].get(file(images[kind]))!.length))
const lastLog = (image: LevelImage): string => logsOf(image).at(-1)!
const firstLog = (image: LevelImage): string => logsOf(image)[0]!

test('what is damaged: several tables, one log or two, and nothing wrong with them as they are', async () => {
  for (const { one, two } of filled.images) {
    assert.ok(tablesOf(one).length > 1 && tablesOf(two).length > 0)
    assert.is(logsOf(one).length, 1)
    assert.is(logsOf(two).length, 2)
  }
  for (const kind of KINDS) {
    await inBoth('nothing', kind, () => (image) => image)
  }
  assert.equal(campaign.tally, { reopens: 2, early: 0, late: 0, errors: 0 })
})

test(
  'the log cut at every byte of its last batch',
  deadline(LIMIT_MS, async () => {
    const [{ lastBatchAt }] = filled.images
    const end = sizeOf('one', lastLog)
    for (let at = lastBatchAt; at < end; at += BYTE_STEP) {
      await inOne(`log cut at ${at}`, 'one', ({ one }) => cut(lastLog(one), at))
    }
  }),
)

test(
  'every log cut every 512 bytes, the older of two as well, in one index or in both',
  deadline(LIMIT_MS, async () => {
    for (const kind of KINDS) {
      for (const file of kind === 'one' ? [lastLog] : [firstLog, lastLog]) {
        for (let at = 0; at < sizeOf(kind, file); at += 512) {
          const damageOf = (images: IndexImages): Damage => cut(file(images[kind]), at)
          const name = `${file === lastLog ? 'last' : 'older'} log cut at ${at}`
          if (at % 2048 === 0) await inBoth(name, kind, damageOf)
          else await inOne(name, kind, damageOf)
        }
      }
    }
  }),
)

test(
  'the manifest cut at every byte of its last record and every 512 bytes',
  deadline(LIMIT_MS, async () => {
    for (const kind of KINDS) {
      const [images] = filled.images
      const bytes = images[kind].get(manifestOf(images[kind]))!
      const last = recordsOf(bytes).at(-1)!
      for (let at = last.offset; at < bytes.length; at += BYTE_STEP) {
        await inOne(`manifest cut at ${at}`, kind, (its) => cut(manifestOf(its[kind]), at))
      }
      for (let at = 0; at < bytes.length; at += 512) {
        await inBoth(`manifest cut at ${at}`, kind, (its) => cut(manifestOf(its[kind]), at))
      }
    }
  }),
)

test(
  'a bit flipped in the header and in the bytes of each record of each log and manifest',
  seeded(LIMIT_MS, async (random: Random) => {
    for (const kind of KINDS) {
      for (const file of [firstLog, lastLog, manifestOf]) {
        if (kind === 'one' && file === firstLog) continue
        const [images] = filled.images
        for (const { offset, length } of recordsOf(images[kind].get(file(images[kind]))!)) {
          for (const at of [random.below(HEADER_BYTES), HEADER_BYTES + random.below(length - HEADER_BYTES)]) {
            await inOne(`bit flipped at ${offset + at}`, kind, (its) =>
              flipped(
                file(its[kind]),
                Math.min(offset + at, its[kind].get(file(its[kind]))!.length - 1),
                random.below(8),
              ),
            )
          }
        }
      }
    }
  }),
)

test(
  'a bit flipped in each part of each table',
  seeded(LIMIT_MS, async (random: Random) => {
    const PART_BYTES = roundsOf(4096, 1536)
    for (const kind of KINDS) {
      for (const [number, name] of tablesOf(filled.images[0][kind]).entries()) {
        const { length } = filled.images[0][kind].get(name)!
        for (let at = 0; at < length; at += PART_BYTES) {
          const offset = at + random.below(Math.min(PART_BYTES, length - at))
          const bit = random.below(8)
          await inOne(`table ${number}, bit ${bit} flipped at ${offset}`, kind, (its) => {
            const file = tablesOf(its[kind])[number]!
            return flipped(file, Math.min(offset, its[kind].get(file)!.length - 1), bit)
          })
        }
      }
    }
  }),
)

test(
  'a table that is damaged or gone while LevelDB has it open: the check finds it before LevelDB does',
  seeded(LIMIT_MS, async (random: Random) => {
    const pair = [filled.images[0].one, filled.images[1].one] as const
    for (const [number] of tablesOf(pair[0]).entries()) {
      for (const position of [0, 1]) {
        for (const how of ['flipped', 'removed'] as const) {
          await campaign.reopen(
            `table ${number} of index ${position} ${how}`,
            pair,
            undefined,
            (directories) => {
              const names = readdirSync(directories[position]!).filter((name) => /\.(ldb|sst)$/.test(name))
              const path = join(directories[position]!, names.sort()[number % names.length]!)
              if (how === 'removed') return unlinkSync(path)
              const bytes = readFileSync(path)
              bytes[random.below(bytes.length - 60)]! ^= 1 << random.below(8)
              writeFileSync(path, bytes)
            },
          )
        }
      }
    }
  }),
)

test(
  'a file that is not there, or empty',
  deadline(LIMIT_MS, async () => {
    for (const kind of KINDS) {
      const [images] = filled.images
      for (const index of [...images[kind].keys()].keys()) {
        const nameOf = (image: LevelImage): string => [...image.keys()][index]!
        await inOne(`${nameOf(images[kind])} removed`, kind, (its) => without(nameOf(its[kind])))
        await inOne(`${nameOf(images[kind])} emptied`, kind, (its) => cut(nameOf(its[kind]), 0))
        await inBoth(`${nameOf(images[kind])} removed`, kind, (its) => without(nameOf(its[kind])))
      }
    }
  }),
)

const PAGE_BYTES = 4096
/** Room for these files and so many pages more. */
const mountWith =
  (image: LevelImage, pages: number): Mount =>
  (at) => {
    const own = [...image.values()].reduce((sum, { length }) => sum + Math.ceil(length / PAGE_BYTES), 0)
    const size = `size=${(own + pages) * PAGE_BYTES}`
    assert.is(spawnSync('mount', ['-t', 'tmpfs', '-o', size, 'tmpfs', at]).status, 0)
    return () => assert.is(spawnSync('umount', [at]).status, 0)
  }
const isMountable = (): boolean => {
  const at = mkdtempSync(join(directory, 'mount-'))
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', at]).status === 0
  if (isMounted) spawnSync('umount', [at])
  return isMounted
}

needing(
  test,
  'right to mount',
  isMountable(),
)(
  'a disk that fills while its index is opened, brought up or made anew',
  deadline(LIMIT_MS, async () => {
    for (const kind of KINDS) {
      const [first, second] = filled.images.map((images) => images[kind])
      for (const pages of [1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 48]) {
        await campaign.reopen(`${pages} pages left (${kind})`, [first, second], mountWith(first!, pages))
        const damaged = cut(manifestOf(first!), 100)(first!)
        await campaign.reopen(
          `${pages} pages, made anew (${kind})`,
          [damaged, second],
          mountWith(first!, pages),
        )
      }
    }
  }),
)

test(`at least ${REOPENS_MIN} reopens`, () => {
  const { reopens, early, late, errors } = campaign.tally
  console.log(
    `reopens: ${reopens}; noticed at once ${early}, by the check ${late}; ${errors} errors meanwhile`,
  )
  assert.ok(reopens >= REOPENS_MIN, `only ${reopens}`)
  assert.ok(early > 100, `only ${early} were noticed`)
})

test.run()
