// A failing story, made shorter: what can be left out while it still fails is left out, in ever smaller pieces. Quiet points
// stay, since what may be hurt at once rests on them.
import { simulate } from './simulate.ts'
import { type Item, type Story, tellItem } from './story.ts'

export interface ShrunkStory {
  readonly story: Story
  readonly failure: Error
  readonly attempts: number
}

/** The shortest story that was found to fail, within so many attempts or so long. */
export const shrink = async (
  story: Story,
  failure: Error,
  { attemptsMax = 80, forMs = 120_000 } = {},
): Promise<ShrunkStory> => {
  const endMs = performance.now() + forMs
  let attempts = 0
  let best: ShrunkStory = { story, failure, attempts }
  const mayGoOn = (): boolean => attempts < attemptsMax && performance.now() < endMs
  const attempt = async (items: readonly Item[]): Promise<boolean> => {
    attempts++
    const shorter = { ...story, items }
    const { failure: its } = await simulate(shorter)
    if (!its) return false
    best = { story: shorter, failure: its, attempts }
    return true
  }
  // What comes after the first quiet point that fails is not needed.
  for (const [i, item] of story.items.entries()) {
    if (item.kind !== 'quiet' || i === story.items.length - 1 || !mayGoOn()) continue
    if (await attempt(story.items.slice(0, i + 1))) break
  }
  for (let piece = Math.ceil(best.story.items.length / 2); mayGoOn(); piece = Math.ceil(piece / 2)) {
    for (let at = 0; at < best.story.items.length && mayGoOn(); ) {
      const { items } = best.story
      const rest = items.filter((item, i) => i < at || i >= at + piece || item.kind === 'quiet')
      if (rest.length === items.length || !(await attempt(rest))) at += piece
    }
    if (piece === 1) break
  }
  return { ...best, attempts }
}

export const tellStory = ({ seed, disks, partitions, items }: Story): string[] => [
  `seed ${seed}: ${disks} disks, ${partitions} partitions, ${items.length} items`,
  ...items.map((item, i) => `  ${i}. ${tellItem(item)}`),
]
