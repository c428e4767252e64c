// docs/log.md against the source: every event that src/ can log is on the page, and every event of the page is logged.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { assert, suite } from '../support/uvu.ts'

const test = suite('page of the log')

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** Ways in which an event's name is written in the source. */
const WAYS: Readonly<Record<string, RegExp>> = {
  'a call of the log': /\.(?:debug|info|warn|error)\(\s*'([^']+)'/g,
  'one of two names that a call is given': /\bconst event = .*\? '([^']+)' : '([^']+)'/g,
  'the damage of shards': /\bcreateDamageLog\([^']*'([^']+)'\)/g,
  'a fault that has a name of its own': /\blevel: '\w+', event: '([^']+)'/g,
  'messages that went astray': /\bnew Notices\('([^']+)'/g,
}

const sources = (): string[] =>
  readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(ROOT, 'src', name), 'utf8'))

const namesIn = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].flatMap(([, ...names]) => names.filter((name) => name !== undefined))

const logged = (way: RegExp): string[] => sources().flatMap((source) => namesIn(source, way))
const page = (): string => readFileSync(join(ROOT, 'docs/log.md'), 'utf8')
const inBackticks = (text: string): Set<string> => new Set(namesIn(text, /`([^`\n]+)`/g))

for (const [way, pattern] of Object.entries(WAYS)) {
  test(`every event is on the page: ${way}`, () => {
    const names = logged(pattern)
    // A way that finds nothing is written otherwise by now.
    assert.ok(names.length > 0)
    const known = inBackticks(page())
    const lacking = [...new Set(names)].filter((name) => !known.has(name))
    assert.equal(lacking, [], 'docs/log.md does not have them')
  })
}

test('every event in a first column of the page is logged', () => {
  const names = new Set(Object.values(WAYS).flatMap(logged))
  const rows = page().matchAll(/^\| (`[^|]*) \|/gm)
  const shown = [...rows].flatMap(([, cell]) => [...inBackticks(cell!)])
  assert.ok(shown.length > 0)
  assert.equal(
    shown.filter((name) => !names.has(name)),
    [],
    'src/ never logs them',
  )
})

test.run()
