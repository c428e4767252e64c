// What the command line reads and says beside a store, running or not.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createStore } from '../../src/index.ts'
import { formatDisk, listDisks, replaceDisk } from '../../src/offline/disks.ts'
import { readRootKeys } from '../../src/offline/root-keys.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('offline disks')
const LIMIT_MS = 30_000
let parent = ''
let disks: string[] = []

test.before.each(() => {
  parent = mkdtempSync(join(tmpdir(), 'moraine-offline-'))
  disks = [1, 2, 3].map((slot) => join(parent, `d${slot}`))
})
test.after.each(() => rmSync(parent, { recursive: true, force: true }))

test(
  'the root keys are read beside the running store, and with a disk missing',
  deadline(LIMIT_MS, async () => {
    const store = await createStore({ disks })
    const { accessKeyId, secretAccessKey } = store.credentials
    assert.equal(await readRootKeys(disks), { accessKeyId, secretAccessKey })
    await store.close()
    rmSync(disks[0]!, { recursive: true })
    assert.equal(await readRootKeys(disks), { accessKeyId, secretAccessKey })
    await rejectsWith('DISK_FORMAT', () => readRootKeys([join(parent, 'elsewhere')]))
  }),
)

test(
  'a disk that is missing is listed as missing, and replaced by an empty directory',
  deadline(LIMIT_MS, async () => {
    await (await createStore({ disks })).close()
    await rejectsWith('CONFIG_INVALID', () => replaceDisk(disks, disks[0]!))
    rmSync(disks[1]!, { recursive: true })
    const rootsOf = async () => (await listDisks(disks)).map(({ root }) => root)
    assert.equal(await rootsOf(), [disks[0], undefined, disks[2]])
    await rejectsWith('CONFIG_INVALID', () => replaceDisk(disks, disks[1]!))
    const { message } = await rejectsWith('CONFIG_INVALID', () => replaceDisk(disks, disks[2]!))
    assert.is(message, `${disks[2]} holds disk 3 of this store`)
    mkdirSync(disks[1]!)
    writeFileSync(join(disks[1]!, 'mine.txt'), 'mine')
    await rejectsWith('CONFIG_INVALID', () => replaceDisk(disks, disks[1]!))
    assert.equal(readdirSync(disks[1]!), ['mine.txt'])
    rmSync(join(disks[1]!, 'mine.txt'))
    await rejectsWith('CONFIG_INVALID', () => replaceDisk(disks, join(parent, 'elsewhere')))
    assert.is(await replaceDisk(disks, disks[1]!), 2)
    await (await createStore({ disks })).close()
    assert.equal(await rootsOf(), disks)
    assert.is((await listDisks(disks))[1]?.number, 4)
  }),
)

test(
  'a disk that the store has to do without is listed with the reason',
  deadline(LIMIT_MS, async () => {
    await (await createStore({ disks })).close()
    const listed = async (from = disks): Promise<string[]> => (await listDisks(from)).map(formatDisk)
    const lineOf = (number: number, rest: string): string =>
      `position ${number}  number ${number}  set 0  ${rest}`
    const whole = disks.map((disk, index) => lineOf(index + 1, disk))
    assert.equal(await listed(), whole)
    assert.equal(await listed([...disks].reverse()), whole)
    // What a store locks first is no directory any more: so it is for root, too, whom no mode refuses.
    rmSync(join(disks[1]!, 'lock'), { recursive: true })
    writeFileSync(join(disks[1]!, 'lock'), '')
    const unwritable = lineOf(2, `${disks[1]}  cannot be written to (ENOTDIR)`)
    assert.equal(await listed(), [whole[0], unwritable, whole[2]])
    rmSync(disks[1]!, { recursive: true })
    assert.equal(await listed(), [whole[0], lineOf(2, 'missing'), whole[2]])
    mkdirSync(disks[1]!)
    assert.equal((await listed())[1], lineOf(2, `missing  ${disks[1]} is empty`))
    rmSync(disks[1]!, { recursive: true })
    writeFileSync(disks[1]!, 'a file')
    assert.match((await listed())[1]!, `missing  ${disks[1]} cannot be used: it is not a directory`)
  }),
)

test.run()
