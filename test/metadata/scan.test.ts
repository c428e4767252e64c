// A walk over an index with the table in memory merged over it, against the same in a map.
import fc from 'fast-check'
import { systemClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { deleteEntry, type Entry, putEntry } from '../../src/metadata/entry.ts'
import { IndexPair } from '../../src/metadata/index-pair.ts'
import { IndexSlot } from '../../src/metadata/index-slot.ts'
import { Scan } from '../../src/metadata/scan.ts'
import { Table } from '../../src/metadata/table.ts'
import { createIndexStore } from '../support/partitions.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('scan')

const keyOf = (number: number): string => `g${String(number).padStart(5, '0')}`
const END = 'h'

/** A walk over what an index holds and, newer than that, a table. */
const openScan = async (inIndex: readonly Entry[], inTable: readonly Entry[]): Promise<Scan> => {
  const table = new Table()
  const indexes = new IndexPair({ table, expected: 1, clock: systemClock, log: silentLog })
  const slot = new IndexSlot(0, createIndexStore(), 0)
  await slot.applyEntries(inIndex, 1, new Map())
  indexes.attach(slot)
  table.add(inTable, 2, new Map())
  return new Scan(indexes, table, keyOf(0), END)
}

const entriesOf = (numbers: readonly number[], value: string): Entry[] =>
  [...new Set(numbers)].map((number) => putEntry(keyOf(number), value))

const numbers = fc.array(fc.nat(60), { maxLength: 60 })
/** How many entries are asked for, and how many keys are jumped over before. */
const walk = fc.array(fc.record({ size: fc.integer({ min: 1, max: 9 }), jump: fc.option(fc.nat(9)) }), {
  minLength: 1,
  maxLength: 20,
})

test(
  'any walk shows what is there, in order, the newest of each key, and no more at a time than was asked of both',
  deadline(60_000, async () => {
    await fc.assert(
      fc.asyncProperty(numbers, numbers, numbers, walk, async (old, changed, deleted, steps) => {
        const inTable = [...entriesOf(changed, 'new'), ...deleted.map((number) => deleteEntry(keyOf(number)))]
        const scan = await openScan(entriesOf(old, 'old'), inTable)
        const expected = new Map<string, unknown>()
        for (const { key, record } of [...entriesOf(old, 'old'), ...inTable]) expected.set(key, record)
        for (const [key, record] of expected) if (record === undefined) expected.delete(key)
        let position = keyOf(0)
        for (let step = 0; ; step++) {
          const { size, jump } = steps[step] ?? { size: 7, jump: null }
          if (jump !== null) {
            const target = keyOf(Number(position.slice(1, 6)) + jump)
            if (target > position) {
              scan.seek(target)
              position = target
            }
          }
          const rows = await scan.next(size)
          const rest = [...expected.keys()].filter((key) => key >= position).sort()
          assert.equal(
            rows.map(({ key, record }) => [key, record]),
            rest.slice(0, rows.length).map((key) => [key, expected.get(key)]),
          )
          assert.ok(rows.length <= 2 * size, `${rows.length} of ${size}`)
          if (rows.length === 0) {
            assert.equal(rest, [])
            break
          }
          position = `${rows.at(-1)!.key}\x00`
        }
        await scan.close()
      }),
      {
        numRuns: 300,
        examples: [
          [
            [3, 4, 5],
            [0],
            [1, 2],
            [
              { size: 3, jump: null },
              { size: 1, jump: null },
            ],
          ],
        ],
      },
    )
  }),
)

test(
  'of a table that holds many pages a walk takes one',
  deadline(20_000, async () => {
    const many = Array.from({ length: 20_000 }, (_, index) => index)
    const scan = await openScan(entriesOf([5, 15_000], 'old'), entriesOf(many, 'new'))
    for (const from of [0, 7_000, 15_100]) {
      scan.seek(keyOf(from))
      const rows = await scan.next(16)
      assert.ok(rows.length >= 16 && rows.length <= 32, `${rows.length} rows`)
      assert.is(rows[0]!.key, keyOf(from))
    }
    await scan.close()
  }),
)

test.run()
