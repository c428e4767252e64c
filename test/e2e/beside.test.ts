// The commands beside a store, as the built program has them: what they print, and their exit codes.
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { InspectedObject } from '../../src/offline/inspect.ts'
import { flipByte } from '../support/disk-damage.ts'
import { copyStoppedStore, type StoppedStore } from '../support/offline-stores.ts'
import { runProgram, startsOf } from '../support/server-process.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('beside')
const LIMIT_MS = 60_000
const start = startsOf(test)
let store: StoppedStore

test.before.each(async () => {
  store = await copyStoppedStore()
})
test.after.each(() => rmSync(store.parent, { recursive: true, force: true }))

const run = (...args: string[]) => runProgram([...args, '--data', store.parent])

const shardPathOf = async (key: string): Promise<string> => {
  const { versions } = JSON.parse((await run('inspect', `bucket/${key}`, '--json')).stdout) as InspectedObject
  const { data } = versions[0]!
  if (data.kind !== 'shards') throw new Error('no shards')
  return join(data.shards[0]!.directory!, data.shards[0]!.file)
}

test(
  'inspect prints for people and for scripts, and says what is not there',
  deadline(LIMIT_MS, async () => {
    const { code, stdout, stderr } = await run('inspect', 'bucket/a/large')
    assert.equal([code, stderr], [0, ''])
    assert.match(
      stdout,
      /^bucket\/a\/large {2}partition 0\nthe store is stopped\nversion null \(current\): whole\n/,
    )
    assert.is([...stdout.matchAll(/^ {4}shard \d {2}disk \d at position \d .* ok$/gm)].length, 6)
    assert.match(await shardPathOf('packed'), /volumes\/\d+\.vol$/)
    const noKey = await run('inspect', 'bucket/gone')
    assert.equal([noKey.code, noKey.stdout], [1, ''])
    assert.is(noKey.stderr, 'moraine: there is no object gone in the bucket bucket\n')
    assert.is((await run('inspect', 'other/gone')).stderr, 'moraine: there is no bucket other\n')
    const noName = await run('inspect', 'bucket')
    assert.equal(
      [noName.code, noName.stderr],
      [2, 'moraine: "bucket" names no object: it must be BUCKET/KEY\n'],
    )
    assert.is((await run('inspect')).code, 2)
  }),
)

test(
  'verify ends with 0 when all is whole, with 1 and a list when it is not',
  deadline(LIMIT_MS, async () => {
    const whole = await run('verify')
    assert.equal([whole.code, whole.stderr], [0, ''])
    assert.match(
      whole.stdout,
      /^everything is whole: 5 objects, \d+ bytes of shards verified; 0 lost, 0 damaged, 0 notes\n$/,
    )
    flipByte(await shardPathOf('a/large'), 5000)
    const damaged = await run('verify')
    assert.is(damaged.code, 1)
    assert.match(
      damaged.stdout,
      /^damaged shard .* shard 0 of bucket\/a\/large: .*\nnothing is lost, but redundancy is reduced: .*\n$/,
    )
    const { code, stdout } = await run('verify', '--json')
    assert.is(code, 1)
    const [finding, summary] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.equal([finding.finding.severity, finding.finding.offset], ['damaged', 0])
    assert.equal([summary.summary.result, summary.summary.damaged], ['reduced', 1])
  }),
)

test(
  'beside a running store inspect answers, and what needs a stopped one is refused',
  deadline(LIMIT_MS, async () => {
    const server = await start({ data: store.parent, credentials: 'stored' })
    assert.match(
      (await run('inspect', 'bucket/inline')).stdout,
      /the store is running: this is a snapshot of its journal/,
    )
    for (const command of [['verify'], ['metadata', 'rebuild']]) {
      const { code, stderr } = await run(...command)
      assert.is(code, 1)
      assert.match(stderr, /^moraine: .* is in use by another Moraine\n$/)
    }
    await server.stop()
    assert.is((await run('verify')).code, 0)
  }),
)

test(
  'the key goes out and comes back, and the indexes are made anew',
  deadline(LIMIT_MS, async () => {
    const path = join(store.parent, 'saved')
    const exported = await run('key', 'export', path)
    assert.equal([exported.code, exported.stderr], [0, ''])
    assert.match(readFileSync(path, 'utf8'), /^moraine key 1\n/)
    assert.is((await run('key', 'export', path)).code, 2)
    assert.match((await run('key', 'import', path)).stdout, /nothing was written/)
    const key = join(store.disks[3]!, 'store.key')
    rmSync(key)
    assert.is((await run('key', 'import', path)).stdout, `${key} was written\n`)
    const rebuilt = await run('metadata', 'rebuild')
    assert.equal([rebuilt.code, rebuilt.stderr], [0, ''])
    assert.is([...rebuilt.stdout.matchAll(/^partition 0 {2}disk [12] .* made anew$/gm)].length, 2)
    const { indexes } = JSON.parse((await run('metadata', 'rebuild', '--json')).stdout)
    assert.is(indexes.length, 2)
    assert.is((await run('verify')).code, 0)
  }),
)

test.run()
