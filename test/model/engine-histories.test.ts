// The real engine against the specification: random histories, restarts included.

import { openProbedStore } from '../support/engine-probe.ts'
import { seeded, suite } from '../support/uvu.ts'
import { compareHistory } from './histories.ts'

const test = suite('engine histories')

test(
  'the actors over disks in memory answer as the reference store does, across restarts',
  seeded(60_000, async (random) => {
    let store = await openProbedStore()
    try {
      await compareHistory(store.engine, {
        random,
        steps: 600,
        async restart() {
          const { files } = store
          await store.close()
          store = await openProbedStore(files)
          return store.engine
        },
      })
    } finally {
      await store.close()
    }
  }),
)

test.run()
