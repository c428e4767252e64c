// What random tests draw with.
import type { Random } from '../../src/base/prng.ts'

const STRIDE = 4096

export const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!

/** One of the choices, each as often as its weight says. */
export const weighted = <T>(random: Random, choices: readonly (readonly [number, T])[]): T => {
  let left = random.below(choices.reduce((sum, [weight]) => sum + weight, 0))
  for (const [weight, choice] of choices) {
    left -= weight
    if (left < 0) return choice
  }
  return choices[0]![1]
}

/** Bytes of which no two pages are equal. */
export const drawContent = (random: Random, size: number): Buffer => {
  const page = Buffer.from(random.bytes(Math.min(size, STRIDE)))
  const bytes = Buffer.alloc(size, page.length > 0 ? page : 0)
  for (let at = STRIDE; at + 4 <= size; at += STRIDE) bytes.writeUInt32LE(at, at)
  return bytes
}
