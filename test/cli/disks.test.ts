// `moraine disk …` beside a stopped store and a running one, in this process: what it prints, refuses and leaves to the next start.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { DISKS } from '../../src/cli/disks.ts'
import { readCommandLine } from '../../src/config.ts'
import { createStore } from '../../src/index.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('disk commands')
const LIMIT_MS = 60_000
let parent = ''
test.before.each(() => {
  parent = mkdtempSync(join(tmpdir(), 'moraine-disk-commands-'))
})
test.after.each(() => rmSync(parent, { recursive: true, force: true }))
const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))

/** Runs a command on these disks; resolves to what it printed. */
const run = async (
  name: keyof typeof DISKS,
  word: string,
  disks: readonly string[],
  port = 1,
): Promise<string> => {
  const flags = ['--disks', disks.join(','), '--port', `${port}`, '--arena', '64MiB']
  const printed: string[] = []
  const output = { isTerminal: false, write: (text: string): void => void printed.push(text) }
  const words = word === '' ? [] : [word]
  const { config } = readCommandLine(flags, {})
  assert.is(await DISKS[name]?.({ config, words, output, clock: systemClock }), 0)
  return printed.join('')
}

test(
  'a stopped store is told of a drain and an added disk, and goes on with them when it starts',
  deadline(LIMIT_MS, async () => {
    const disks = [1, 2, 3, 4].map((slot) => join(parent, `d${slot}`))
    await rejectsWith('DISK_FORMAT', () => run('disk drain', '2', disks))
    const first = await createStore({ disks })
    const running = Number(new URL(first.endpoint).port)
    const { message: elsewhere } = await rejectsWith('TOO_FEW_DISKS', () => run('disk drain', '2', disks))
    assert.match(elsewhere, /cannot be asked at 127\.0\.0\.1:1 .*give the --host and --port/)
    const { message: unknown } = await rejectsWith('CONFIG_INVALID', () =>
      run('disk drain', '9', disks, running),
    )
    assert.match(unknown, /no disk with the number 9, but 1, 2, 3, 4/)
    await first.close()

    const told = await run('disk drain', disks[1]!, disks)
    assert.match(told, /disk 2 .*4 disks with 2\+2 become 3 disks with 1\+2.*moved when it is started/)
    assert.match(await run('disk drain', '2', disks), /is being drained already/)
    assert.match(
      await run('disk list', '', disks),
      /number 2 .*d2 {2}draining: 0 shards with 0\.0 MiB are left/,
    )
    const store = await createStore({ disks })
    const isLeft = async (): Promise<boolean> => (await run('disk list', '', disks)).includes('number 2 ')
    while (await isLeft()) await pause(250)
    const port = Number(new URL(store.endpoint).port)
    const { message } = await rejectsWith('CONFIG_INVALID', () => run('disk drain', '1', disks, port))
    assert.match(message, /3 disks with parity 2 \(1\+2\)/)
    mkdirSync(join(parent, 'd5'))
    const both = [join(parent, 'd5'), join(parent, 'nowhere')].join(',')
    const refused = await rejectsWith('CONFIG_INVALID', () => run('disk add', both, disks, port))
    assert.match(refused.message, /nowhere does not exist/)
    // Nor is it locked: it may be given to another store.
    assert.equal(readdirSync(join(parent, 'd5')), [])
    const added = await run('disk add', join(parent, 'd5'), disks, port)
    assert.match(added, /disk 5 \(.*d5\) was added: .*4 disks with 2\+2/)
    assert.match(
      await run('disk list', '', disks),
      /number 5 .*missing {2}disk 5 was added as .*d5, and that/,
    )
    await store.close()
    assert.match(await run('disk list', '', [...disks, join(parent, 'd5')]), /number 5 .*d5\n/)
  }),
)

test.run()
