// The built server under strace: before each answer, every file that was written for it was fdatasync'ed and every new
// directory entry fsync'ed; and leaving out any one of these syncs would have been seen.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSigner } from '../../bench/load/presign.ts'
import { createStoreClient } from '../../bench/load/store-client.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { bodyOf } from '../support/s3-client.ts'
import { createTemporaryDirectory, startProcess } from '../support/server-process.ts'
import { type Answered, examine, parseTrace, stracePrefix } from '../support/sync-trace.ts'
import { assert, deadline, hasCommand, needing, suite } from '../support/uvu.ts'

const test = suite('syncs')
const needsStrace = needing(test, 'strace', hasCommand('strace', '-f', '-o', '/dev/null', 'true'))

/** The journal, shards and identities are what an answer rests on; indexes follow, locks are empty. */
const isRelevantIn =
  (data: string) =>
  (path: string): boolean =>
    path.startsWith(`${data}/`) && !/\/d\d\/(index|lock)(\/|$)/.test(path)

interface Step {
  readonly name: string
  readonly answered: Answered
}

const trace = async (): Promise<{
  steps: readonly Step[]
  data: string
  calls: ReturnType<typeof parseTrace>
}> => {
  const output = join(createTemporaryDirectory('strace'), 'trace')
  const server = await startProcess({ prefix: stracePrefix(output) })
  const signer = createSigner({ ...server, nowMs: Date.now() })
  const client = createStoreClient(server.endpoint, signer)
  const names: string[] = []
  const ask = async (
    name: string,
    method: string,
    path: string,
    body?: Uint8Array,
    query: readonly (readonly [string, string])[] = [],
  ): Promise<string> => {
    // What follows an answer at leisure, such as the removal of old shards, must not be in the way of the next.
    await new Promise((resolve) => setTimeout(resolve, 400))
    const answer = await client.send(method, signer.presign(method, path, query), body)
    assert.ok(answer.status < 300, `${name}: ${answer.status} ${answer.body}`)
    names.push(name)
    return String(answer.body)
  }
  await ask('make a bucket', 'PUT', '/syncs')
  const sizes = { inline: 100, packed: 200 * KiB, large: 9 * MiB }
  for (const [kind, size] of Object.entries(sizes)) {
    await ask(`put, ${kind}`, 'PUT', `/syncs/${kind}`, bodyOf(1, size))
    await ask(`overwrite, ${kind}`, 'PUT', `/syncs/${kind}`, bodyOf(2, size))
    await ask(`delete, ${kind}`, 'DELETE', `/syncs/${kind}`)
  }
  const created = await ask('create an upload', 'POST', '/syncs/parts', undefined, [['uploads', '']])
  const upload = /<UploadId>([^<]+)</.exec(created)?.[1] ?? ''
  const parts: string[] = []
  for (const [number, size] of [
    [1, 9 * MiB],
    [2, 100 * KiB],
  ] as const) {
    const body = bodyOf(number, size)
    const query = [
      ['partNumber', String(number)],
      ['uploadId', upload],
    ] as const
    await ask(`put part ${number}`, 'PUT', '/syncs/parts', body, query)
    const etag = createHash('md5').update(body).digest('hex')
    parts.push(`<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`)
  }
  const document = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
  await ask('complete an upload', 'POST', '/syncs/parts', document, [['uploadId', upload]])
  await ask('delete what was uploaded', 'DELETE', '/syncs/parts')
  await ask('delete the bucket', 'DELETE', '/syncs')
  client.close()
  assert.is((await server.stop()).code, 0)
  const calls = parseTrace(readFileSync(output, 'utf8'))
  const answers = examine(calls, isRelevantIn(server.data))
  assert.is(answers.length, names.length, 'every answer is in the trace')
  return {
    steps: answers.map((answered, index) => ({ name: names[index] ?? '', answered })),
    data: server.data,
    calls,
  }
}

needsStrace(
  'before each answer what it claims is on the disks, and no sync is one too many to miss',
  deadline(180_000, async () => {
    const { steps, data, calls } = await trace()
    for (const { name, answered } of steps) assert.equal(answered.unsafe, [], name)

    const countOf = (name: string, kind: RegExp): number =>
      steps.find((step) => step.name === name)?.answered.written.filter((path) => kind.test(path)).length ?? 0
    for (const { name } of steps)
      assert.ok(countOf(name, /\/journal\//) >= 3, `${name}: journal on m + 1 disks`)
    assert.ok(countOf('put, packed', /\/volumes\//) >= 6, 'a packed shard on every disk')
    assert.ok(countOf('put, large', /\/shards\/.*\/./) >= 6, 'a large shard on every disk')
    assert.ok(countOf('put part 1', /\/shards\/.*\/./) >= 6, 'a part is an object of its own')

    for (const [index, { name, answered }] of steps.entries()) {
      assert.ok(answered.syncs.length >= 3, `${name}: synced on m + 1 disks`)
      // Of several syncs of one path the last one covers those before it.
      const last = new Map(answered.syncs.map(({ path, begin }) => [path, begin]))
      for (const [path, begin] of last) {
        const left = examine(calls, isRelevantIn(data), begin)
        assert.ok(left[index]?.unsafe.includes(path), `${name}: a missing sync of ${path} would be seen`)
      }
    }
  }),
)

test.run()
