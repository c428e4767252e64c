import { type CodecJobs, createCoder, createLateJobs } from '../../src/actors/coder.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('coder')

test(
  'jobs that are made late are made once, with the first of them',
  deadline(1_000, async () => {
    let made = 0
    const coder = createCoder(
      createLateJobs((): CodecJobs => {
        made++
        return { seal: () => undefined, restore: () => undefined, digest: () => [Uint8Array.of(7)] }
      }),
    )
    assert.is(made, 0)
    const step = { name: 'md5', state: undefined, pieces: [], isLast: true } as const
    for (let turn = 0; turn < 2; turn++) assert.equal(await coder.digest(step), Uint8Array.of(7))
    assert.is(made, 1)
  }),
)

test(
  'a job whose codec cannot be made fails, and the next one tries again',
  deadline(1_000, async () => {
    let tries = 0
    const coder = createCoder(
      createLateJobs(() => {
        throw new Error(`try ${++tries}`)
      }),
    )
    const step = { name: 'crc32', state: undefined, pieces: [], isLast: true } as const
    for (const expected of ['try 1', 'try 2']) {
      assert.is(await coder.digest(step).catch((error: Error) => error.message), expected)
    }
  }),
)

test.run()
