// Decisions: what is queued is seen, and an answer that rests on it waits for it and fails with it.
import { createIndexStore, factsOf, openPartition, putText, readText } from '../support/partitions.ts'
import { createSegmentDisks } from '../support/segment-disks.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('deciding')

const owner = { owner: 'me', region: 'r' }
const begin = async (options = {}) => {
  const disks = createSegmentDisks(6)
  const partition = await openPartition({ disks, indexes: [createIndexStore(), createIndexStore()] }, options)
  await partition.createBucket('b', owner)
  /** Appends wait until it is called. */
  const hold = (): (() => void) => {
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    for (const disk of disks) disk.hang = held
    return () => {
      for (const disk of disks) disk.hang = undefined
      release()
    }
  }
  return { disks, partition, hold }
}
const inline = (text: string) => ({ kind: 'inline' as const, bytes: Buffer.from(text) })
const turn = () => new Promise((resolve) => setImmediate(resolve))

test(
  'history 23: of forty If-None-Match in one tick one wins, and none is answered before its frame is synced',
  deadline(5_000, async () => {
    const { partition, hold } = await begin()
    const release = hold()
    let answered = 0
    const puts = Array.from({ length: 40 }, (_, i) =>
      partition
        .putVersion({
          bucket: 'b',
          key: 'k',
          facts: factsOf(2, `${i}`),
          data: inline(`${i}`),
          conditions: { ifNoneMatch: ['*'] },
        })
        .then(
          () => 'won',
          (error: { code: string }) => error.code,
        )
        .finally(() => answered++),
    )
    await turn()
    assert.is(answered, 0)
    release()
    const codes = await Promise.all(puts)
    assert.is(codes.filter((code) => code === 'won').length, 1)
    assert.is(codes.filter((code) => code === 'PreconditionFailed').length, 39)
    assert.is(await readText(partition, 'b', 'k'), '0')
    await partition.close()
  }),
)

test(
  'history 24: a 412 that rests on a queued commit fails with it',
  deadline(5_000, async () => {
    const { partition, disks } = await begin()
    for (const disk of disks) disk.failure = 'EIO'
    const conditions = { ifNoneMatch: ['*'] }
    const outcomes = await Promise.allSettled([
      putText(partition, 'b', 'k', 'v'),
      partition.putVersion({ bucket: 'b', key: 'k', facts: factsOf(1), data: inline('w'), conditions }),
      partition.deleteVersion({ bucket: 'b', key: 'k', conditions: { ifMatch: ['other'] } }),
      partition.createBucket('b', owner),
    ])
    const codes = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'ok'))
    // The last one rests on what was synced long ago.
    assert.equal(codes, ['TOO_FEW_DISKS', 'TOO_FEW_DISKS', 'TOO_FEW_DISKS', 'BucketAlreadyOwnedByYou'])
    for (const disk of disks) {
      disk.failure = undefined
      await partition.setDisk(disk.disk, disk)
    }
    assert.is(await readText(partition, 'b', 'k'), undefined)
    await putText(partition, 'b', 'k', 'v')
    await partition.close()
  }),
)

test(
  'history 25: a decision sees what was committed while it was on its way, in queue, table and index',
  deadline(5_000, async () => {
    const { partition } = await begin()
    const first = await partition.putVersion({
      bucket: 'b',
      key: 'k',
      facts: factsOf(1, 'one'),
      data: inline('1'),
    })
    const conditions = { ifMatch: [first.etag] }
    const put = (etag: string) =>
      partition.putVersion({ bucket: 'b', key: 'k', facts: factsOf(1, etag), data: inline(etag), conditions })
    const codes = await Promise.all(
      ['two', 'three'].map((etag) =>
        put(etag).then(
          () => 'ok',
          (error: { code: string }) => error.code,
        ),
      ),
    )
    assert.equal(codes, ['ok', 'PreconditionFailed'])
    await rejectsWith('PreconditionFailed', () => put('four'))
    while (partition.isIndexing) await new Promise((resolve) => setTimeout(resolve, 10))
    await rejectsWith('PreconditionFailed', () => put('five'))
    await rejectsWith('NoSuchKey', () =>
      partition.putVersion({ bucket: 'b', key: 'none', facts: factsOf(0), data: inline(''), conditions }),
    )
    await partition.close()
  }),
)

test(
  'history 26: an object of a bucket that was deleted and made again does not appear in the new one',
  deadline(5_000, async () => {
    const { partition } = await begin()
    const incarnation = partition.getBucket('b').id
    await partition.deleteBucket({ bucket: 'b', incarnation })
    await partition.createBucket('b', owner)
    await rejectsWith('NoSuchBucket', () =>
      partition.putVersion({ bucket: 'b', incarnation, key: 'k', facts: factsOf(1), data: inline('x') }),
    )
    assert.is(await readText(partition, 'b', 'k'), undefined)
    // Also when all of it happens in one tick.
    const now = partition.getBucket('b').id
    const outcomes = await Promise.allSettled([
      partition.deleteBucket({ bucket: 'b', incarnation: now }),
      partition.createBucket('b', owner),
      partition.putVersion({ bucket: 'b', incarnation: now, key: 'k', facts: factsOf(1), data: inline('x') }),
    ])
    assert.equal(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected'],
    )
    await partition.close()
  }),
)

test(
  'history 27: a commit that comes after its deadline is refused, so it cannot undo a DELETE',
  deadline(5_000, async () => {
    const clock = new SimulatedClock()
    const { partition } = await begin({ clock })
    const deadlineMs = clock.monotonicMs() + 500
    await clock.advance(1_000)
    await partition.deleteVersion({ bucket: 'b', key: 'k' })
    await rejectsWith('COMMIT_EXPIRED', () =>
      partition.putVersion({ bucket: 'b', key: 'k', facts: factsOf(1), data: inline('x'), deadlineMs }),
    )
    await rejectsWith('COMMIT_EXPIRED', () =>
      partition.putVersion({
        bucket: 'b',
        key: 'k',
        facts: factsOf(1),
        data: inline('x'),
        isValid: () => false,
      }),
    )
    assert.is(await readText(partition, 'b', 'k'), undefined)
    await partition.close()
  }),
)

test(
  'a full queue refuses, and loses nothing of what it took',
  deadline(5_000, async () => {
    const { partition, hold } = await begin({ queueCommitsMax: 5 })
    const release = hold()
    const puts = [putText(partition, 'b', 'first', 'x')]
    await turn()
    for (let i = 0; i < 5; i++) puts.push(putText(partition, 'b', `k${i}`, 'x'))
    await rejectsWith('MAILBOX_FULL', () => putText(partition, 'b', 'k9', 'x'))
    release()
    await Promise.all(puts)
    assert.is(partition.bucketCounters({ bucket: 'b' }).objects, 6)
    await partition.close()
    await rejectsWith('ACTOR_STOPPED', () => putText(partition, 'b', 'late', 'x'))
  }),
)

test(
  'all that waits together is one frame on m + 1 disks',
  deadline(5_000, async () => {
    const { partition, disks } = await begin()
    let appends = 0
    for (const disk of disks) {
      disk.recorder = {
        begin: (_, { kind }) => {
          if (kind === 'append') appends++
          return () => undefined
        },
      }
    }
    await Promise.all(Array.from({ length: 200 }, (_, i) => putText(partition, 'b', `k${i}`, 'x')))
    assert.is(appends, 3)
    await partition.close()
  }),
)

test.run()
