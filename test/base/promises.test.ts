import { createLimiter } from '../../src/base/promises.ts'
import { settle } from '../support/simulated-clock.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('promises')

test(
  'a limiter runs so many at a time, in their order, and goes on after one that fails',
  deadline(1_000, async () => {
    const limited = createLimiter(2)
    const begun: number[] = []
    const ends: ((error?: Error) => void)[] = []
    const works = Array.from({ length: 5 }, (_, i) =>
      limited(() => {
        begun.push(i)
        return new Promise<number>((resolve, reject) => {
          ends[i] = (error) => (error ? reject(error) : resolve(i))
        })
      }).catch(() => 'failed'),
    )
    await settle()
    assert.equal(begun, [0, 1])
    ends[1]!(new Error('asked to'))
    await settle()
    assert.equal(begun, [0, 1, 2])
    ends[0]!()
    ends[2]!()
    await settle()
    assert.equal(begun, [0, 1, 2, 3, 4])
    ends[3]!()
    ends[4]!()
    assert.equal(await Promise.all(works), [0, 'failed', 2, 3, 4])
    const late = limited(() => Promise.resolve(5))
    assert.is(await late, 5)
  }),
)

test.run()
