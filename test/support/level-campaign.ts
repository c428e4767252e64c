// One damaged pair of indexes after another, reopened as the store does it: the files are looked at and opened by
// actors/indexes.ts, the partition brings them up to its journal, and what it loses is made anew while it serves.
//
// Never a wrong answer: as long as nothing has looked for the damage, each look-up and listing is right or an error that says
// so. Noticed within one tour: after the scrub's check and what it leads to, everything is right without an error, and the two
// indexes are equal row by row.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createIndexes } from '../../src/actors/indexes.ts'
import { createRoster } from '../../src/actors/roster.ts'
import { createAddedMemory } from '../../src/actors/slot-roots.ts'
import type { StoreFacts } from '../../src/actors/store-facts.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { MINUTE } from '../../src/base/units.ts'
import { type IndexPosition, type IndexStore, keepsAlive } from '../../src/metadata/index-slot.ts'
import { SPACE } from '../../src/metadata/keys.ts'
import type { Partition } from '../../src/metadata/partition.ts'
import { indexPath } from '../../src/storage/layout.ts'
import { BUCKET, type FilledPartition, type LevelImage, writeImage } from './level-images.ts'
import { createLogLines } from './log-lines.ts'
import { openPartition, readText } from './partitions.ts'
import { assert } from './uvu.ts'

/** What the files of the two indexes are; undefined: there is none. */
export type ImagePair = readonly [LevelImage | undefined, LevelImage | undefined]

export interface Tally {
  reopens: number
  /** Told by the start or by whoever asked, before the check looked. */
  early: number
  /** Told by the check. */
  late: number
  /** Answered with an error meanwhile. */
  errors: number
}

/** Puts a file system of its own at the directory of the first disk; returns what takes it away again. */
export type Mount = (directory: string) => () => void

export type Meanwhile = (directories: readonly string[]) => void

export interface Campaign {
  readonly tally: Tally
  /**
   * Rejects with the name of the case when anything is answered wrong. `meanwhile` is done to the directories of the two when they are
   * open, before anybody asks anything; it has to be noticed.
   */
  reopen(name: string, pair: ImagePair, mount?: Mount, meanwhile?: Meanwhile): Promise<void>
  close(): void
}

const CHECKS_MAX = 5
/** An index for which there is no room is left out in the end. */
const LOSSES_MAX = 8
const NOTICED =
  /^index-(file-damaged|open-failed|lacks-records|unreadable|failed|read-failed|lost|rebuilt|wrong)$/

/** No index is opened again too soon: nobody waits between two losses here. */
const createHastyClock = () => {
  let aheadMs = 0
  const monotonicMs = (): number => {
    aheadMs += MINUTE
    return systemClock.monotonicMs() + aheadMs
  }
  return { ...systemClock, monotonicMs }
}

const isRecovering = (error: unknown): boolean => (error as { code?: string }).code === 'PARTITION_RECOVERING'

const listAll = async (partition: Partition): Promise<string[]> => {
  const keys: string[] = []
  for (let after = ''; ; ) {
    const range = { bucket: BUCKET, prefix: '', delimiter: '', after, limit: 50 }
    const page = await partition.listVersions(range)
    keys.push(...page.versions.map(({ key }) => key))
    if (page.next === undefined) return keys
    after = page.next
  }
}

const rowsOf = async (store: IndexStore): Promise<Map<string, string>> => {
  const rows = new Map<string, string>()
  const iterator = store.iterator({ gte: Buffer.from(SPACE.bucket, 'latin1') })
  for (let page = await iterator.nextv(1000); page.length > 0; page = await iterator.nextv(1000)) {
    for (const [key, value] of page) {
      const name = key.toString('latin1')
      if (keepsAlive(name)) rows.set(name, value.toString('latin1'))
    }
  }
  await iterator.close()
  return rows
}

export const createCampaign = (directory: string, { disks, expected }: FilledPartition): Campaign => {
  const tally: Tally = { reopens: 0, early: 0, late: 0, errors: 0 }
  const present = [...expected].filter(([, text]) => text !== undefined).map(([key]) => key)
  const listed = present.sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))

  /** Everything that can be asked; `isStrict`: and nothing may be answered with an error. */
  const ask = async (partition: Partition, name: string, isStrict: boolean): Promise<void> => {
    const attempt = async (what: string, action: () => Promise<void>): Promise<void> => {
      try {
        await action()
      } catch (error) {
        if (!isStrict && isRecovering(error)) {
          tally.errors++
          return
        }
        throw new Error(`${name}: ${what}: ${(error as Error).message}`, { cause: error })
      }
    }
    await attempt('listing', async () => assert.equal(await listAll(partition), listed))
    for (const [key, text] of expected) {
      await attempt(key, async () => assert.is(await readText(partition, BUCKET, key), text))
    }
    await attempt('objects', async () =>
      assert.is(partition.bucketCounters({ bucket: BUCKET }).objects, listed.length),
    )
  }

  /** True when it finds nothing any more. */
  const check = async (partition: Partition, isOneLeftOut: boolean): Promise<boolean> => {
    const checking = partition.checkIndexes()
    for (;;) {
      const { wrong, isPartial, isLast } = await checking.next()
      if (isLast) return wrong === 0 && (!isPartial || isOneLeftOut)
    }
  }

  const reopen: Campaign['reopen'] = async (name, pair, mount, meanwhile) => {
    tally.reopens++
    const root = mkdtempSync(join(directory, 'case-'))
    const roots = [1, 2].map((number) => join(root, `d${number}`))
    const roster = createRoster(roots.length)
    mkdirSync(roots[0]!)
    const unmount = mount?.(roots[0]!)
    for (const [slot, path] of roots.entries()) {
      mkdirSync(join(path, 'index'), { recursive: true })
      roster.enter(slot, { number: (slot + 1) as DiskNumber, set: 0, state: 'up' })
      const image = pair[slot]
      if (image) writeImage(image, indexPath(path, 0))
    }
    const { log, lines } = createLogLines()
    const clock = createHastyClock()
    const slots = { firstSpareSlot: roots.length, added: createAddedMemory(0) }
    const facts = { roots, ...slots } as unknown as StoreFacts
    const indexes = createIndexes({ facts, roster, partition: 0, clock, log })
    const stores: (IndexStore | undefined)[] = await indexes.open()
    const reopening = new Set<Promise<void>>()
    const failures: unknown[] = []
    const isNoticed = (): boolean => lines.some(({ event }) => NOTICED.test(event))
    let partition: Partition | undefined
    let losses = 0
    const isOneLeftOut = (): boolean => losses > LOSSES_MAX
    const bringBack = async (position: IndexPosition): Promise<void> => {
      losses++
      if (isOneLeftOut()) return
      const store = await indexes.reopen(position)
      stores[position] = store
      if (store) await partition?.attachIndex(position, store)
    }
    const settle = async (): Promise<void> => {
      while (reopening.size > 0 || partition?.isRebuilding) {
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    }
    try {
      partition = await openPartition(
        { disks: disks.map((disk) => disk.copy()), indexes: [...stores] },
        {
          log,
          onIndexLost(position) {
            const one: Promise<void> = bringBack(position)
              .catch((error: unknown) => void failures.push(error))
              .finally(() => reopening.delete(one))
            reopening.add(one)
          },
        },
      )
      const errors = tally.errors
      // Every other time nobody asks first: the check is to find by itself what nobody reads.
      const isAsked = tally.reopens % 4 < 2 && !meanwhile
      if (isAsked) await ask(partition, `${name}, before the check`, false)
      await settle()
      const isEarly = isNoticed()
      meanwhile?.(roots.map((path) => indexPath(path, 0)))
      for (let left = CHECKS_MAX; !(await check(partition, isOneLeftOut())); left--) {
        assert.ok(left > 0, `${name}: the check finds something again and again`)
        await settle()
      }
      // What was asked when nothing was wrong need not be asked again.
      if (isAsked && !isNoticed() && tally.errors === errors) return
      if (meanwhile) assert.ok(isNoticed(), `${name}: it is noticed`)
      if (isEarly) tally.early++
      else if (isNoticed()) tally.late++
      await ask(partition, `${name}, after the check`, true)
      assert.equal(failures, [], name)
      if (isOneLeftOut()) return
      const [one, other] = await Promise.all(stores.map((store) => rowsOf(store!)))
      assert.is(one!.size, other!.size, name)
      for (const [key, value] of one!) assert.is(other!.get(key), value, name)
    } finally {
      await partition?.close()
      await indexes.close()
      unmount?.()
      rmSync(root, { recursive: true, force: true })
    }
  }
  return { tally, reopen, close: () => rmSync(directory, { recursive: true, force: true }) }
}
