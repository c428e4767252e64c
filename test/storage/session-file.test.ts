// The session of a disk: whole or as it was after a power cut, and nothing that could be mistaken for a later one.

import { crc32 } from 'node:zlib'
import type { FileSystem } from '../../src/base/files.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { firstVolumeOf, inspectSession, readSession, writeSession } from '../../src/storage/session-file.ts'
import { crashStates } from '../support/crash-states.ts'
import { flipByte, formDirectory, readFile, TEST_ROOT, writeFile } from '../support/disks.ts'
import { createFaultyFiles } from '../support/faulty-files.ts'
import { assert, deadline, rejectsWith, seeded, suite } from '../support/uvu.ts'

const test = suite('session file')
const ID = 'd'.repeat(32)
const PATH = `${TEST_ROOT}/session`
const start = (files: FileSystem): Promise<void> => formDirectory(files, TEST_ROOT)

const makeFiles = async (session: number): Promise<FileSystem> => {
  const files = createMemoryFiles()
  await start(files)
  await writeSession(files, TEST_ROOT, ID, session)
  return files
}

test(
  'after a power cut it is the one that was acknowledged, or the next',
  seeded(30_000, async (random) => {
    const faulty = await createFaultyFiles({}, start)
    for (const session of [1, 2, 3]) {
      await writeSession(faulty, TEST_ROOT, ID, session)
      faulty.mark(`${session}`)
    }
    let states = 0
    for await (const { files, marks, description } of crashStates(faulty, random, start)) {
      states += 1
      const acknowledged = marks.size
      const found = await readSession(files, TEST_ROOT, ID)
      assert.ok(found === acknowledged || found === acknowledged + 1, `${found}: ${description}`)
      // What is left of the cut-off one is in nobody's way.
      await writeSession(files, TEST_ROOT, ID, 7)
      assert.is(await readSession(files, TEST_ROOT, ID), 7)
    }
    assert.ok(states > 10)
  }),
)

test(
  'what is missing, damaged or of another disk says nothing; what a later release wrote is refused by name',
  deadline(5_000, async () => {
    const files = await makeFiles(5)
    assert.is(await readSession(files, TEST_ROOT, ID), 5)
    assert.is(await readSession(files, TEST_ROOT, 'e'.repeat(32)), 0)
    const whole = Buffer.from(await readFile(files, PATH))
    for (let position = 0; position < whole.length; position++) {
      await flipByte(files, PATH, position)
      const seen = await inspectSession(files, TEST_ROOT, ID)
      assert.equal(seen, { session: 0, isDamaged: true, bornMs: 0 }, `byte ${position}`)
      await flipByte(files, PATH, position)
    }
    await files.remove(PATH)
    assert.equal(await inspectSession(files, TEST_ROOT, ID), { session: 0, isDamaged: false, bornMs: 0 })
    whole.writeUInt16LE(2, 4)
    whole.writeUInt32LE(crc32(whole.subarray(0, 28)), 28)
    await writeFile(files, PATH, whole)
    await rejectsWith('RECORD_VERSION', () => readSession(files, TEST_ROOT, ID))
  }),
)

test('the volumes of a session come after all of those before it, and their numbers fit four bytes', () => {
  assert.is(firstVolumeOf(1), 4097)
  for (const session of [1, 2, 1000, 2 ** 20]) assert.ok(firstVolumeOf(session) <= firstVolumeOf(session + 1))
  assert.ok(firstVolumeOf(2 ** 31) < 2 ** 32)
})

test.run()
