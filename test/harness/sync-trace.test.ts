// The reader of traces, on traces written by hand: it must not take for safe what is not.
import { examine, parseTrace } from '../support/sync-trace.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('sync trace')

const ANSWER = '1 write(9<socket:[1]>, "HTTP/1.1 200 OK\\r\\n", 17) = 17'
const unsafe = (...lines: string[]): readonly string[] | undefined =>
  examine(parseTrace([...lines, ANSWER].join('\n')), (path) => path.startsWith('/d/'))[0]?.unsafe

test('a file written and synced is safe, one written after its sync is not', () => {
  assert.equal(unsafe('1 write(3</d/a>, "x", 1) = 1', '1 fdatasync(3</d/a>) = 0'), [])
  assert.equal(unsafe('1 fdatasync(3</d/a>) = 0', '1 pwrite64(3</d/a>, "x", 1, 0) = 1'), ['/d/a'])
  assert.equal(unsafe('1 write(3</d/a>, "x", 1) = 1'), ['/d/a'])
  assert.equal(unsafe('1 write(3</elsewhere>, "x", 1) = 1'), [])
})

test('a sync that began before the write had ended does not count', () => {
  assert.equal(
    unsafe(
      '1 write(3</d/a>, "x", 1 <unfinished ...>',
      '2 fdatasync(3</d/a> <unfinished ...>',
      '1 <... write resumed>) = 1',
      '2 <... fdatasync resumed>) = 0',
    ),
    ['/d/a'],
  )
})

test('a sync that had not ended when the answer went out does not count', () => {
  const lines = ['1 write(3</d/a>, "x", 1) = 1', '2 fdatasync(3</d/a> <unfinished ...>', ANSWER]
  const [answer] = examine(parseTrace([...lines, '2 <... fdatasync resumed>) = 0'].join('\n')), (path) =>
    path.startsWith('/d/'),
  )
  assert.equal(answer?.unsafe, ['/d/a'])
})

test('an answer counts from the moment it began to go out', () => {
  const [answer] = examine(
    parseTrace(
      [
        '1 write(3</d/a>, "x", 1) = 1',
        '1 writev(9<socket:[1]>, [{iov_base="HTTP/1.1 204 No Content\\r\\n", iov_len=20}], 1 <unfinished ...>',
        '2 fdatasync(3</d/a>) = 0',
        '1 <... writev resumed>) = 20',
      ].join('\n'),
    ),
    (path) => path.startsWith('/d/'),
  )
  assert.equal(answer, {
    statusLine: 'HTTP/1.1 204 No Content',
    unsafe: ['/d/a'],
    syncs: [],
    written: ['/d/a'],
  })
})

test('a new entry needs a sync of its directory', () => {
  const created = '1 openat(AT_FDCWD</x>, "/d/s/a", O_RDWR|O_CREAT|O_EXCL, 0600) = 5</d/s/a>'
  assert.equal(unsafe(created), ['/d/s'])
  assert.equal(unsafe(created, '1 fsync(6</d/s>) = 0'), [])
  assert.equal(unsafe('1 mkdir("/d/s/b", 0700) = 0'), ['/d/s'])
  assert.equal(unsafe('1 mkdir("/d/s/b", 0700) = -1 EEXIST (File exists)'), [])
  assert.equal(unsafe('1 rename("/d/s/b", "/d/t/c") = 0'), ['/d/t'])
})

test('a failed sync has synced nothing', () => {
  assert.equal(unsafe('1 write(3</d/a>, "x", 1) = 1', '1 fdatasync(3</d/a>) = -1 EIO (Input/output error)'), [
    '/d/a',
  ])
})

test('leaving out any one sync is seen', () => {
  const calls = parseTrace(
    ['1 write(3</d/a>, "x", 1) = 1', '1 fdatasync(3</d/a>) = 0', '1 write(3</d/b>, "x", 1) = 1'].join('\n') +
      `\n1 fdatasync(4</d/b>) = 0\n${ANSWER}`,
  )
  const isRelevant = (): boolean => true
  const [answer] = examine(calls, isRelevant)
  assert.is(answer?.syncs.length, 2)
  for (const { begin, path } of answer?.syncs ?? []) {
    assert.equal(examine(calls, isRelevant, begin)[0]?.unsafe, [path])
  }
})

test.run()
