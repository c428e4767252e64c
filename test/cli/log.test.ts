// The program's log: lines of JSON, and no reason to end when they cannot be written.
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLineLog } from '../../src/cli/log.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('line log')

test('an event is one line of JSON, written when it is told', () => {
  const path = join(tmpdir(), `moraine-log-${process.pid}.txt`)
  const descriptor = openSync(path, 'w')
  try {
    const log = createLineLog('info', descriptor)
    log.debug('hidden')
    log.info('told', { count: 1 })
    const { level, msg, count } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
    assert.equal([level, msg, count], ['info', 'told', 1])
  } finally {
    closeSync(descriptor)
    rmSync(path)
  }
})

test('what cannot be written is lost, and nothing else: a full disk, a log that was closed', () => {
  // Open for reading alone, every write to it fails.
  for (const path of ['/dev/null', ...(process.platform === 'linux' ? ['/dev/full'] : [])]) {
    const descriptor = openSync(path, path === '/dev/full' ? 'w' : 'r')
    try {
      const log = createLineLog('info', descriptor)
      for (let line = 0; line < 3000; line++) log.error('told in vain', { text: 'x'.repeat(1000) })
    } finally {
      closeSync(descriptor)
    }
  }
})

test.run()
