// The whole store and its specification, asked for the same by sequences of operations, with restarts, losses of disks, scrubs,
// compactions and rebuilds in between: see campaign/. SEED says where they begin, and `npm run model -- --seed N` runs one again. A run
// in full has the same sequences each time, as the simulation has the same stories: what is new is `npm run model`'s to find.
import { roundsOf } from '../support/rounds.ts'
import { assert, deadline, suite } from '../support/uvu.ts'
import { type FailedSequence, runModelCampaign } from './campaign/campaign.ts'
import { tellFailure } from './campaign/telling.ts'

const test = suite('model')
const OPERATIONS = roundsOf(20_000, 60_000)
const LIMIT_MS = 40 * 60_000
const SHRINK_MS = 90_000
const FIRST = Number(process.env['SEED'] ?? roundsOf(Math.floor(Math.random() * 2 ** 30), 1))

test(
  'the same seed gives the same run',
  deadline(LIMIT_MS, async () => {
    const runs: unknown[] = []
    for (let i = 0; i < 2; i++) {
      const onSequence = (...all: unknown[]): void => void runs.push(all)
      const isMore = (done: number): boolean => done < 1
      const { tally } = await runModelCampaign({ first: FIRST, isMore, commandsMax: 300, onSequence })
      runs.push(tally.lines())
    }
    assert.equal(runs.slice(2), runs.slice(0, 2), `seed=${FIRST}`)
  }),
)

test(
  'what differs is found, and the sequence that shows it is made short',
  deadline(LIMIT_MS, async () => {
    const failures: FailedSequence[] = []
    await runModelCampaign({
      first: FIRST,
      isMore: (done) => done < 20 && failures.length === 0,
      commandsMax: 150,
      // It ends by itself long before.
      shrinkMs: LIMIT_MS,
      onFailure: (failure) => failures.push(failure),
      plant: (store) => ({
        ...store,
        objects: {
          ...store.objects,
          // One key stays as it is.
          delete: async (address, conditions) => {
            if (address.key !== 'b' || conditions) await store.objects.delete(address, conditions)
          },
        },
      }),
    })
    assert.is(failures.length, 1, `seed=${FIRST}`)
    assert.match(String(failures[0]!.error), /differ/)
    assert.ok(failures[0]!.told.length < 15, failures[0]!.told.join('\n'))
  }),
)

test(
  `the store and the model give the same answers to ${OPERATIONS} operations`,
  deadline(LIMIT_MS, async () => {
    let hasFailed = false
    const { sequences, failed, operations, tally, never } = await runModelCampaign({
      first: FIRST,
      isMore: (_, done) => done < OPERATIONS && !hasFailed,
      shrinkMs: SHRINK_MS,
      onFailure(failure) {
        hasFailed = true
        console.log(tellFailure(failure))
      },
    })
    console.log(tally.lines().join('\n'))
    console.log(`${operations} operations, ${sequences} sequences, ${failed.length} failed`)
    assert.equal(failed, [], `seed=${failed[0]}`)
    assert.equal(never, [], `seed=${FIRST}`)
  }),
)

test.run()
