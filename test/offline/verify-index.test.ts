// `moraine verify`: an index may be behind its journal, but never say anything else.
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createStore } from '../../src/index.ts'
import { decodeEnvelope, encodeEnvelope } from '../../src/metadata/entry.ts'
import { SPACE } from '../../src/metadata/keys.ts'
import type { VerifySummary } from '../../src/offline/verify.ts'
import { type ClosableIndex, openLevelIndex } from '../../src/storage/level-index.ts'
import { flipByte } from '../support/disk-damage.ts'
import {
  commitTo,
  copyStoppedStore,
  namesIn,
  type StoppedStore,
  withLedger,
} from '../support/offline-stores.ts'
import { assert, deadline, suite } from '../support/uvu.ts'
import { verify as verifyDisks } from '../support/verifying.ts'

const test = suite('verify index')
const LIMIT_MS = 60_000
let store: StoppedStore
/** Of the first disk. */
let index = ''

test.before.each(async () => {
  store = await copyStoppedStore()
  index = join(store.disks[0]!, 'index/0')
})
test.after.each(() => rmSync(store.parent, { recursive: true, force: true }))

const verify = async (): Promise<{ result: VerifySummary['result']; lines: readonly string[] }> => {
  const { lines, summary } = await verifyDisks(store.disks)
  return { result: summary.result, lines }
}

/** One finding, of the index on the first disk. */
const findsOne = async (pattern: RegExp, expected: VerifySummary['result'] = 'reduced'): Promise<void> => {
  const { result, lines } = await verify()
  assert.is(lines.length, 1, lines.join('\n'))
  assert.match(lines[0]!, pattern)
  assert.match(lines[0]!, `index  disk 1  ${index}`)
  assert.is(result, expected)
}

/** Changes what the index says, as LevelDB would have written it. */
const change = async (action: (level: ClosableIndex) => Promise<void>): Promise<void> => {
  const level = await openLevelIndex(index)
  await action(level)
  await level.close()
}

/** The first entry of a space. */
const firstOf = async (level: ClosableIndex, space: string): Promise<[Buffer, Buffer]> => {
  const iterator = level.iterator({ gte: Buffer.from(space, 'latin1') })
  const [row] = await iterator.nextv(1)
  await iterator.close()
  assert.is(row![0][0], space.charCodeAt(0))
  return row!
}

test(
  'an entry that is missing, and one that the journal does not have',
  deadline(LIMIT_MS, async () => {
    await change(async (level) => {
      const [key, value] = await firstOf(level, SPACE.current)
      await level.batch([{ type: 'del', key, value }], { sync: true })
    })
    await findsOne(/the entry is missing: "v/)
    await change(async (level) => {
      const [key, value] = await firstOf(level, SPACE.current)
      const other = Buffer.concat([key, Buffer.from('x')])
      const entry = decodeEnvelope(key.toString('latin1'), key, value)!
      const forged = encodeEnvelope({ ...entry, key: other.toString('latin1') })
      await level.batch([{ type: 'put', key: other, value: forged }], { sync: true })
    })
    const { lines } = await verify()
    assert.is(lines.filter((line) => /the journal has no such entry: "v.*x"/.test(line)).length, 1)
  }),
)

test(
  'an entry that says something else, and one whose bits flipped',
  deadline(LIMIT_MS, async () => {
    await change(async (level) => {
      const [key, value] = await firstOf(level, SPACE.current)
      const entry = decodeEnvelope(key.toString('latin1'), key, value)!
      const forged = encodeEnvelope({ ...entry, sequence: entry.sequence - 1 })
      await level.batch([{ type: 'put', key, value: forged }], { sync: true })
    })
    await findsOne(/the entry is another one: "v/)
    await change(async (level) => {
      const [key, value] = await firstOf(level, SPACE.current)
      value[40]! ^= 1
      await level.batch([{ type: 'put', key, value }], { sync: true })
    })
    await findsOne(/the entry is damaged: "v/)
  }),
)

test(
  'a counter that says something else, and liveness that is counted wrongly',
  deadline(LIMIT_MS, async () => {
    const forge = (space: string, record: (old: unknown) => unknown) =>
      change(async (level) => {
        const [rawKey, value] = await firstOf(level, space)
        const key = rawKey.toString('latin1')
        const entry = decodeEnvelope(key, rawKey, value)!
        const payload = Buffer.from(JSON.stringify(record(entry.record)))
        const forged = encodeEnvelope({ ...entry, payload })
        await level.batch([{ type: 'put', key: rawKey, value: forged }], { sync: true })
      })
    const copy = join(store.parent, 'copy')
    cpSync(index, copy, { recursive: true })
    await forge(SPACE.counter, (old) => ({ ...(old as object), objects: 4711 }))
    await findsOne(/the entry is another one: "c/)
    rmSync(index, { recursive: true })
    cpSync(copy, index, { recursive: true })
    await forge(SPACE.mark, (old) => {
      const mark = old as { live: [number, number, number][] }
      return { ...mark, live: mark.live.map(([segment, count, bytes]) => [segment, count + 1, bytes]) }
    })
    await findsOne(/it counts what is alive in the segments wrongly/)
  }),
)

test(
  'one that is only behind is whole; one that is ahead of its journal says that this one is old',
  deadline(LIMIT_MS, async () => {
    const copies = [0, 1].map((slot) => join(store.parent, `copy-${slot}`))
    const indexes = [0, 1].map((slot) => join(store.disks[slot]!, 'index/0'))
    for (const slot of [0, 1]) cpSync(indexes[slot]!, copies[slot]!, { recursive: true })
    const journals = store.disks.map((disk) => join(disk, 'journal'))
    journals.forEach(
      (journal, slot) => void cpSync(journal, join(store.parent, `journal-${slot}`), { recursive: true }),
    )
    await (await createStore({ disks: store.disks })).close()
    rmSync(indexes[0]!, { recursive: true })
    cpSync(copies[0]!, indexes[0]!, { recursive: true })
    assert.equal(await verify(), { result: 'whole', lines: [] })
    for (const [slot, journal] of journals.entries()) {
      rmSync(journal, { recursive: true })
      cpSync(join(store.parent, `journal-${slot}`), journal, { recursive: true })
    }
    rmSync(indexes[1]!, { recursive: true })
    cpSync(copies[1]!, indexes[1]!, { recursive: true })
    await change(async (level) => {
      const [rawKey, value] = await firstOf(level, SPACE.mark)
      const entry = decodeEnvelope(rawKey.toString('latin1'), rawKey, value)!
      const mark = entry.record as { sequence: number }
      const payload = Buffer.from(JSON.stringify({ ...mark, sequence: mark.sequence + 100 }))
      await level.batch([{ type: 'put', key: rawKey, value: encodeEnvelope({ ...entry, payload }) }], {
        sync: true,
      })
    })
    const { result, lines } = await verify()
    assert.is(result, 'lost')
    assert.ok(
      lines.some((line) =>
        /^lost index {2}disk 1 .*its journal ends with \d+: newer segments are missing/.test(line),
      ),
    )
  }),
)

test(
  'a table that was cut, a table that is gone, a manifest and a log with a byte that flipped',
  deadline(LIMIT_MS, async () => {
    const copy = join(store.parent, 'copy')
    cpSync(index, copy, { recursive: true })
    const [table] = namesIn(index, '.', /\.ldb$/)
    const damages: [string, () => void, RegExp][] = [
      [
        'cut',
        () => truncateSync(join(index, table!), 300),
        /index\/0\/\d+\.ldb {2}at \d+ {2}the file is damaged/,
      ],
      ['gone', () => rmSync(join(index, table!)), /index\/0 {2}(it cannot be read|the entry is missing)/],
      [
        'flipped',
        () => {
          const path = join(index, table!)
          for (let at = 40; at < readFileSync(path).length - 60; at += 50) flipByte(path, at)
        },
        /index\/0\/\d+\.ldb {2}at \d+ {2}the file is damaged/,
      ],
      [
        'manifest',
        () => flipByte(join(index, namesIn(index, '.', /^MANIFEST/)[0]!), 20),
        /index\/0\/MANIFEST-\d+ {2}at 0 {2}the file is damaged/,
      ],
      [
        'CURRENT',
        () => writeFileSync(join(index, 'CURRENT'), 'MANIFEST-999999\n'),
        /CURRENT {2}the file is damaged/,
      ],
    ]
    for (const [name, damage, pattern] of damages) {
      damage()
      const { result, lines } = await verify()
      assert.is(result, 'reduced', name)
      assert.ok(lines.length > 0 && lines.some((line) => pattern.test(line)), `${name}: ${lines.join('\n')}`)
      assert.ok(
        lines.every((line) => line.startsWith(`damaged index  disk 1  ${index}`)),
        name,
      )
      rmSync(index, { recursive: true })
      cpSync(copy, index, { recursive: true })
    }
    assert.equal(await verify(), { result: 'whole', lines: [] })
  }),
)

test(
  'a log with a byte that flipped is named, and what it lost',
  deadline(LIMIT_MS, async () => {
    await change(async (level) => {
      const [key, value] = await firstOf(level, SPACE.current)
      await level.batch([{ type: 'put', key, value }], { sync: true })
    })
    const [log] = namesIn(index, '.', /\.log$/)
    flipByte(join(index, log!), 20)
    await findsOne(new RegExp(`index/0/${log}  at 0  the file is damaged`))
  }),
)

test(
  'an index that is gone, and one that was not made whole',
  deadline(LIMIT_MS, async () => {
    await change(async (level) => {
      const [key, value] = await firstOf(level, SPACE.mark)
      await level.batch([{ type: 'del', key, value }], { sync: true })
    })
    await findsOne(/it was not made whole; a start makes it anew/)
    rmSync(index, { recursive: true })
    const { result, lines } = await verify()
    assert.equal(lines, [
      'damaged index  partition 0 has 1 of 2 indexes on the disks that are there; a start makes the rest',
    ])
    assert.is(result, 'reduced')
  }),
)

test(
  'one that stayed behind while the store went on without it',
  deadline(LIMIT_MS, async () => {
    await commitTo(store.disks, (decision) => void decision.put(`${SPACE.config}new`, { value: 1 }))
    assert.equal(await verify(), { result: 'whole', lines: [] })
    await change(async (level) => {
      const [key, value] = await firstOf(level, SPACE.config)
      await level.batch([{ type: 'del', key, value }], { sync: true })
    })
    await findsOne(/the entry is missing: "gdisks|the entry is missing: "groot-keys|the entry is missing: "g/)
  }),
)

test(
  'an entry that is damaged where the journal goes on from it',
  deadline(LIMIT_MS, async () => {
    await commitTo(store.disks, (decision) => void decision.put(`${SPACE.config}new`, { value: 1 }))
    const key = Buffer.from(`${SPACE.config}new`)
    await change((level) => level.batch([{ type: 'put', key, value: Buffer.alloc(40) }], { sync: true }))
    await findsOne(/an entry is damaged; a start makes the index anew$/)
  }),
)

test(
  'one that is older than the oldest segment',
  deadline(LIMIT_MS, async () => {
    await withLedger(store.disks, async (ledger) => {
      for (const name of ['x', 'y']) {
        ledger.journal.wantSegment()
        await ledger.decide((decision) => void decision.put(`${SPACE.config}${name}`, { value: 1 }))
      }
      // As no store does: what is alive in them goes with them.
      while (ledger.journal.live().length > 1) {
        ledger.journal.dropOldest(ledger.journal.live()[0]!.sealed.segment)
      }
      ledger.journal.dropOldest(ledger.journal.live()[0]!.sealed.segment)
      ledger.journal.wantSegment()
      await ledger.decide((decision) => void decision.put(`${SPACE.config}z`, { value: 1 }))
    })
    const { lines } = await verify()
    const line = `damaged index  disk 1  ${index}  it is older than the oldest segment; a start makes it anew`
    assert.ok(lines.includes(line), lines.join('\n'))
  }),
)

test.run()
