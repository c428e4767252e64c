// The commands of a sequence, as fast-check draws them and makes them fewer. Each is what it is by its kind and a seed of its own, so
// that what is left of a sequence does what it did before.
import fc from 'fast-check'
import { createPrng } from '../../../src/base/prng.ts'
import { SECOND } from '../../../src/base/units.ts'
import { pick, weighted } from '../../support/drawing.ts'
import { OPERATION_WEIGHTS } from '../operations.ts'
import type { Loss, Restart, Sequence } from './sequence.ts'

type Kind = 'operate' | 'kill' | 'restart' | 'lose' | 'wait' | 'scrub' | 'heal' | 'rebuild' | 'compare'

/** Of some ten thousand commands. */
const WEIGHTS: readonly (readonly [number, Kind])[] = [
  [10_000, 'operate'],
  [40, 'kill'],
  [35, 'restart'],
  [80, 'lose'],
  [80, 'wait'],
  [8, 'scrub'],
  [8, 'heal'],
  [12, 'rebuild'],
  [20, 'compare'],
]
const RESTARTS: readonly Restart[] = [
  'clean',
  'clean',
  'kill',
  'kill',
  'power cut',
  'index lost',
  'index stale',
]
const LOSSES: readonly Loss[] = ['gone', 'gone', 'not mounted', 'emptied', 'old content', 'bit flip']
const WRITES = OPERATION_WEIGHTS.filter(([, kind]) => !/read|head|list/.test(kind))
class Command implements fc.AsyncCommand<object, Sequence> {
  readonly #kind: Kind
  readonly #seed: number

  constructor(kind: Kind, seed: number) {
    this.#kind = kind
    this.#seed = seed
  }

  check(): boolean {
    return true
  }

  async run(_: object, sequence: Sequence): Promise<void> {
    const random = createPrng(this.#seed)
    switch (this.#kind) {
      case 'operate':
        return sequence.operate(weighted(random, OPERATION_WEIGHTS), random)
      case 'kill': {
        // Small operations are done in a few.
        const end = {
          how: pick(random, ['kill', 'power cut'] as const),
          steps: random.below(pick(random, [8, 16, 60])),
        }
        return sequence.operate(weighted(random, WRITES), random, end)
      }
      case 'restart':
        return sequence.restart(pick(random, RESTARTS), this.#seed)
      case 'lose':
        return sequence.lose(
          pick(random, LOSSES),
          random.below(8),
          100 + random.below(40 * SECOND),
          this.#seed,
        )
      case 'wait':
        return sequence.wait(random.below(15 * SECOND))
      case 'scrub':
        return sequence.scrub()
      case 'heal':
        return sequence.heal()
      case 'rebuild':
        return sequence.rebuild(random.below(2) === 0, random.below(3), random.below(40 * SECOND))
      case 'compare':
        return sequence.compareAll()
      default:
        return this.#kind satisfies never
    }
  }

  toString(): string {
    return `${this.#kind} ${this.#seed}`
  }
}

const KINDS = WEIGHTS.map(([weight, kind]) => ({ weight, arbitrary: fc.constant(kind) }))

export const commandsOf = (commandsMax: number) =>
  fc.commands(
    [
      fc
        .tuple(fc.oneof(...KINDS), fc.noShrink(fc.noBias(fc.nat())))
        .map(([kind, seed]) => new Command(kind, seed)),
    ],
    { maxCommands: commandsMax, size: 'max', disableReplayLog: true },
  )
