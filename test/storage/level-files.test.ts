// Every byte of a log and of a manifest of LevelDB, flipped: it is told, and with its place. What a crash leaves is not.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { nodeFiles } from '../../src/storage/files-node.ts'
import { checkLevelLog, findLevelDamage } from '../../src/storage/level-files.ts'
import { checkLevelTable } from '../../src/storage/level-table.ts'
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

test(
  'a bit flipped anywhere in a table is found before LevelDB reads it, and what a crash left beside the tables is nobody’s',
  deadline(LIMIT_MS, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'moraine-level-'))
    const level = new ClassicLevel(directory, { blockSize: 1024 })
    // Some of it packs well and some does not.
    const text = (i: number): string => (i % 3 === 0 ? 'x'.repeat(300) : randomBytes(150).toString('hex'))
    for (let i = 0; i < 100; i++) await level.put(`key ${i}`, text(i))
    await level.compactRange('a', 'z')
    for (let i = 50; i < 150; i++) await level.put(`key ${i}`, text(i))
    await level.compactRange('a', 'z')
    await level.close()
    const path = fileIn(directory, /\.ldb$/)
    const bytes = readFileSync(path)
    writeFileSync(join(directory, '000999.ldb'), bytes.subarray(0, 1000))
    const find = () => findLevelDamage(nodeFiles, directory)
    assert.equal(await find(), [])
    // The zeros that fill the footer up are nobody's, and behind them is the magic number.
    const footerAt = bytes.length - 48
    for (let at = 0; at < bytes.length; at += at < footerAt - 200 ? 13 : 1) {
      if (at >= footerAt + 6 && at < bytes.length - 8) continue
      const offset = checkLevelTable(flipped(bytes, at, 1 << (at % 8)))
      assert.ok(offset !== undefined && offset <= at, `byte ${at} of ${bytes.length}: ${offset}`)
    }
    for (const length of [0, 47, 1000, bytes.length - 1]) {
      assert.ok(checkLevelTable(bytes.subarray(0, length)) !== undefined, `${length} bytes`)
    }
    writeFileSync(path, flipped(bytes, 100, 4))
    assert.equal(
      (await find()).map(({ file, isFatal }) => [join(directory, file), isFatal]),
      [[path, true]],
    )
    rmSync(directory, { recursive: true })
  }),
)

test.run()
