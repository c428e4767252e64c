// Every byte of a log and of a manifest of LevelDB, flipped: it is told, and with its place. What a crash leaves is not.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { nodeFiles } from '../../src/storage/files-node.ts'
import { checkLevelLog, findLevelDamage } from '../../src/storage/level-files.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('level files')
const LIMIT_MS = 20_000
const directories: string[] = []
test.after.each(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

/** A database with these values in its log, and one table. */
const makeLevel = async (sizes: readonly number[]): Promise<string> => {
  const directory = mkdtempSync(join(tmpdir(), 'moraine-level-'))
  directories.push(directory)
  for (const prefix of ['old', 'new']) {
    const level = new ClassicLevel<string, Buffer>(directory, { valueEncoding: 'buffer' })
    await level.open()
    for (const [i, size] of sizes.entries()) {
      await level.put(`${prefix}${i}`, Buffer.alloc(size, `${i} moraine`), { sync: true })
    }
    await level.close()
  }
  return directory
}
const fileIn = (directory: string, kind: RegExp): string =>
  join(directory, readdirSync(directory).find((name) => kind.test(name))!)
const logIn = (directory: string): Buffer => readFileSync(fileIn(directory, /\.log$/))
const flipped = (bytes: Buffer, at: number, by: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy[at]! ^= by
  return copy
}
/** Where the record ends that byte `at` is in: what is told begins no later. */
const startsOf = (bytes: Buffer): number[] => {
  const starts: number[] = []
  for (let at = 0; at + 7 <= bytes.length; at += 7 + bytes.readUInt16LE(at + 4)) {
    if (32_768 - (at % 32_768) < 7) at += 32_768 - (at % 32_768)
    if (at + 7 <= bytes.length) starts.push(at)
  }
  return starts
}

test(
  'any byte of a log that flips is told, at the record it is in',
  deadline(LIMIT_MS, async () => {
    const bytes = logIn(await makeLevel([10, 300, 1]))
    assert.is(checkLevelLog(bytes), undefined)
    const starts = startsOf(bytes)
    assert.is(starts.length, 3)
    for (let at = 0; at < bytes.length; at++) {
      const record = starts.findLast((start) => start <= at)
      for (const by of [1, 0x80, 0xff]) {
        assert.equal(
          checkLevelLog(flipped(bytes, at, by)),
          { offset: record, blocks: 1 },
          `byte ${at} by ${by}`,
        )
      }
    }
  }),
)

test(
  'of a log of many blocks the first damage is told, and how many blocks have any',
  deadline(LIMIT_MS, async () => {
    const bytes = logIn(await makeLevel([20_000, 100_000, 5_000]))
    assert.ok(bytes.length > 3 * 32_768)
    assert.is(checkLevelLog(bytes), undefined)
    const starts = startsOf(bytes)
    const second = starts.find((start) => start > 40_000)!
    assert.equal(checkLevelLog(flipped(flipped(bytes, second + 9, 4), bytes.length - 3, 4)), {
      offset: second,
      blocks: 2,
    })
  }),
)

test(
  'a log that is cut off anywhere, or there in zeros, is no damage',
  deadline(LIMIT_MS, async () => {
    const bytes = logIn(await makeLevel([10, 300, 1]))
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length)
      assert.is(checkLevelLog(cut), undefined, `${length} bytes`)
    }
    const last = startsOf(bytes).at(-1)!
    for (let length = last; length < bytes.length - 1; length++) {
      const zeros = Buffer.concat([bytes.subarray(0, length), Buffer.alloc(bytes.length - length)])
      assert.is(checkLevelLog(zeros), undefined, `${length} bytes`)
    }
  }),
)

test(
  'a database is looked at before it is opened: what it cannot be believed with is fatal',
  deadline(LIMIT_MS, async () => {
    const directory = await makeLevel([10, 300])
    const find = () => findLevelDamage(nodeFiles, directory)
    assert.equal(await find(), [])
    for (const [kind, isFatal] of [
      [/^CURRENT$/, true],
      [/^MANIFEST/, true],
      [/\.log$/, false],
    ] as const) {
      const path = fileIn(directory, kind)
      const bytes = readFileSync(path)
      for (let at = 0; at < bytes.length; at++) {
        writeFileSync(path, flipped(bytes, at, 0x40))
        const found = await find()
        assert.equal(
          found.map((damage) => [join(directory, damage.file), damage.isFatal]),
          [[path, isFatal]],
          `byte ${at} of ${path}`,
        )
      }
      writeFileSync(path, bytes)
    }
    assert.equal(await find(), [])
    // Not even a cut is to be believed of a manifest: what it lists last may be all that is new.
    const manifest = fileIn(directory, /^MANIFEST/)
    const bytes = readFileSync(manifest)
    for (const cut of [bytes.length - 1, startsOf(bytes).at(-1)! + 8, startsOf(bytes).at(-1)! + 3]) {
      writeFileSync(manifest, bytes.subarray(0, cut))
      assert.equal(
        (await find()).map(({ isFatal }) => isFatal),
        [true],
      )
    }
    assert.equal(await findLevelDamage(nodeFiles, join(directory, 'none')), [])
  }),
)

test.run()
