// Power is cut at every point of a recorded log of writes, with what was under way lost, torn or whole on each disk,
// and up to m disks gone afterwards. Every acknowledged commit must be there, every other one whole or absent, and what
// a start has shown must stay true when it is cut again and loses other disks.
import type { Partition } from '../../src/metadata/partition.ts'
import { createLogLines } from '../support/log-lines.ts'
import {
  createIndexStore,
  factsOf,
  kill,
  openPartition,
  putText,
  readText,
  shardsData,
} from '../support/partitions.ts'
import {
  CrashLog,
  createSegmentDisks,
  digestOfDisks,
  type Fate,
  type MemorySegmentDisk,
} from '../support/segment-disks.ts'
import { countState } from '../support/state-count.ts'
import { assert, deadline, seeded, suite } from '../support/uvu.ts'

const test = suite('journal crash')

const FATES: readonly (readonly Fate[])[] = [
  ['lost'],
  ['torn'],
  ['whole'],
  ['whole', 'torn', 'lost'],
  ['lost', 'whole', 'short'],
  ['short', 'lost', 'lost'],
]

const ABSENT = '(absent)'

/** What each key may hold: the last acknowledged value, or any that is under way. */
class Ledger {
  readonly acknowledged = new Map<string, string>()
  readonly underWay = new Map<string, string>()

  allowed(key: string): string[] {
    return [
      this.acknowledged.get(key) ?? ABSENT,
      ...(this.underWay.has(key) ? [this.underWay.get(key)!] : []),
    ]
  }
}

type Step = (partition: Partition) => Promise<unknown>

const describe = async (partition: Partition, key: string): Promise<string> => {
  try {
    const version = partition.lookUp({ bucket: 'b', key })
    if (version.data.kind !== 'inline') return version.etag
    return (await readText(partition, 'b', key)) ?? ABSENT
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'NoSuchKey' || code === 'NoSuchBucket') return ABSENT
    throw error
  }
}

/** What a crash leaves is no damage: nothing of that kind is told. */
const { log, of } = createLogLines()
const open = async (disks: readonly MemorySegmentDisk[], out: readonly number[] = []): Promise<Partition> => {
  const indexes = [createIndexStore(), createIndexStore()]
  const partition = await openPartition({ disks, indexes }, { out, segmentBytes: 6_000, log })
  assert.equal(of('segment-damaged'), [])
  return partition
}

/** Runs `steps` one after another, each [key, value, what to do], and records them. */
const record = async (
  steps: readonly (readonly [key: string, value: string, step: Step])[],
): Promise<{ log: CrashLog; expect: (cut: number) => Ledger }> => {
  const disks = createSegmentDisks(6)
  const log = new CrashLog(disks)
  const partition = await open(disks)
  await partition.createBucket('b', { owner: 'me', region: 'r' })
  let current = new Ledger()
  for (const [key, value, step] of steps) {
    log.note(() => void current.underWay.set(key, value))
    await step(partition)
    log.note(() => {
      current.underWay.delete(key)
      current.acknowledged.set(key, value)
    })
  }
  kill(partition)
  const expect = (cut: number): Ledger => {
    current = new Ledger()
    for (const event of log.events.slice(0, cut)) if (event.kind === 'note') event.note()
    return current
  }
  return { log, expect }
}

const verify = async (
  { log, expect }: Awaited<ReturnType<typeof record>>,
  outs: readonly (readonly number[])[],
): Promise<void> => {
  const keys = new Set<string>()
  for (const key of expect(log.events.length).acknowledged.keys()) keys.add(key)
  let round = 0
  const seen = new Set<string>()
  for (let cut = 0; cut <= log.events.length; cut++) {
    const fates = log.inDoubt(cut).length > 0 ? FATES : [FATES[0]!]
    for (const fate of fates) {
      const disks = log.disksAt(cut, fate)
      const ledger = expect(cut)
      const digest = digestOfDisks(disks)
      countState(digest)
      // The same bytes are looked at again where something else was acknowledged, or other disks are away.
      const key = [
        digest,
        round % outs.length,
        ...ledger.acknowledged,
        'under way',
        ...ledger.underWay,
      ].join()
      round++
      if (seen.has(key)) continue
      seen.add(key)
      const first = await open(disks, outs[(round - 1) % outs.length])
      const shown = new Map<string, string>()
      for (const key of keys) {
        const value = await describe(first, key)
        shown.set(key, value)
        assert.ok(ledger.allowed(key).includes(value), `cut ${cut}, ${fate}: '${key}' holds '${value}'`)
      }
      kill(first)
      const second = await open(disks, outs[round % outs.length])
      for (const [key, value] of shown)
        assert.is(await describe(second, key), value, `cut ${cut}, ${fate}: again`)
      kill(second)
    }
  }
}

const put = (key: string, text: string) => [key, text, (p: Partition) => putText(p, 'b', key, text)] as const
const drop = (key: string) => [key, ABSENT, (p: Partition) => p.deleteVersion({ bucket: 'b', key })] as const
const OUTS = [[], [1, 2], [5], [3, 6], [2, 4]]

test(
  'inline PUT, overwrite and DELETE, cut at every write',
  deadline(60_000, async () => {
    await verify(
      await record([
        put('a', 'one'),
        put('b', 'x'.repeat(3_000)),
        put('a', 'two'),
        put('c', 'y'.repeat(3_000)),
        drop('b'),
        put('b', 'back'),
      ]),
      OUTS,
    )
  }),
)

test(
  'a sharded PUT and a multipart complete, cut at every write',
  deadline(60_000, async () => {
    const md5 = (digit: string): string => digit.repeat(32)
    const { size: _size, etag: _etag, ...facts } = factsOf(0)
    let upload: Awaited<ReturnType<Partition['createUpload']>>
    const sharded = (key: string, etag: string, write: string) =>
      [
        key,
        etag,
        (p: Partition) =>
          p.putVersion({
            bucket: 'b',
            key,
            facts: factsOf(40_000, etag),
            data: shardsData(write, 40_000, [1, 2, 3, 4, 5, 6], 4),
          }),
      ] as const
    const address = () => ({ bucket: 'b', key: 'm', upload: upload.id })
    const complete = async (p: Partition): Promise<void> => {
      upload = await p.createUpload({ bucket: 'b', key: 'm', facts })
      for (const [partNumber, digit] of [
        [1, 'a'],
        [2, 'b'],
      ] as const) {
        const data = shardsData(`${partNumber}0`, 10, [1, 2, 3], 2)
        await p.putPart({ ...address(), partNumber, facts: { size: 10, etag: md5(digit) }, data })
      }
      await p.completeUpload({
        ...address(),
        parts: [
          { partNumber: 1, etag: md5('a') },
          { partNumber: 2, etag: md5('b') },
        ],
      })
    }
    const recorded = await record([
      sharded('s', 'first', '1'),
      sharded('s', 'second', '2'),
      ['m', '9e7ab2c0ea5cd3f7bf7bb7ca56ed2d4b-2', complete],
    ])
    // The ETag is the one the run produced, whatever it is.
    const last = await open(recorded.log.disksAt(recorded.log.events.length, ['whole']))
    const etag = await describe(last, 'm')
    assert.match(etag, /-2$/)
    kill(last)
    const expect = (cut: number): Ledger => {
      const ledger = recorded.expect(cut)
      for (const map of [ledger.acknowledged, ledger.underWay]) if (map.has('m')) map.set('m', etag)
      return ledger
    }
    await verify({ log: recorded.log, expect }, OUTS)
  }),
)

test(
  'segments of which little is alive are carried forward and dropped, cut at every write',
  deadline(60_000, async () => {
    let dropped = 0
    /** A PUT, and then what pays is dropped: what is alive in it is committed again first. */
    const compact = (key: string, text: string) => {
      const step: Step = async (partition) => {
        await putText(partition, 'b', key, text)
        while (partition.isIndexing) await new Promise((resolve) => setTimeout(resolve, 10))
        dropped += await partition.segments.dropOldest()
      }
      return [key, text, step] as const
    }
    const recorded = await record([
      put('kept', 'k'.repeat(100)),
      put('a', 'x'.repeat(2_500)),
      put('a', 'y'.repeat(2_500)),
      put('b', 'z'.repeat(2_500)),
      drop('b'),
      put('a', 'w'.repeat(2_500)),
      compact('c', 'one'),
      put('a', 'v'.repeat(2_500)),
      compact('c', 'two'),
    ])
    assert.ok(dropped > 1, `${dropped} segments were dropped`)
    await verify(recorded, OUTS)
  }),
)

test(
  'random groups of commits, cut at random writes',
  seeded(60_000, async (random) => {
    const disks = createSegmentDisks(6)
    const log = new CrashLog(disks)
    const partition = await open(disks)
    await partition.createBucket('b', { owner: 'me', region: 'r' })
    let current = new Ledger()
    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`)
    for (let turn = 0; turn < 12; turn++) {
      const chosen = keys.filter(() => random.below(2) === 0)
      await Promise.all(
        chosen.map(async (key) => {
          const value = random.below(4) === 0 ? ABSENT : `${turn}-${'z'.repeat(random.below(900))}`
          log.note(() => void current.underWay.set(key, value))
          if (value === ABSENT) await partition.deleteVersion({ bucket: 'b', key })
          else await putText(partition, 'b', key, value)
          log.note(() => {
            current.underWay.delete(key)
            current.acknowledged.set(key, value)
          })
        }),
      )
    }
    kill(partition)
    for (let i = 0; i < 80; i++) {
      const cut = random.below(log.events.length + 1)
      const after = log.disksAt(cut, FATES[random.below(FATES.length)]!)
      countState(digestOfDisks(after))
      current = new Ledger()
      for (const event of log.events.slice(0, cut)) if (event.kind === 'note') event.note()
      const again = await open(after, OUTS[random.below(OUTS.length)])
      for (const key of keys) {
        const value = await describe(again, key)
        assert.ok(current.allowed(key).includes(value), `cut ${cut}: '${key}' holds '${value}'`)
      }
      kill(again)
    }
  }),
)

test.run()
