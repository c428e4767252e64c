import { fault, refusal, unavailable } from '../../src/base/errors.ts'
import type { LogFields } from '../../src/base/log.ts'
import { createFailureLog } from '../../src/s3/failures.ts'
import { requestOf } from '../support/s3-exchange.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('failures')

const open = () => {
  const lines: [string, string, LogFields | undefined][] = []
  const note =
    (level: string) =>
    (event: string, fields?: LogFields): void =>
      void lines.push([level, event, fields])
  const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }
  const clock = new SimulatedClock()
  return { lines, clock, tell: createFailureLog(log, clock) }
}
const request = requestOf('GET /bucket/k')

test('faults and bugs are logged whole, refusals not at all', () => {
  const { lines, tell } = open()
  tell(refusal('NoSuchKey', 'none'), request)
  tell(unavailable('TOO_FEW_DISKS', 'two are out', { out: '1,2' }), request)
  tell(fault('DISK_IO', 'read failed', { disk: 3 }, new Error('EIO')), request)
  tell(new TypeError('x is undefined'), request)
  assert.equal(
    lines.map(([level, event, fields]) => [level, event, fields?.['id'], fields?.['code']]),
    [
      ['warn', 'request-unavailable', request.id, 'TOO_FEW_DISKS'],
      ['error', 'request-failed', request.id, 'DISK_IO'],
      ['error', 'request-failed', request.id, 'UNEXPECTED'],
    ],
  )
  assert.equal(lines[0]?.[2]?.['detail'], { out: '1,2' })
  assert.is(lines[1]?.[2]?.['cause'], 'EIO')
  assert.is(lines[0]?.[2]?.['cause'], undefined)
  assert.equal(lines[1]?.[2]?.['detail'], { disk: 3 })
})

test('what was unavailable is told with all that it came from', () => {
  const { lines, tell } = open()
  const disk = fault('DISK_IO', 'disk 3: write failed', { disk: 3 }, new Error('i/o error'))
  tell(unavailable('TOO_FEW_DISKS', 'a disk failed during the write', {}, disk), request)
  assert.is(lines[0]?.[2]?.['cause'], 'DISK_IO: disk 3: write failed < i/o error')
})

test('a write to a full store is no failure, and told as seldom as what is unavailable', () => {
  const { lines, tell } = open()
  for (let i = 0; i < 5; i++) tell(fault('DISK_FULL', 'no room', { full: '1' }), request)
  assert.equal(
    lines.map(([level, event]) => `${level} ${event}`),
    ['warn request-without-room', ...Array.from({ length: 4 }, () => 'debug request-without-room')],
  )
})

test('each reason for a 503 is told once in ten seconds, and how many there were; a busy store says nothing', async () => {
  const { lines, clock, tell } = open()
  for (let i = 0; i < 20; i++) {
    tell(unavailable('ASK_TIMEOUT', 'late'), request)
    tell(unavailable('ARENA_FULL', 'no slab'), request)
  }
  tell(unavailable('TOO_FEW_DISKS', 'two are out'), request)
  await clock.advance(10_000)
  tell(unavailable('ASK_TIMEOUT', 'late'), request)
  const told = lines.filter(([level]) => level === 'warn')
  assert.equal(
    told.map(([, , fields]) => [fields?.['code'], fields?.['since']]),
    [
      ['ASK_TIMEOUT', 0],
      ['TOO_FEW_DISKS', 0],
      ['ASK_TIMEOUT', 19],
    ],
  )
  assert.is(lines.length, 42)
})

test.run()
