// One sequence: the reference store and the real one, asked for the same. Each answer is compared as it comes; of what got no
// answer it is looked up whether it happened, and then it has to have happened wholly.
import { inspect, isDeepStrictEqual } from 'node:util'
import type { UploadId } from '../../../src/base/ids.ts'
import { createPrng, type Random } from '../../../src/base/prng.ts'
import { KiB, SECOND } from '../../../src/base/units.ts'
import { rebuildMetadata } from '../../../src/offline/rebuild.ts'
import { noLock } from '../../../src/storage/lock.ts'
import { CUT_STYLES, Faults } from '../../sim/campaign/faults.ts'
import { Violation } from '../../sim/campaign/history.ts'
import { becomeWhole, checkArena, tour } from '../../sim/campaign/quiet.ts'
import { parityOf } from '../../sim/campaign/story.ts'
import type { Tally } from '../../sim/campaign/tally.ts'
import { World } from '../../sim/campaign/world.ts'
import { pick } from '../../support/drawing.ts'
import { assert } from '../../support/uvu.ts'
import { type Outcome, outcomeOf } from '../histories.ts'
import {
  BUCKETS,
  type OperationKind,
  Operations,
  OWNER,
  type Side,
  type Step,
  type Store,
} from '../operations.ts'
import { createReferenceStore } from '../reference-store.ts'
import { bodiesOf, pagesOf, partOfView, type StoreView, viewOf } from '../views.ts'
import { MemoryPlaces } from './memory-places.ts'
import { Subject, type Unknown } from './subject.ts'

/** Longer than any deadline of a commit or a write. */
const SETTLE_MS = 70 * SECOND
/** While disks come and go a write may have to be asked for again, but not for ever: enough of them are always there. */
const TRIES = 12
const SEGMENT_BYTES = 96 * KiB

export type Restart = 'clean' | 'kill' | 'power cut' | 'index lost' | 'index stale'
/** Of the process, while it does something. */
export interface SuddenEnd {
  readonly how: 'kill' | 'power cut'
  /** A message or a file operation each. */
  readonly steps: number
}
export type Loss = 'gone' | 'not mounted' | 'old content' | 'emptied' | 'bit flip'

/** Throws when two views differ, and says only where. */
const checkSame = (actual: unknown, expected: unknown, what: string): void => {
  if (isDeepStrictEqual(actual, expected)) return
  const lines = (value: unknown): string[] => inspect(value, { depth: 12, breakLength: 160 }).split('\n')
  const [has, wants] = [lines(actual), lines(expected)]
  const more = has.filter((line) => !wants.includes(line)).map((line) => `  store: ${line}`)
  const less = wants.filter((line) => !has.includes(line)).map((line) => `  model: ${line}`)
  const told = [...more, ...less].slice(0, 60)
  throw new Violation(`${what}: the store and the model differ\n${told.join('\n')}`)
}

const isUnknown = (outcome: Outcome | Unknown): outcome is Unknown => 'unknown' in outcome

export class Sequence {
  readonly tally: Tally
  readonly #subject: Subject
  readonly #world: World
  readonly #faults: Faults
  readonly #operations = new Operations()
  readonly #reference = createReferenceStore()
  readonly #model: Store
  readonly #random: Random
  #victims: number[] = []
  /** What was done last. */
  readonly told: string[] = []

  constructor(seed: number, tally: Tally, plant?: (store: Store) => Store) {
    this.tally = tally
    this.#random = createPrng(seed)
    // Of such numbers of disks that writes are served with m of them out.
    const disks = pick(this.#random, [3, 3, 5, 6])
    const partitions = 1 + this.#random.below(2)
    this.#world = new World({ seed, disks, partitions, segmentBytes: SEGMENT_BYTES, items: [] }, tally)
    this.#subject = new Subject(this.#world, plant)
    this.#faults = new Faults(this.#world)
    const configs = new Map<string, unknown>()
    this.#model = {
      ...this.#reference,
      configs: {
        put: async (name, value) => void configs.set(name, value),
        get: async (name) => configs.get(name),
      },
    }
    this.#drawVictims()
  }

  get disks(): number {
    return this.#world.story.disks
  }

  get said(): readonly string[] {
    return this.#world.said
  }

  /** Tells the sequence that something outside failed. */
  fail(error: unknown): void {
    this.#world.fail(error)
  }

  async begin(): Promise<void> {
    await this.#subject.run(this.#world.start())
    for (const bucket of BUCKETS) {
      const step: Step = {
        ...{ name: 'create bucket', bucket },
        run: async (store) => (await store.buckets.create(bucket, { owner: OWNER, region: 'r' })).name,
      }
      await this.#act([step])
    }
  }

  /** The process goes, without a word. */
  abandon(): void {
    this.#world.life?.end()
  }

  #drawVictims(): void {
    const slots = Array.from({ length: this.disks }, (_, slot) => slot)
    this.#victims = Array.from(
      { length: parityOf(this.disks) },
      () => slots.splice(this.#random.below(slots.length), 1)[0]!,
    )
  }

  #tell(what: string): void {
    this.told.push(what)
    this.#world.said.push(`${Math.round(this.#world.clock.monotonicMs())} ms [${this.told.length}] ${what}`)
  }

  // What clients ask for

  async operate(kind: OperationKind, random: Random, end?: SuddenEnd): Promise<void> {
    const steps = this.#operations.draw(kind, random)
    const names = steps.map(({ name, bucket, key }) => `${name} ${bucket}/${key ?? ''}`)
    this.#tell(`${names.join(', ')}${end ? `, ${end.how} after ${end.steps} steps` : ''}`)
    for (const { name } of steps) this.tally.count('operations', name.replace(/ (\d.*)?$/, ''))
    await this.#act(steps, end)
  }

  async #act(all: readonly Step[], end?: SuddenEnd): Promise<void> {
    let steps = all
    for (let tries = 1; ; tries++) {
      steps = await this.#once(steps, tries === 1 ? end : undefined)
      if (steps.length === 0) return
      if (tries === TRIES) throw new Violation(`it is not served: ${steps.map(({ name }) => name)}`)
      await this.#subject.run(this.#world.pass(5 * SECOND))
    }
  }

  /** Resolves to those that are to be asked for again. */
  async #once(steps: readonly Step[], end: SuddenEnd | undefined): Promise<Step[]> {
    const { scheduler, life } = this.#world
    let isSettled = false
    const all = Promise.all(steps.map((step) => this.#subject.attempt(step)))
    all.then(
      () => {
        isSettled = true
      },
      () => undefined,
    )
    if (end) {
      let taken = 0
      await scheduler.runWhile(() => !isSettled && taken++ < end.steps)
      life?.end()
      this.tally.count('restarts', `${end.how} ${isSettled ? 'behind an answer' : 'in an operation'}`)
      if (end.how === 'power cut') this.#world.machine.cutPower(pick(this.#random, CUT_STYLES))
    }
    const outcomes = await this.#subject.run(all)
    if (!this.#world.life) await this.#subject.run(this.#world.start())
    for (const [i, step] of steps.entries()) {
      const outcome = outcomes[i]!
      if (isUnknown(outcome)) continue
      checkSame(outcome, await outcomeOf(step, this.#model, 0), step.name)
    }
    const open = steps.filter((_, i) => isUnknown(outcomes[i]!))
    return open.length === 0 ? [] : this.#settle(open, end !== undefined)
  }

  /** What nobody knows of: it happened where the store shows it, wholly and once. */
  async #settle(steps: readonly Step[], isKilled: boolean): Promise<Step[]> {
    if (!isKilled) await this.#subject.run(this.#world.pass(SETTLE_MS))
    this.tally.count('checks', 'not answered, looked up', steps.length)
    const seen = await this.#subject.view(this.#translate(1))
    const before = await viewOf(this.#model, { translate: this.#translate(0) })
    const open: Step[] = []
    for (const step of steps) {
      const { bucket, key } = step
      if (isDeepStrictEqual(partOfView(before, bucket, key), partOfView(seen, bucket, key))) {
        open.push(step)
        continue
      }
      const outcome = await outcomeOf(step, this.#model, 0)
      if ('code' in outcome) throw new Violation(`${step.name} is ${outcome.code}, and something was done`)
      this.tally.count('checks', 'not answered, and done')
    }
    await this.#compareViews()
    await this.#adoptUploads()
    return isKilled ? [] : open
  }

  /** Ids of uploads as the reference names them; one that only one side was told of is new. */
  #translate(side: Side): (upload: string) => string {
    const names = new Map<string, string>(this.#operations.uploads.map(({ ids }) => [ids[side], ids[0]]))
    return (upload) => names.get(upload) ?? 'new'
  }

  /** The answer that said how it is called was lost; it is the one that nobody knew of. */
  async #adoptUploads(): Promise<void> {
    const known = new Set<string>(this.#operations.uploads.flatMap(({ ids }) => ids))
    const page = { prefix: '', delimiter: '', after: { key: '', upload: '' }, limit: 1000 }
    const newIn = async (store: Store, bucket: string) =>
      (await store.uploads.list({ ...page, bucket })).uploads.filter(({ id }) => !known.has(id))
    for (const bucket of BUCKETS) {
      const mine = await newIn(this.#model, bucket).catch(() => [])
      if (mine.length === 0) continue
      const its = await this.#subject.ask((store) => newIn(store, bucket))
      for (const [i, { id, key }] of mine.entries()) {
        this.#operations.noteUpload({ bucket, key, ids: [id, its[i]!.id as UploadId] })
      }
    }
  }

  // What is compared

  async #compareViews(): Promise<StoreView> {
    const expected = await viewOf(this.#model, { translate: this.#translate(0) })
    checkSame(await this.#subject.view(this.#translate(1)), expected, 'all there is')
    return expected
  }

  /** Everything there is, with its bytes, and every page of every listing. */
  async compareAll(): Promise<void> {
    this.#tell('compare everything')
    const view = await this.#compareViews()
    const bodies = await bodiesOf(this.#model, view)
    checkSame(await this.#subject.bodies(view), bodies, 'bodies')
    this.tally.count('checks', 'object compared', bodies.size)
    for (const { name: bucket } of view.buckets) {
      const prefix = pick(this.#random, ['', '', 'a', 'b/'])
      const request = {
        bucket,
        prefix,
        delimiter: pick(this.#random, ['', '/']),
        limit: 1 + this.#random.below(4),
      }
      const pages = await pagesOf(this.#model, request, this.#translate(0))
      checkSame(await this.#subject.pages(request, this.#translate(1)), pages, 'pages')
    }
    this.tally.count('checks', 'full comparison')
  }

  /** Over a restart everything stays what it is, numbers, times and ids included. */
  async #across(restart: () => Promise<void>): Promise<void> {
    const before = await this.#subject.view(this.#translate(1), true)
    await restart()
    checkSame(await this.#subject.view(this.#translate(1), true), before, 'across a restart')
  }

  // What happens to the store

  restart(how: Restart, seed: number): Promise<void> {
    this.#tell(`restart: ${how}`)
    return this.#across(async () => {
      if (how === 'clean') {
        await this.#close()
        await this.#subject.run(this.#world.start())
      } else await this.#subject.run(this.#faults.hurtStore(how, seed))
    })
  }

  async #close(): Promise<void> {
    const life = this.#world.life!
    life.isClosing = true
    await this.#subject.run(life.store.system.close())
    life.end()
    this.tally.count('restarts', 'clean')
  }

  /** `moraine metadata rebuild` on the stopped store, with disks missing or not; the next start takes what it made. */
  rebuild(isClean: boolean, missing: number, forMs: number): Promise<void> {
    this.#tell(`rebuild after ${isClean ? 'a clean end' : 'a kill'}, ${missing} disks missing`)
    return this.#across(async () => {
      if (isClean) await this.#close()
      else this.#world.life!.end()
      for (const slot of this.#victims.slice(0, missing)) this.#lose('gone', slot, forMs, 0)
      const { files, end } = this.#world.machine.start()
      const places = new MemoryPlaces()
      const { roots } = this.#world.machine
      const rebuilt = await this.#subject.run(rebuildMetadata(roots, { files, places, takeLock: noLock }))
      end()
      this.#world.shelf = places.shelfOf(rebuilt)
      const made = this.tally.of('repairs', 'index')
      await this.#subject.run(this.#world.start())
      await this.compareAll()
      assert.is(this.tally.of('repairs', 'index'), made, 'the start takes the indexes that were rebuilt')
      this.tally.count('repairs', 'metadata rebuild')
    })
  }

  lose(what: Loss, which: number, forMs: number, seed: number): void {
    const slot = this.#victims[which % this.#victims.length]!
    this.#tell(`disk ${slot + 1}: ${what}, ${forMs} ms`)
    this.#lose(what, slot, forMs, seed)
  }

  #lose(what: Loss, slot: number, forMs: number, seed: number): void {
    this.#faults.hurtDisk({ kind: 'disk fault', what, slot, other: slot, forMs, seed })
  }

  async wait(ms: number): Promise<void> {
    this.#tell(`wait ${ms} ms`)
    await this.#subject.run(this.#world.pass(ms))
  }

  async scrub(): Promise<void> {
    this.#tell('scrub')
    await this.#subject.run(tour(this.#world, this.#world.life!))
  }

  /** All disks are back: the store becomes whole, and others may be lost from now on. */
  async heal(): Promise<void> {
    this.#tell('until all is well')
    this.#faults.calm()
    const life = await this.#subject.run(becomeWhole(this.#world))
    await this.compareAll()
    await this.#subject.run(checkArena(this.#world, life))
    this.tally.count('checks', 'quiet point')
    this.#drawVictims()
  }

  /** At the end: everything is as it should be, then everything is removed, and nothing is left of it. */
  async end(): Promise<void> {
    await this.heal()
    this.#tell('remove everything')
    const { buckets } = await viewOf(this.#model, { translate: (id) => id })
    for (const { name: bucket, versions, uploads } of buckets) {
      await this.#act(
        versions.map(({ head: { key } }) => ({
          ...{ name: 'remove', bucket, key },
          run: (store) => store.objects.delete({ bucket, key }),
        })),
      )
      const ids = new Map<string, UploadId>(
        this.#operations.uploads.map(({ ids: [mine, its] }) => [mine, its]),
      )
      await this.#act(
        uploads.map(({ id, key }) => ({
          ...{ name: 'abort', bucket, key },
          run: (store, side) => {
            const upload = (side === 0 ? id : ids.get(id)) as UploadId
            return store.uploads.abort({ bucket, key, upload })
          },
        })),
      )
      await this.#act([{ name: 'delete bucket', bucket, run: (store) => store.buckets.delete(bucket) }])
    }
    await this.heal()
    await this.#subject.checkNothingHeld()
    assert.is(this.#reference.leases(), 0, 'the sequence gives back what it takes')
    await this.#close()
  }
}
