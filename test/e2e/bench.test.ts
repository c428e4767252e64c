// `npm run bench` as scripts call it: the file of figures that others read, and what is refused before minutes are spent.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Measurement } from '../../bench/run.ts'
import { type Finished, tryClient } from '../support/foreign.ts'
import { createTemporaryDirectory, REPOSITORY } from '../support/server-process.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('bench')
const LIMIT_MS = 120_000

type Ending = Finished & { code: number | null }

/** As anybody calls it. */
const bench = (...args: string[]): Promise<Ending> =>
  tryClient('npm', ['run', '--silent', 'bench', '--', ...args])
/** Without npm, which costs half a second each time. */
const benchItself = (args: readonly string[]): Promise<Ending> =>
  tryClient(process.execPath, [join(REPOSITORY, 'dist', 'bench', 'run.js'), ...args])

test(
  '--json writes an array of { case, value, unit }, one for each case, over what was there',
  deadline(LIMIT_MS, async () => {
    const path = join(createTemporaryDirectory('bench'), 'figures.json')
    const { code, stdout, stderr } = await bench('s3', '--cases', 'start-memory', '--json', path)
    assert.is(code, 0, stderr)
    const figures = JSON.parse(readFileSync(path, 'utf8')) as Measurement[]
    assert.ok(Array.isArray(figures) && figures.length > 0)
    for (const figure of figures) {
      assert.equal(Object.keys(figure), ['case', 'value', 'unit'])
      assert.equal([typeof figure.case, typeof figure.unit], ['string', 'string'])
      assert.ok(Number.isFinite(figure.value) && figure.value >= 0, JSON.stringify(figure))
      assert.ok(stdout.includes(figure.case), `${figure.case} is not printed: ${stdout}`)
    }
    assert.is(new Set(figures.map((figure) => figure.case)).size, figures.length)
  }),
)

test(
  '--help of the benchmarks and of the tests says what there is; a flag that there is not is one sentence',
  deadline(LIMIT_MS, async () => {
    const tests = join(REPOSITORY, 'dist', 'test', 'run.js')
    for (const [script, flags] of [
      [join(REPOSITORY, 'dist', 'bench', 'run.js'), ['--json', '--cases', '--seconds']],
      [tests, ['--quick', '--lanes']],
    ] as const) {
      for (const help of ['--help', '-h']) {
        const { code, stdout, stderr } = await tryClient(process.execPath, [script, help])
        assert.equal([code, stderr], [0, ''])
        for (const flag of flags) assert.ok(stdout.includes(flag), `${flag} is in ${stdout}`)
      }
    }
    const { code, stdout, stderr } = await tryClient(process.execPath, [tests, '--quik'])
    assert.equal([code, stdout], [2, ''])
    assert.match(stderr, /^test: [^\n]+\n$/)
  }),
)

test(
  'what cannot be is refused in one sentence with exit code 2 before anything is measured',
  deadline(LIMIT_MS, async () => {
    const wrong: readonly (readonly string[])[] = [
      ['s4'],
      ['s3', '--jsn', 'x'],
      ['s3', '--json'],
      ['s3', '--json', '/nowhere/figures.json'],
      ['s3', '--cases', 'start-memory,nope'],
      ['codec', '--cases', 'start-memory'],
    ]
    for (const args of wrong) {
      const { code, stdout, stderr } = await benchItself(args)
      assert.equal([code, stdout], [2, ''], args.join(' '))
      assert.match(stderr, /^bench: [^\n]+\n$/)
    }
  }),
)

test.run()
