// The checker of histories is checked: what is right passes, what is not does not.
import type { Test } from 'uvu'
import { assert } from '../../support/uvu.ts'
import { type Event, isLinearizable } from './linear.ts'

const write = (calledAt: number, answeredAt: number, value: string): Event<string> => ({
  ...{ calledAt, answeredAt, told: `write ${value}` },
  apply: () => value,
})
const read = (calledAt: number, answeredAt: number, value: string): Event<string> => ({
  ...{ calledAt, answeredAt, told: `read ${value}` },
  apply: (state) => (state === value ? state : undefined),
})
const NEVER = Number.POSITIVE_INFINITY

export const linearTests = (test: Test): void => {
  const check = (name: string, expected: boolean, events: readonly Event<string>[]): void =>
    void test(`histories: ${name}`, () => assert.is(isLinearizable('0', events), expected))

  check('what was acknowledged is read', true, [write(1, 2, 'a'), read(3, 4, 'a')])
  check('what was acknowledged is not read', false, [write(1, 2, 'a'), read(3, 4, '0')])
  check('a read beside a write sees either', true, [write(1, 6, 'a'), read(2, 3, '0'), read(4, 5, 'a')])
  check('a read does not go back', false, [write(1, 6, 'a'), read(2, 3, 'a'), read(4, 5, '0')])
  check('what nobody knows may have happened', true, [write(1, NEVER, 'a'), read(3, 4, 'a')])
  check('what nobody knows may not have happened', true, [write(1, NEVER, 'a'), read(3, 4, '0')])
  check('what nobody knows happens once', false, [
    ...[write(1, NEVER, 'a'), read(3, 4, 'a'), write(5, 6, 'b'), read(7, 8, 'b'), read(9, 10, 'a')],
  ])
  check('what was never written is not read', false, [write(1, 2, 'a'), read(3, 4, 'b')])
}
