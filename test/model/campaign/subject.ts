// The store that is compared with the reference: the whole tree in simulation on a machine of test/sim/campaign, with what it takes
// to ask it something and to know what became of it.
import type { BucketProtocol } from '../../../src/actors/bucket-protocol.ts'
import { PATHS } from '../../../src/actors/store-facts.ts'
import { asMoraineError } from '../../../src/base/errors.ts'
import { SECOND } from '../../../src/base/units.ts'
import { checkFailure } from '../../sim/campaign/clients.ts'
import { Violation } from '../../sim/campaign/history.ts'
import type { Life, World } from '../../sim/campaign/world.ts'
import type { Outcome } from '../histories.ts'
import type { Configs, Step, Store } from '../operations.ts'
import { bodiesOf, pagesOf, type StoreView, type Translate, viewOf } from '../views.ts'

/** Nobody knows whether it happened: the process ended, or the store was not able to. */
export type Unknown = { readonly unknown: string }

const LIMIT = { withinMs: 30 * SECOND }
/** As often as a client would try again while a disk comes or goes. */
const TRIES = 15

export class Subject {
  readonly world: World
  readonly #plant: (store: Store) => Store

  constructor(world: World, plant = (store: Store): Store => store) {
    this.world = world
    this.#plant = plant
  }

  /** Lets everything run until `action` settles; whatever was found to be wrong meanwhile ends the sequence. */
  async run<T>(action: Promise<T>): Promise<T> {
    const { world } = this
    const value = await world.scheduler.runUntil(action)
    if (world.failure !== undefined) throw world.failure
    return value
  }

  async #told(step: Step, life: Life): Promise<Outcome> {
    return { value: await step.run(this.#storeOf(life), 1) }
  }

  #storeOf({ engine, store }: Life): Store {
    const bucket = store.system.ref<BucketProtocol>(PATHS.bucket(0))
    const configs: Configs = {
      put: (name, value) => bucket.ask('putConfig', { name, value }, LIMIT),
      get: (name) => bucket.ask('config', { name }, LIMIT),
    }
    return this.#plant({ ...engine, configs })
  }

  /** Not run yet: see `run`. */
  async attempt(step: Step): Promise<Outcome | Unknown> {
    try {
      const life = await this.world.current()
      const answer = await Promise.race([this.#told(step, life), life.over])
      return answer === 'process ended' ? { unknown: answer } : answer
    } catch (caught) {
      const error = asMoraineError(caught)
      if (error.kind === 'refusal') return { code: error.code }
      checkFailure(error)
      return { unknown: error.code }
    }
  }

  /** Asks what changes nothing, until it is answered. */
  async ask<T>(question: (store: Store) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const life = this.world.life ?? (await this.run(this.world.start()))
      try {
        return await this.run(question(this.#storeOf(life)))
      } catch (caught) {
        if (caught instanceof Violation) throw caught
        const error = asMoraineError(caught)
        checkFailure(error)
        if (error.kind === 'refusal') throw error
        if (tries === TRIES) throw new Violation(`it is not served: ${error.stack}`)
        await this.run(this.world.pass(2 * SECOND))
      }
    }
  }

  view(translate: Translate, isExact = false): Promise<StoreView> {
    return this.ask((store) => viewOf(store, { translate, isExact }))
  }

  bodies(view: StoreView): Promise<Map<string, unknown>> {
    return this.ask((store) => bodiesOf(store, view))
  }

  pages(request: Parameters<typeof pagesOf>[1], translate: Translate): Promise<unknown[]> {
    return this.ask((store) => pagesOf(store, request, translate))
  }

  /** Nothing lies on any disk, as far as is counted. */
  async checkNothingHeld(): Promise<void> {
    const { story, life } = this.world
    for (let partition = 0; partition < story.partitions; partition++) {
      const bucket = life!.store.system.ref<BucketProtocol>(PATHS.bucket(partition))
      const { onDisks } = await this.run(bucket.ask('waiting', {}, LIMIT))
      const held = onDisks.filter(({ shards, bytes }) => shards !== 0 || bytes !== 0)
      if (held.length > 0) throw new Violation(`everything was deleted, and there is ${JSON.stringify(held)}`)
    }
  }
}
