import { fault, refusal, unavailable } from '../../src/base/errors.ts'
import type { LogFields } from '../../src/base/log.ts'
import { createFailureLog } from '../../src/s3/failures.ts'
import { requestOf } from '../support/s3-exchange.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('failures')

test('faults and bugs are logged whole, refusals not at all', () => {
  const lines: [string, string, LogFields | undefined][] = []
  const note =
    (level: string) =>
    (event: string, fields?: LogFields): void =>
      void lines.push([level, event, fields])
  const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }
  const tell = createFailureLog(log)
  const request = requestOf('GET /bucket/k')
  tell(refusal('NoSuchKey', 'none'), request)
  tell(unavailable('TOO_FEW_DISKS', 'two are out'), request)
  tell(fault('DISK_IO', 'read failed', { disk: 3 }, new Error('EIO')), request)
  tell(new TypeError('x is undefined'), request)
  assert.equal(
    lines.map(([level, event, fields]) => [level, event, fields?.['id'], fields?.['code']]),
    [
      ['debug', 'request-unavailable', request.id, 'TOO_FEW_DISKS'],
      ['error', 'request-failed', request.id, 'DISK_IO'],
      ['error', 'request-failed', request.id, 'UNEXPECTED'],
    ],
  )
  assert.is(lines[1]?.[2]?.['cause'], 'EIO')
  assert.equal(lines[1]?.[2]?.['detail'], { disk: 3 })
})

test.run()
