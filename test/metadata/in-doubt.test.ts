// A commit that failed and of whose frame a copy lies on a disk: a start may show it, so whoever asked for it must not take its
// shards away. One of which nothing was written is refused for good.
import { isUndecided } from '../../src/actors/gateway-engine.ts'
import type { MoraineError } from '../../src/base/errors.ts'
import { createIndexStore, factsOf, kill, openPartition, shardsData } from '../support/partitions.ts'
import { createSegmentDisks } from '../support/segment-disks.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('commits in doubt')
const LIMIT_MS = 30_000
const DISKS = [1, 2, 3]

test(
  'a frame that reached one disk of three is in doubt, and a start shows it',
  deadline(LIMIT_MS, async () => {
    const disks = createSegmentDisks(3)
    const indexes = [createIndexStore(), createIndexStore()]
    const first = await openPartition({ disks, indexes })
    await first.createBucket('b', { owner: 'me', region: 'r' })
    const put = (write: string) =>
      first.putVersion({
        bucket: 'b',
        key: 'k',
        facts: factsOf(40_000),
        data: shardsData(write, 40_000, DISKS, 1),
      })
    await put('1')
    for (const disk of disks.slice(1)) disk.failure = 'EIO'
    const failed: MoraineError = await put('2').then(
      () => assert.unreachable() as never,
      (error: MoraineError) => error,
    )
    assert.is(failed.code, 'TOO_FEW_DISKS')
    assert.ok(isUndecided(failed), JSON.stringify(failed.detail))
    // Nothing of the next one is written anywhere: no segment can be begun.
    const refused: MoraineError = await put('3').then(
      () => assert.unreachable() as never,
      (error: MoraineError) => error,
    )
    assert.is(refused.code, 'TOO_FEW_DISKS')
    assert.not(isUndecided(refused))
    kill(first)
    for (const disk of disks) disk.failure = undefined
    const second = await openPartition({ disks, indexes })
    const { data } = second.lookUp({ bucket: 'b', key: 'k' })
    assert.is(data.kind === 'shards' && Number(data.write), 2)
    await second.close()
  }),
)

test.run()
