import { roundsOf } from '../support/rounds.ts'
import { killUnderLoad } from '../support/thread-kills.ts'
import { deadline, suite } from '../support/uvu.ts'

const test = suite('threads, killed')

/** Of each of two threads. */
const KILLS = roundsOf(8, 50)

test(
  `each of two threads killed ${KILLS} times under load: every ask settles, every slab returns, others go on`,
  deadline(400_000, () => killUnderLoad(2 * KILLS)),
)

test.run()
