// The indexes of a partition against what its journal yields. An index may be behind: then a start brings it up, and so is done
// here, on a copy. What it says then must be what the journal says, entry by entry and byte by byte.
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { asMoraineError } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { IndexSlot, keepsAlive } from '../metadata/index-slot.ts'
import type { Journal } from '../metadata/journal.ts'
import { type BinaryKey, SPACE } from '../metadata/keys.ts'
import { indexPath } from '../storage/layout.ts'
import { findLevelDamage } from '../storage/level-files.ts'
import { bringUp } from './expected-index.ts'
import { openLevelCopy } from './level-copy.ts'
import { rowsOf, type WalkedRow } from './rows.ts'
import { ofDisk, type Verification } from './verification.ts'

/** A table that was cut lacks thousands: the first ones are named. */
const NAMED_MAX = 10
const INDEXES = 2

interface Difference {
  readonly key: BinaryKey
  readonly reason: string
}

/** Counters are repeated by the first frame of each segment: they have no commit and no place of their own. */
const isSame = (a: WalkedRow, b: WalkedRow): boolean => {
  if (a.bytes.equals(b.bytes)) return true
  if (keepsAlive(a.key) || !a.row || !b.row) return false
  return isDeepStrictEqual(a.row.record, b.row.record)
}

/** Both are ordered: one walk through each. */
async function* differences(index: IndexSlot, expected: IndexSlot): AsyncGenerator<Difference> {
  const held = rowsOf(index, SPACE.bucket, undefined)
  const wanted = rowsOf(expected, SPACE.bucket, undefined)
  try {
    let [a, b] = [await held.next(), await wanted.next()]
    while (!a.done || !b.done) {
      if (b.done || (!a.done && a.value.key < b.value.key)) {
        yield { key: a.value!.key, reason: 'the journal has no such entry' }
        a = await held.next()
      } else if (a.done || b.value.key < a.value.key) {
        yield { key: b.value.key, reason: 'the entry is missing' }
        b = await wanted.next()
      } else {
        if (!isSame(a.value, b.value)) {
          yield {
            key: a.value.key,
            reason: a.value.row ? 'the entry is another one' : 'the entry is damaged',
          }
        }
        ;[a, b] = [await held.next(), await wanted.next()]
      }
    }
  } finally {
    await held.return(undefined)
    await wanted.return(undefined)
  }
}

/** For people: the space, and the key as text where it is one. */
const formatKey = (key: BinaryKey): string => JSON.stringify(Buffer.from(key, 'latin1').toString('utf8'))

const hasSameLiveness = (a: IndexSlot, b: IndexSlot): boolean => {
  const textOf = ({ live }: IndexSlot): string =>
    JSON.stringify([...live].sort(([one], [other]) => one - other))
  return textOf(a) === textOf(b)
}

type Tell = (reason: string, more?: { file?: string; offset?: number; severity?: 'lost' }) => void

const compare = async (
  index: IndexSlot,
  journal: Journal,
  expected: IndexSlot,
  tell: Tell,
): Promise<void> => {
  index.open()
  if (index.sequence < 0) return tell('it was not made whole; a start makes it anew')
  if (index.sequence > expected.sequence) {
    const reason = `it has commits up to ${index.sequence}, its journal ends with ${expected.sequence}: newer segments are missing`
    return tell(reason, { severity: 'lost' })
  }
  const first = journal.firstSequence() ?? 1
  if (index.sequence < first - 1) return tell('it is older than the oldest segment; a start makes it anew')
  if (!(await bringUp(index, journal))) return tell('an entry is damaged; a start makes the index anew')
  let count = 0
  for await (const { key, reason } of differences(index, expected)) {
    if (++count <= NAMED_MAX) tell(`${reason}: ${formatKey(key)}`)
  }
  if (count > NAMED_MAX) tell(`${count - NAMED_MAX} more entries are wrong or missing`)
  if (count === 0 && !hasSameLiveness(index, expected))
    tell('it counts what is alive in the segments wrongly')
}

const verifyIndex = async (
  verification: Verification,
  journal: Journal,
  expected: IndexSlot,
  { disk, partition }: { disk: DiskNumber; partition: number },
): Promise<void> => {
  const { files, findings, store, temporary } = verification
  const file = `index/${partition}`
  const tell: Tell = (reason, { severity, file: name, offset } = {}) =>
    findings.add({
      ...{ severity: severity ?? 'damaged', what: 'index', ...ofDisk(verification, disk) },
      file: name === undefined ? file : `${file}/${name}`,
      ...(offset !== undefined && { offset }),
      reason,
    })
  const location = indexPath(store.rootOf.get(disk)!, partition)
  const damage = await findLevelDamage(files, location)
  for (const { file: name, offset } of damage) {
    tell('the file is damaged', { file: name, ...(offset !== undefined && { offset }) })
  }
  if (damage.some(({ isFatal }) => isFatal)) return
  try {
    const copy = await openLevelCopy(location, join(temporary, `index-${disk}-${partition}`))
    try {
      await compare(new IndexSlot(0, copy, partition), journal, expected, tell)
    } finally {
      await copy.close()
    }
  } catch (error) {
    const { code, message, cause } = asMoraineError(error)
    if (code === 'RECORD_VERSION') throw error
    tell(`it cannot be read: ${(cause as Error | undefined)?.message ?? message}`)
  }
}

export const verifyIndexes = async (
  verification: Verification,
  journal: Journal,
  partition: number,
  expected: IndexSlot,
): Promise<void> => {
  const { store, findings, files } = verification
  const found: DiskNumber[] = []
  for (const [disk, root] of [...store.rootOf].sort(([a], [b]) => a - b)) {
    const names = await files.list(indexPath(root, partition)).catch((): string[] => [])
    if (names.includes('CURRENT')) found.push(disk)
  }
  for (const disk of found) await verifyIndex(verification, journal, expected, { disk, partition })
  const wanted = Math.min(INDEXES, store.rootOf.size)
  if (found.length >= wanted) return
  const reason = `partition ${partition} has ${found.length} of ${wanted} indexes on the disks that are there; a start makes the rest`
  findings.add({ severity: 'damaged', what: 'index', reason })
}
