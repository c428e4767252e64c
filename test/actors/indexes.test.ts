// An index is a database of its own: opened where it was lost, and closed with the actor that had it open.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { createIndexes } from '../../src/actors/indexes.ts'
import { createRoster } from '../../src/actors/roster.ts'
import type { StoreFacts } from '../../src/actors/store-facts.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { silentLog } from '../../src/base/log.ts'
import { indexPath } from '../../src/storage/layout.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('indexes')

const begin = () => {
  const directory = mkdtempSync(join(tmpdir(), 'moraine-indexes-'))
  const roots = [join(directory, 'd1'), join(directory, 'd2')]
  const roster = createRoster(2)
  for (const [slot, root] of roots.entries()) {
    mkdirSync(join(root, 'index'), { recursive: true })
    roster.enter(slot, { number: (slot + 1) as DiskNumber, set: 0, state: 'up' })
  }
  const facts = { roots } as unknown as StoreFacts
  const clock = new SimulatedClock()
  const indexes = createIndexes({ facts, roster, partition: 0, clock, log: silentLog })
  return { directory, roots, indexes, clock }
}
const key = Buffer.from('k')
const put = { type: 'put', key, value: Buffer.from('v') } as const

test(
  'an index that is being opened again when all are closed is closed with them',
  deadline(10_000, async () => {
    const { directory, roots, indexes } = begin()
    await indexes.open()
    const reopened = indexes.reopen(0)
    await indexes.close()
    await reopened
    for (const root of roots) {
      const level = new ClassicLevel(indexPath(root, 0))
      await level.open()
      await level.close()
    }
    rmSync(directory, { recursive: true })
  }),
)

test(
  'one that is cleared is empty and good for writing; one that is lost again at once waits before it is opened',
  deadline(10_000, async () => {
    const { directory, indexes, clock } = begin()
    const [first] = await indexes.open()
    await first!.batch([put], { sync: true })
    await first!.clear()
    assert.is(first!.getSync(key), undefined)
    await first!.batch([put], { sync: true })
    assert.equal(first!.getSync(key), put.value)
    const again = await indexes.reopen(0)
    assert.is(again!.getSync(key), undefined)
    let isOpen = false
    const third = indexes.reopen(0).then(() => {
      isOpen = true
    })
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.is(isOpen, false, 'a disk that fails every write is not a busy loop')
    await clock.advance(1_000)
    await third
    await indexes.close()
    rmSync(directory, { recursive: true })
  }),
)

test.run()
