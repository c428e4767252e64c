// The client's book for a store whose threads die under it: each lane works on, whatever it is answered, on keys of its own.
// A write that was not answered 2xx leaves a doubt for good, because it may still take effect: its key is given up, and at
// the end both what was before and what was wanted are right. Everything else is checked as it goes: a GET that is
// answered has the right bytes, a LIST shows exactly the lane's keys.
import type { StoreClient } from '../../bench/load/store-client.ts'
import type { Random } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { bodyOf } from './s3-client.ts'

export interface LedgerTarget {
  readonly client: StoreClient
  presign(method: string, path: string, query?: readonly (readonly [string, string])[]): string
}

/** How often each thing was answered how: `PUT 200`, `GET broken`, … */
export type Tally = ReadonlyMap<string, number>

export interface SteadyLedger {
  /** Loads the store until `isOver`. Rejects at the first answer that no death of a thread explains. */
  load(isOver: () => boolean): Promise<void>
  /** Every key reads as the book says. Resolves to how many there were. */
  verify(): Promise<{ keys: number; doubts: number }>
  readonly tally: Tally
}

const LANES = 3
const SLOTS_PER_LANE = 10
/** In the journal, packed, and shard files of two stripes. */
const SIZES = [4 * KiB, 4 * KiB, 4 * KiB, 4 * KiB, 300 * KiB, 300 * KiB, 300 * KiB, 6 * MiB]
const RETRY_MS = 100
/** Between two requests of a lane: what dies is to come back on two cores that have other things to do as well. */
const PACE_MS = 20
/** After this much patience the store is not just restarting. */
const VERIFY_TRIES = 300
const BUCKET = 'steady'

/** Undefined: no object. */
type Version = { readonly seed: number; readonly size: number } | undefined
interface Entry {
  readonly key: string
  acknowledged: Version
  /** What else it may be. */
  doubt?: { readonly version: Version }
}
interface Answer {
  /** 0: the connection broke, or there was none to be had. */
  readonly status: number
  readonly body: Buffer
}

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))
const isBody = (version: Version, body: Buffer): boolean =>
  version !== undefined && body.equals(bodyOf(version.seed, version.size))

export const createSteadyLedger = (random: Random, { client, presign }: LedgerTarget): SteadyLedger => {
  const lanes = Array.from({ length: LANES }, (_, lane) =>
    Array.from(
      { length: SLOTS_PER_LANE },
      (_, slot): Entry => ({ key: `${lane}/${slot}.0`, acknowledged: undefined }),
    ),
  )
  const doubts: Entry[] = []
  const tally = new Map<string, number>()
  let seed = random.below(2 ** 30)
  let generation = 0

  const ask = async (
    method: string,
    path: string,
    expected: readonly number[],
    body?: Uint8Array,
    query: readonly (readonly [string, string])[] = [],
  ): Promise<Answer> => {
    const answer = await client
      .send(method, presign(method, `/${BUCKET}${path}`, query), body)
      .catch(() => ({ status: 0, body: Buffer.alloc(0) }))
    const outcome = `${method} ${answer.status || 'broken'}`
    tally.set(outcome, (tally.get(outcome) ?? 0) + 1)
    if (![0, 503, ...expected].includes(answer.status)) {
      throw new Error(`${method} ${path} was answered ${answer.status}: ${answer.body.subarray(0, 300)}`)
    }
    if (answer.status === 0 || answer.status === 503) await pause(RETRY_MS)
    return answer
  }

  const write = async (entries: Entry[], slot: number): Promise<void> => {
    const entry = entries[slot]!
    const size = SIZES[random.below(SIZES.length)] ?? 0
    const version = random.below(8) === 0 ? undefined : { seed: seed++, size }
    const { status } = version
      ? await ask('PUT', `/${entry.key}`, [200], bodyOf(version.seed, version.size))
      : await ask('DELETE', `/${entry.key}`, [204])
    if (status === 200 || status === 204) {
      entry.acknowledged = version
      return
    }
    doubts.push({ ...entry, doubt: { version } })
    const key = `${entry.key.slice(0, entry.key.indexOf('.'))}.${++generation}`
    entries[slot] = { key, acknowledged: undefined }
  }

  const read = async ({ key, acknowledged }: Entry): Promise<void> => {
    const { status, body } = await ask('GET', `/${key}`, [acknowledged ? 200 : 404])
    if (status === 200 && !isBody(acknowledged, body)) throw new Error(`GET ${key} gave other bytes`)
  }

  const list = async (lane: number): Promise<void> => {
    const query = [
      ['list-type', '2'],
      ['prefix', `${lane}/`],
    ] as const
    const { status, body } = await ask('GET', '', [200], undefined, query)
    if (status !== 200) return
    const listed = new Set([...String(body).matchAll(/<Key>([^<]*)<\/Key>/g)].map((match) => match[1] ?? ''))
    for (const { key } of doubts) listed.delete(key)
    const wanted = lanes[lane]!.filter(({ acknowledged }) => acknowledged).map(({ key }) => key)
    const isSame = wanted.length === listed.size && wanted.every((key) => listed.has(key))
    if (!isSame) throw new Error(`LIST ${lane}/ shows ${[...listed].sort()}, the book has ${wanted.sort()}`)
  }

  const work = async (lane: number, isOver: () => boolean): Promise<void> => {
    const entries = lanes[lane]!
    while (!isOver()) {
      const choice = random.below(10)
      const slot = random.below(SLOTS_PER_LANE)
      if (choice === 0) await list(lane)
      else if (choice < 5) await read(entries[slot]!)
      else await write(entries, slot)
      await pause(PACE_MS)
    }
  }

  const check = async ({ key, acknowledged, doubt }: Entry): Promise<void> => {
    for (let left = VERIFY_TRIES; left > 0; left--) {
      const { status, body } = await ask('GET', `/${key}`, [200, 404])
      if (status !== 200 && status !== 404) continue
      const candidates = [acknowledged, ...(doubt ? [doubt.version] : [])]
      const isRight = candidates.some((version) => (version ? isBody(version, body) : status === 404))
      if (!isRight) throw new Error(`${key} reads ${status} with ${body.length} bytes, which it must not`)
      return
    }
    throw new Error(`${key} cannot be read any more`)
  }

  return {
    tally,
    async load(isOver) {
      while (![200, 409].includes((await ask('PUT', '', [200, 409])).status));
      await Promise.all(lanes.map((_, lane) => work(lane, isOver)))
    },
    async verify() {
      const entries = [...lanes.flat(), ...doubts]
      for (const entry of entries) await check(entry)
      for (let lane = 0; lane < LANES; lane++) await list(lane)
      return { keys: entries.length, doubts: doubts.length }
    },
  }
}
