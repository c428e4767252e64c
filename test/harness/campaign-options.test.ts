// The flags of campaigns: what cannot be is refused in one sentence, for a campaign that ran with it would prove nothing.
import { readCampaignFlags } from '../support/campaign-options.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('campaign options')
const USAGE = {
  name: 'sim',
  counted: 'seeds',
  countByDefault: 10,
  isOneSeed: true,
  switches: { verbose: '' },
}
const read = (...args: string[]) => readCampaignFlags(USAGE, args)

test('a seed alone is one, a time has no other end, and flags are what they were given as', () => {
  const shown = (...args: string[]) => {
    const { seed, count, forMs } = read(...args)!
    return [seed, count, forMs]
  }
  const never = Number.POSITIVE_INFINITY
  assert.equal(shown(), [undefined, 10, never])
  assert.equal(shown('--seed', '7'), [7, 1, never])
  assert.equal(shown('--seed', '7', '--seeds=3'), [7, 3, never])
  assert.equal(shown('--for', '2m'), [undefined, never, 120_000])
  assert.equal(shown('--for', '90', '--seeds', '3'), [undefined, 3, 90_000])
  assert.ok(read('--verbose')?.has('verbose'))
  assert.not(read()?.has('verbose'))
  assert.is(read('--seeds', '3', '--help'), undefined)
})

test('what cannot be is refused', () => {
  const wrong: [string[], RegExp][] = [
    [['--seed', 'x'], /--seed is "x" but must be a whole number/],
    [['--seed'], /--seed needs a value/],
    [['--seeds', '0'], /--seeds is "0"/],
    [['--seeds', '1.5'], /--seeds is "1.5"/],
    [['--for', '0s'], /--for is "0s"/],
    [['--for', '1d'], /--for is "1d"/],
    [['--verbose=3'], /--verbose takes no value/],
    [['--cycles', '3'], /there is no flag "--cycles"/],
    [['7'], /nobody knows what "7" is for/],
  ]
  for (const [args, message] of wrong) assert.throws(() => read(...args), message)
})

test.run()
