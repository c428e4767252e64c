import { killUnderLoad } from '../support/thread-kills.ts'
import { deadline, suite } from '../support/uvu.ts'

const test = suite('threads, killed')

test(
  'each of two threads killed 50 times under load: every ask settles, every slab returns, others go on',
  deadline(400_000, () => killUnderLoad(100)),
)

test.run()
