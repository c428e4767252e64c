// The comparison itself: the reference store agrees with itself, and a planted bug is found.
import type { Engine } from '../../src/actors/engine.ts'
import { createPrng } from '../../src/base/prng.ts'
import { assert, deadline, seeded, suite } from '../support/uvu.ts'
import { compareHistory } from './histories.ts'
import { createReferenceStore } from './reference-store.ts'

const test = suite('histories')

test(
  'the reference store agrees with itself',
  seeded(20_000, async (random) => {
    await compareHistory(createReferenceStore(), { random, steps: 1_500 })
  }),
)

const canary = (name: string, plant: (engine: Engine) => Engine): void => {
  test(
    `a planted bug is found: ${name}`,
    deadline(60_000, async () => {
      for (let seed = 1; seed <= 5; seed++) {
        try {
          await compareHistory(plant(createReferenceStore()), { random: createPrng(seed), steps: 1_500 })
        } catch {
          // Found: that is what it is for.
          return
        }
      }
      assert.unreachable('five histories did not find it')
    }),
  )
}

canary('an overwrite that keeps the old version', (engine) => ({
  ...engine,
  objects: {
    ...engine.objects,
    async put(request, body) {
      const old = await engine.objects.head(request).catch(() => undefined)
      return old && old.size > 0 && request.key === 'b' && !request.conditions
        ? old
        : engine.objects.put(request, body)
    },
  },
}))
canary('a page that forgets what follows a common prefix', (engine) => ({
  ...engine,
  objects: {
    ...engine.objects,
    async list(request) {
      const page = await engine.objects.list(request)
      const { next: _, ...last } = page
      return page.next !== undefined && page.prefixes.includes(page.next) ? last : page
    },
  },
}))
canary('If-None-Match that is not looked at', (engine) => ({
  ...engine,
  objects: {
    ...engine.objects,
    put: ({ conditions: _, ...request }, body) => engine.objects.put(request, body),
  },
}))

test.run()
