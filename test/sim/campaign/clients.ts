// What clients do, and what of it they see. Each action ends in what is certain (an answer), or in what nobody knows: the
// process ended, or the answer was that the store is not able to.
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { Body, Engine, PutRequest, WriteConditions } from '../../../src/actors/engine.ts'
import { asMoraineError, type MoraineError } from '../../../src/base/errors.ts'
import { createPrng } from '../../../src/base/prng.ts'
import { MiB } from '../../../src/base/units.ts'
import { bodyOf } from '../../model/engine-contract.ts'
import { drawContent } from '../../support/drawing.ts'
import { contentOf, type History, NONE, stateOf, Violation } from './history.ts'
import { FLEETING, type Item, LASTING } from './story.ts'
import type { Tally } from './tally.ts'

export type Action = Extract<Item, { kind: 'client' }>

const OWNER = 'a'.repeat(64)
const PART_BYTES_MIN = 5 * MiB

const contentFrom = (seed: number, size: number): Buffer => drawContent(createPrng(seed), size)

const md5 = (bytes: Uint8Array): Buffer => createHash('md5').update(bytes).digest()

/** Within what the redundancy takes none of these is an answer. */
const NEVER_ANSWERS: ReadonlySet<string> = new Set([
  ...['OBJECT_LOST', 'METADATA_CORRUPT', 'RECORD_VERSION', 'DISK_FORMAT', 'CODEC_LOAD'],
])

export type Outcome<T> =
  | { readonly kind: 'done'; readonly value: T; readonly answeredAt: number }
  | { readonly kind: 'refused'; readonly code: string; readonly answeredAt: number }
  | { readonly kind: 'unknown'; readonly code: string }

export interface ClientWorld {
  readonly history: History
  readonly tally: Tally
  /** Every content there is, by its ETag. */
  readonly contents: Map<string, Buffer>
  /** Waits until there is an engine; the outcome is unknown when it ends first. */
  attempt<T>(action: (engine: Engine) => Promise<T>): Promise<{ readonly value: T } | 'process ended'>
}

export class Client {
  readonly #world: ClientWorld

  constructor(world: ClientWorld) {
    this.#world = world
  }

  async act(item: Action): Promise<void> {
    this.#world.tally.count('operations', item.action)
    switch (item.action) {
      case 'put':
        return this.#put(item)
      case 'put if none':
        return this.#put(item, { ifNoneMatch: ['*'] })
      case 'put if match':
        return this.#putIfMatch(item)
      case 'get':
        return void (await this.#get(item))
      case 'head':
        return void (await this.#head(item))
      case 'delete':
        return this.#delete(item)
      case 'list':
        return this.#list(item)
      case 'copy':
        return this.#copy(item)
      case 'multipart':
        return this.#multipart(item)
      case 'bucket create':
        return this.#createBucket()
      case 'bucket delete':
        return this.#deleteBucket()
      default:
        return item.action satisfies never
    }
  }

  async #try<T>(action: (engine: Engine) => Promise<T>): Promise<Outcome<T>> {
    const { history, tally } = this.#world
    try {
      const answer = await this.#world.attempt(action)
      if (answer === 'process ended') return { kind: 'unknown', code: answer }
      return { kind: 'done', value: answer.value, answeredAt: history.tick() }
    } catch (caught) {
      if (caught instanceof Violation) throw caught
      const error = asMoraineError(caught)
      if (error.kind === 'refusal') return { kind: 'refused', code: error.code, answeredAt: history.tick() }
      checkFailure(error)
      tally.count('operations', 'not answered')
      return { kind: 'unknown', code: error.code }
    }
  }

  /** Notes what happened to one key: `change` is what it does where it happens, `refusals` when a refusal is right. */
  #note(
    { bucket, key }: Pick<Action, 'bucket' | 'key'>,
    calledAt: number,
    told: string,
    outcome: Outcome<unknown>,
    change: (value: string) => string | undefined,
    refusals: (code: string, value: string) => boolean = () => false,
  ): void {
    const { history } = this.#world
    const answeredAt = outcome.kind === 'unknown' ? undefined : outcome.answeredAt
    const text = `${told}: ${outcome.kind === 'done' ? 'done' : outcome.code}`
    const { kind } = outcome
    const onKey = (value: string): string | undefined =>
      kind === 'refused' ? (refusals(outcome.code, value) ? value : undefined) : change(value)
    if (bucket === LASTING) {
      history.note(key, { calledAt, answeredAt }, text, onKey)
      return
    }
    history.note(FLEETING, { calledAt, answeredAt }, `${key}: ${text}`, (state) => {
      const content = contentOf(state)
      if (!content) return kind === 'refused' && outcome.code === 'NoSuchBucket' ? state : undefined
      const { [key]: value = NONE, ...rest } = content
      const next = onKey(value)
      if (next === undefined) return undefined
      return stateOf(next === NONE ? rest : { ...rest, [key]: next })
    })
  }

  async #put(item: Action, conditions?: WriteConditions): Promise<void> {
    const bytes = contentFrom(item.seed, item.size)
    await this.#putBody(item, bytes, bodyOf(bytes), conditions)
  }

  async #putBody(item: Action, bytes: Buffer, body: Body, conditions?: WriteConditions): Promise<void> {
    const { history, contents } = this.#world
    const etag = md5(bytes).toString('hex')
    contents.set(etag, bytes)
    const calledAt = history.tick()
    const request = { ...requestOf(item), ...(conditions && { conditions }) }
    const outcome = await this.#try((engine) => engine.objects.put(request, body))
    if (outcome.kind === 'done' && outcome.value.etag !== etag) throw new Violation(`another ETag: ${etag}`)
    const told = `put ${etag}${conditions ? ` ${JSON.stringify(conditions)}` : ''}`
    this.#note(
      ...([item, calledAt, told, outcome] as const),
      (value) => (refusalOf(conditions, value) === undefined ? etag : undefined),
      (code, value) => refusalOf(conditions, value) === code,
    )
  }

  async #putIfMatch(item: Action): Promise<void> {
    const found = await this.#head(item)
    await this.#put(item, { ifMatch: [found ?? 'f'.repeat(32)] })
  }

  async #head(item: Action): Promise<string | undefined> {
    const calledAt = this.#world.history.tick()
    const outcome = await this.#try((engine) => engine.objects.head(addressOf(item)))
    return this.#noteRead(item, calledAt, 'head', outcome)
  }

  #noteRead(
    item: Pick<Action, 'bucket' | 'key'>,
    calledAt: number,
    told: string,
    outcome: Outcome<{ readonly etag: string; readonly size: number }>,
  ): string | undefined {
    // What a reader was not told it may have seen or not.
    if (outcome.kind === 'unknown') return undefined
    const etag = outcome.kind === 'done' ? outcome.value.etag : NONE
    if (outcome.kind === 'done') this.#contentOf(item.key, outcome.value)
    this.#note(
      ...([item, calledAt, `${told} ${etag}`, outcome] as const),
      (value) => (value === etag ? value : undefined),
      (code, value) => code === 'NoSuchKey' && value === NONE,
    )
    return outcome.kind === 'done' ? etag : undefined
  }

  #contentOf(key: string, { etag, size }: { readonly etag: string; readonly size: number }): Buffer {
    const bytes = this.#world.contents.get(etag)
    if (!bytes) throw new Violation(`${key} is ${etag}, which nobody wrote`)
    if (bytes.length !== size) throw new Violation(`${key} has ${size} bytes of ${bytes.length}`)
    return bytes
  }

  async #get(item: Action): Promise<Buffer | undefined> {
    const { history } = this.#world
    const calledAt = history.tick()
    const opened = await this.#try(async (engine) => {
      const reading = await engine.objects.open(addressOf(item))
      return { etag: reading.version.etag, size: reading.version.size, reading, at: history.tick() }
    })
    this.#noteRead(item, calledAt, 'get', opened)
    if (opened.kind !== 'done') return undefined
    const { reading, size } = opened.value
    const random = createPrng(item.seed)
    const start = random.below(3) === 0 ? 0 : random.below(size + 1)
    const length = start === 0 ? size : random.below(size - start + 1)
    const wanted = this.#contentOf(item.key, opened.value)
    let at = start
    await this.#try(async () => {
      try {
        for await (const chunk of reading.read({ start, length })) {
          const isRight = wanted.subarray(at, at + chunk.bytes.length).equals(chunk.bytes)
          at += chunk.bytes.length
          chunk.release()
          if (!isRight) throw new Violation(`wrong bytes of ${item.key} before ${at}`)
        }
        if (at !== start + length) throw new Violation(`${item.key} ends at ${at} of ${start + length}`)
      } finally {
        reading.close()
      }
    })
    return at === size && start === 0 ? wanted : undefined
  }

  async #delete(item: Action): Promise<void> {
    const calledAt = this.#world.history.tick()
    const outcome = await this.#try((engine) => engine.objects.delete(addressOf(item)))
    this.#note(item, calledAt, 'delete', outcome, () => NONE)
  }

  async #list({ bucket }: Action): Promise<void> {
    const { history } = this.#world
    const calledAt = history.tick()
    const page = { bucket, prefix: '', delimiter: '', after: '', limit: 1000 }
    const outcome = await this.#try((engine) => engine.objects.list(page))
    if (outcome.kind !== 'done') return
    const { versions } = outcome.value
    const listed = new Map(versions.map((version) => [version.key, version]))
    for (const key of new Set([...listed.keys(), ...history.registers()])) {
      if (key === FLEETING) continue
      const found = listed.get(key)
      if (found) this.#contentOf(key, found)
      const etag = found?.etag ?? NONE
      const change = (value: string): string | undefined => (value === etag ? value : undefined)
      this.#note({ bucket, key }, calledAt, `list ${etag}`, outcome, change)
    }
  }

  /** As the handler of COPY does: what is read is written. */
  async #copy(item: Action): Promise<void> {
    const source = { ...item, key: item.seed % 2 === 0 ? 'a' : 'b', seed: 0 }
    const bytes = await this.#get(source)
    if (!bytes) return
    await this.#putBody(item, bytes, bodyOf(bytes))
  }

  async #multipart(item: Action): Promise<void> {
    const random = createPrng(item.seed)
    const begun = await this.#try((engine) => engine.uploads.create(requestOf(item)))
    if (begun.kind !== 'done') return
    const at = { ...addressOf(item), upload: begun.value.id }
    const sizes = random.below(16) === 0 ? [PART_BYTES_MIN, item.size] : [item.size]
    const bodies = sizes.map((size, i) => contentFrom(item.seed + i, size))
    const parts: { partNumber: number; etag: string }[] = []
    for (const [i, bytes] of bodies.entries()) {
      const put = await this.#try((engine) => engine.uploads.putPart(at, i + 1, bodyOf(bytes)))
      if (put.kind === 'refused') throw new Violation(`a part was refused: ${put.code}`)
      if (put.kind === 'done') parts.push({ partNumber: i + 1, etag: put.value.etag })
    }
    if (parts.length < sizes.length || random.below(3) === 0) {
      const aborted = await this.#try((engine) => engine.uploads.abort(at))
      if (aborted.kind === 'refused') throw new Violation(`an abort was refused: ${aborted.code}`)
      if (aborted.kind === 'done') this.#world.tally.count('operations', 'multipart aborted')
      return
    }
    const whole = Buffer.concat(bodies)
    const md5s = Buffer.concat(bodies.map(md5))
    const etag = `${md5(md5s).toString('hex')}-${parts.length}`
    this.#world.contents.set(etag, whole)
    const calledAt = this.#world.history.tick()
    const outcome = await this.#try((engine) => engine.uploads.complete({ ...at, parts }))
    if (outcome.kind === 'done') this.#world.tally.count('operations', 'multipart completed')
    this.#note(item, calledAt, `complete ${etag}`, outcome, () => etag)
  }

  async #createBucket(): Promise<void> {
    const { history } = this.#world
    const calledAt = history.tick()
    const outcome = await this.#try((engine) =>
      engine.buckets.create(FLEETING, { owner: OWNER, region: 'us-east-1' }),
    )
    this.#noteBucket(calledAt, 'create', outcome, (content) => (content ? undefined : stateOf({})), [
      'BucketAlreadyOwnedByYou',
      (content) => content !== undefined,
    ])
  }

  async #deleteBucket(): Promise<void> {
    const calledAt = this.#world.history.tick()
    const outcome = await this.#try((engine) => engine.buckets.delete(FLEETING))
    const isEmpty = (content: object | undefined) => content && Object.keys(content).length === 0
    const isNotEmpty = outcome.kind === 'refused' && outcome.code === 'BucketNotEmpty'
    this.#noteBucket(
      calledAt,
      'delete',
      outcome,
      (content) => (isEmpty(content) ? NONE : undefined),
      isNotEmpty
        ? ['BucketNotEmpty', (content) => content !== undefined && !isEmpty(content)]
        : ['NoSuchBucket', (content) => content === undefined],
    )
  }

  #noteBucket(
    calledAt: number,
    told: string,
    outcome: Outcome<unknown>,
    change: (content: object | undefined) => string | undefined,
    [refusal, isRight]: readonly [string, (content: object | undefined) => boolean],
  ): void {
    const answeredAt = outcome.kind === 'unknown' ? undefined : outcome.answeredAt
    const text = `${told}: ${outcome.kind === 'done' ? 'done' : outcome.code}`
    this.#world.history.note(FLEETING, { calledAt, answeredAt }, text, (state) => {
      const content = contentOf(state)
      if (outcome.kind !== 'refused') return change(content)
      return outcome.code === refusal && isRight(content) ? state : undefined
    })
  }
}

export const checkFailure = (error: MoraineError): void => {
  if (error.kind === 'bug' || NEVER_ANSWERS.has(error.code)) {
    throw new Violation(`answered ${error.code}: ${error.stack}`)
  }
}

/** What conditions have against a write to a key that holds `value`. */
const refusalOf = ({ ifMatch, ifNoneMatch }: WriteConditions = {}, value: string): string | undefined => {
  if (ifNoneMatch && value !== NONE) return 'PreconditionFailed'
  if (ifMatch && value === NONE) return 'NoSuchKey'
  return ifMatch && !ifMatch.includes(value) ? 'PreconditionFailed' : undefined
}

const addressOf = ({ bucket, key }: Action): { bucket: string; key: string } => ({ bucket, key })
const requestOf = (item: Action): PutRequest => ({
  ...{ ...addressOf(item), owner: OWNER, headers: [], metadata: [] },
})
