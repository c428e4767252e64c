// `npm run nines` as an operator calls it: what it understands, what it refuses, what it prints.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { type Question, readQuestion } from '../../bench/nines/arguments.ts'
import type { Assessment } from '../../bench/nines/assess.ts'
import { REPOSITORY } from '../support/server-process.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('nines command')

const ask = (line: string): Question => readQuestion(line === '' ? [] : line.split(' '))!
const near = (found: number, expected: number): void => {
  assert.ok(Math.abs(found - expected) < 1e-9 * expected, `${found} instead of ${expected}`)
}

test('values have units, and a rate with a size is a time', () => {
  const { stores, hostLoss, seed, isJson } = ask(
    '--disks 12 --parity 4 --afr 1.4% --repair 4h --scrub 14d --latent 0.5 --host 0.002 --seed 9 --json',
  )
  const { sets, set } = stores[0]!
  assert.equal(
    [stores.length, sets, set.disks, set.parity, hostLoss, seed, isJson],
    [1, 1, 12, 4, 0.002, 9, true],
  )
  near(set.failuresPerYear, 0.014)
  near(set.repairsPerYear, 2190)
  near(set.scrubYears, 14 / 365)
  near(ask('--disks 4 --capacity 3.6TB --repair-rate 500MB/s').stores[0]!.set.repairsPerYear, 4380)
})

test('geometries are those that the store makes of as many disks', () => {
  const geometries = ask('').stores.map(({ set }) => `${set.disks - set.parity}+${set.parity}`)
  assert.equal(geometries, ['1+0', '1+1', '4+2', '6+3', '8+4'])
  const { sets, set } = ask('--disks 24').stores[0]!
  assert.equal([sets, set.disks, set.parity], [2, 12, 4])
})

const nines = (...args: string[]) =>
  spawnSync(process.execPath, [join(REPOSITORY, 'dist', 'bench', 'nines', 'run.js'), ...args], {
    encoding: 'utf8',
  })

/** Nothing that cannot be is reckoned with. */
const IMPOSSIBLE = [
  '--disks 0',
  '--disks 17',
  '--disks 4 --parity 4',
  '--disks 1.5',
  '--parity 2',
  '--afr 0',
  '--afr 0%',
  '--afr 101%',
  '--afr -1%',
  '--afr often',
  '--repair 4',
  '--repair 0h',
  '--repair 4h --repair-rate 1MB/s',
  '--repair-rate 100MB',
  '--capacity 0TB',
  '--capacity 10',
  '--scrub never',
  '--latent -1',
  '--latent 1001',
  '--host 200%',
  '--seed -1',
  '--events 1',
  '--disks',
  '--disks --json',
  '--disks 4 --disks 6',
  '--disk 4',
  'twelve',
]

test('what cannot be is refused', () => {
  for (const line of IMPOSSIBLE) {
    let code: unknown
    try {
      ask(line)
    } catch (error) {
      code = (error as { code?: unknown }).code
    }
    assert.is(code, 'CONFIG_INVALID', line)
  }
})

test('a refusal is one sentence and exit code 2', () => {
  for (const line of ['--disks 4 --parity 4', '--afr 101%', 'twelve']) {
    const { status, stdout, stderr } = nines(...line.split(' '))
    assert.equal([status, stdout], [2, ''], line)
    assert.match(stderr, /^nines: [^\n]+\n$/)
  }
})

test('the page and the document say the same, each time', () => {
  const args = ['--disks', '6', '--seed', '3', '--events', '100000']
  const page = nines(...args)
  assert.is(page.status, 0, page.stderr)
  assert.match(page.stdout, /4\+2/)
  assert.match(page.stdout, /formula \/ Monte Carlo = /)
  assert.match(page.stdout, /One host/)
  const document = nines(...args, '--json').stdout
  assert.is(document, nines(...args, '--json').stdout)
  const { assessments, hostLoss } = JSON.parse(document) as { assessments: Assessment[]; hostLoss: number }
  const { formula, simulated, yearlyLoss } = assessments[0]!
  assert.ok(page.stdout.includes(Number(formula.mttdlYears).toExponential(2)))
  assert.is(simulated.kind, 'resolved')
  assert.ok(yearlyLoss >= hostLoss, 'the host is the floor')
})

test('--help names every flag', () => {
  const { status, stdout } = nines('--help')
  assert.is(status, 0)
  for (const flag of [
    'disks',
    'parity',
    'afr',
    'repair',
    'repair-rate',
    'scrub',
    'latent',
    'capacity',
    'seed',
    'json',
  ]) {
    assert.ok(stdout.includes(`--${flag} `), flag)
  }
})

test.run()
