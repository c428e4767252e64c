// What happens in one simulation, drawn from its seed before it begins: what clients ask for, what goes wrong, and when
// everybody waits until all is well again. A story is a list, so that a failing one can be made shorter.
import { createPrng, type Random } from '../../../src/base/prng.ts'
import { KiB, MiB } from '../../../src/base/units.ts'
import { weighted } from '../../support/drawing.ts'
import type { OneShot } from './machine.ts'

export type ClientAction =
  | 'put'
  | 'put if none'
  | 'put if match'
  | 'get'
  | 'head'
  | 'delete'
  | 'list'
  | 'copy'
  | 'multipart'
  | 'bucket create'
  | 'bucket delete'

export type DiskFault =
  | OneShot
  | 'bit flip'
  | 'full'
  | 'read-only'
  | 'slow'
  | 'hang'
  | 'gone'
  | 'not mounted'
  | 'old content'
  | 'emptied'
  | 'swapped'

export type StoreFault =
  | 'kill'
  | 'power cut'
  | 'index lost'
  | 'index stale'
  | 'gateway throws'
  | 'bucket throws'
  | 'disk actor throws'
  | 'upkeep throws'
  | 'clock jump'

export type Item =
  | {
      readonly kind: 'client'
      readonly action: ClientAction
      readonly bucket: string
      readonly key: string
      readonly size: number
      readonly seed: number
    }
  | {
      readonly kind: 'disk fault'
      readonly what: DiskFault
      readonly slot: number
      /** Another slot that may be hurt as well. */
      readonly other: number
      readonly forMs: number
      readonly seed: number
    }
  | { readonly kind: 'store fault'; readonly what: StoreFault; readonly seed: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'quiet' }

export interface Story {
  readonly seed: number
  readonly disks: number
  readonly partitions: number
  /** Of the journal, where it is to be compacted. */
  readonly segmentBytes?: number
  readonly items: readonly Item[]
}

export const LASTING = 'lasting'
export const FLEETING = 'fleeting'
const KEYS = ['a', 'a/1', 'a/2', 'b', '../x', 'é', 'b//c', 'z']

const ACTIONS: readonly (readonly [number, ClientAction])[] = [
  [30, 'put'],
  [4, 'put if none'],
  [4, 'put if match'],
  [30, 'get'],
  [6, 'head'],
  [10, 'delete'],
  [5, 'list'],
  [4, 'copy'],
  [3, 'multipart'],
]
const FLEETING_ACTIONS: readonly (readonly [number, ClientAction])[] = [
  [3, 'bucket create'],
  [2, 'bucket delete'],
  [3, 'put'],
  [3, 'delete'],
  [2, 'get'],
]

const DISK_FAULTS: readonly DiskFault[] = [
  ...(['torn write', 'misdirected write', 'flipped read', 'failed sync', 'EIO', 'bit flip'] as const),
  ...(['full', 'read-only', 'slow', 'hang', 'gone', 'not mounted', 'old content', 'emptied'] as const),
  'swapped',
]
const STORE_FAULTS: readonly StoreFault[] = [
  ...(['kill', 'power cut', 'power cut', 'power cut', 'index lost', 'index stale'] as const),
  ...(['gateway throws', 'bucket throws', 'disk actor throws', 'upkeep throws', 'clock jump'] as const),
]

const EPOCHS = 2
const ACTIONS_OF_EPOCH = 155
const DISK_FAULTS_OF_EPOCH = 4
const STORE_FAULTS_OF_EPOCH = 3
export const parityOf = (disks: number): number => (disks < 4 ? 1 : 2)

const drawSize = (random: Random, k: number): number =>
  weighted(random, [
    [60, () => random.below(6 * KiB)],
    [6, () => 16 * KiB - 2 + random.below(4)],
    [30, () => 17 * KiB + random.below(120 * KiB)],
    [1, () => k * MiB + random.below(40 * KiB)],
  ])()

const drawAction = (random: Random, k: number): Item => {
  const isFleeting = random.below(12) === 0
  const seed = random.below(2 ** 31)
  return {
    kind: 'client',
    action: weighted(random, isFleeting ? FLEETING_ACTIONS : ACTIONS),
    bucket: isFleeting ? FLEETING : LASTING,
    key: KEYS[random.below(isFleeting ? 2 : KEYS.length)]!,
    size: isFleeting ? random.below(2 * KiB) : drawSize(random, k),
    seed,
  }
}

/** All of them come, one after another, before one comes again. */
const deckOf = <T>(random: Random, cards: readonly T[]): (() => T) => {
  let deck: T[] = []
  return () => {
    if (deck.length === 0) deck = [...cards]
    return deck.splice(random.below(deck.length), 1)[0]!
  }
}

const drawVictims = (random: Random, disks: number): number[] => {
  const slots = Array.from({ length: disks }, (_, slot) => slot)
  const count = random.below(4) === 0 ? 1 : parityOf(disks)
  return Array.from({ length: count }, () => slots.splice(random.below(slots.length), 1)[0]!)
}

export const drawStory = (seed: number): Story => {
  const random = createPrng(seed)
  const disks = 4 + random.below(3)
  const partitions = 1 + random.below(2)
  const k = disks - parityOf(disks)
  const diskFault = deckOf(random, DISK_FAULTS)
  const storeFault = deckOf(random, STORE_FAULTS)
  const items: Item[] = []
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    const victims = drawVictims(random, disks)
    const [slot, other] = [victims[0]!, victims.at(-1)!]
    const drawDiskFault = (): Item => ({
      kind: 'disk fault',
      what: diskFault(),
      ...(random.below(2) === 0 ? { slot, other } : { slot: other, other: slot }),
      forMs: weighted(random, [
        [3, 100 + random.below(2_000)],
        [1, 5_000 + random.below(30_000)],
      ]),
      seed: random.below(2 ** 31),
    })
    const its: Item[] = Array.from({ length: ACTIONS_OF_EPOCH }, () => drawAction(random, k))
    const among = (item: Item): void => void its.splice(random.below(its.length + 1), 0, item)
    for (let i = 0; i < DISK_FAULTS_OF_EPOCH; i++) among(drawDiskFault())
    for (let i = 0; i < STORE_FAULTS_OF_EPOCH; i++)
      among({ kind: 'store fault', what: storeFault(), seed: random.below(2 ** 31) })
    among({ kind: 'wait', ms: 1_000 + random.below(20_000) })
    items.push(...its, { kind: 'quiet' })
  }
  return { seed, disks, partitions, items }
}

export const tellItem = (item: Item): string => {
  switch (item.kind) {
    case 'client': {
      const size = ['put', 'put if none', 'put if match', 'multipart'].includes(item.action)
      return `${item.action} ${item.bucket}/${item.key}${size ? `, ${item.size} bytes` : ''}`
    }
    case 'disk fault':
      return `disk ${item.slot + 1}: ${item.what}${item.what === 'swapped' ? ` with ${item.other + 1}` : ''}, ${item.forMs} ms`
    case 'store fault':
      return item.what
    case 'wait':
      return `wait ${item.ms} ms`
    case 'quiet':
      return 'wait until all is well, compare everything'
    default:
      return item satisfies never
  }
}
