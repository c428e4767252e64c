// What the command line reads and says beside a store, running or not.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createStore } from '../../src/index.ts'
import { listDisks, readRootKeys, replaceDisk } from '../../src/offline.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('offline')
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

test.run()
