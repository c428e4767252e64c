import { coalesce } from '../../src/storage/coalesce.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('coalesce')

test(
  'calls during a run share one more run, which begins after it; failures reach only their own callers',
  deadline(1_000, async () => {
    const runs: { end(): void; fail(): void }[] = []
    const call = coalesce(
      () =>
        new Promise((resolve, reject) => runs.push({ end: resolve, fail: () => reject(new Error('no')) })),
    )
    const first = call('a')
    const [second, third] = [call('a'), call('a')]
    const other = call('b')
    assert.is(runs.length, 2)
    runs[0]!.fail()
    await first.then(
      () => assert.unreachable('the first run failed'),
      () => undefined,
    )
    await Promise.resolve()
    assert.is(runs.length, 3)
    const fourth = call('a')
    runs[2]!.end()
    await Promise.all([second, third])
    await Promise.resolve()
    assert.is(runs.length, 4)
    runs[1]!.end()
    runs[3]!.end()
    await Promise.all([other, fourth])
    const fifth = call('a')
    runs[4]!.end()
    await fifth
  }),
)

test.run()
