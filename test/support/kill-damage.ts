// What happens to the disks of a stopped store between two kills: they are taken out, and come back with what they had; they
// lose everything; bytes flip in copies of anything. Never on more disks at a time than the redundancy can take.
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../../src/base/prng.ts'
import { emptyDirectory, filesIn, flipByte } from './disk-damage.ts'

const FATES = {
  /** Its directory is away, and something that is none is in its place. */
  removed: 'disks',
  emptied: 'disks',
  flipped: 'damage',
} as const
type Fate = keyof typeof FATES

export interface DamageOptions {
  readonly disks?: boolean | undefined
  readonly damage?: boolean | undefined
}

const FLIPS_PER_DISK = 6
const KINDS: readonly (readonly [string, RegExp])[] = [
  ['shard', /^shards\//],
  ['volume', /^volumes\/\d+\.vol$/],
  ['notes', /^volumes\/\d+\.free$/],
  ['segment', /^journal\//],
  ['index log', /^index\/.*\.log$/],
  ['index table', /^index\/.*\.ldb$/],
  ['index manifest', /^index\/.*\/(MANIFEST|CURRENT)/],
  ['identity', /^(disk\.json|store\.key|session)$/],
  ['lock', /^lock\/(CURRENT|MANIFEST)/],
]

export interface DiskDamage {
  /** Does something to as many disks as parity there is at most; says what, one line a disk. */
  strike(options: DamageOptions): string[]
  /** Brings back what is away. */
  bringBack(): void
  readonly tally: ReadonlyMap<string, number>
}

export const createDiskDamage = (disks: readonly string[], parity: number, random: Random): DiskDamage => {
  const tally = new Map<string, number>()
  const away = new Set<string>()
  const count = (what: string): void => void tally.set(what, (tally.get(what) ?? 0) + 1)

  const flip = (disk: string): string => {
    // Each of these says who the disk is: without both it is no disk of the store any more, and stays out.
    const spared = ['disk.json', 'store.key'][random.below(2)]
    const files = filesIn(disk).filter((name) => name !== spared)
    const done: string[] = []
    for (let left = FLIPS_PER_DISK; left > 0; left--) {
      const [kind, pattern] = KINDS[random.below(KINDS.length)]!
      const those = files.filter((name) => pattern.test(name) && statSync(join(disk, name)).size > 0)
      const file = those[random.below(Math.max(1, those.length))]
      if (file === undefined) continue
      const offset = random.below(statSync(join(disk, file)).size)
      flipByte(join(disk, file), offset)
      count(`${kind} flipped`)
      done.push(`${file} at ${offset}`)
    }
    return done.join(', ')
  }
  const apply = (disk: string, fate: Fate): string => {
    if (fate === 'flipped') return `${disk}: flipped ${flip(disk)}`
    count(`disk ${fate}`)
    if (fate === 'emptied') emptyDirectory(disk)
    else {
      renameSync(disk, `${disk}.away`)
      writeFileSync(disk, '')
      away.add(disk)
    }
    return `${disk}: ${fate}`
  }

  return {
    tally,
    strike(options) {
      const fates = (Object.keys(FATES) as Fate[]).filter((fate) => options[FATES[fate]])
      const left = [...disks]
      const chosen = Array.from({ length: 1 + random.below(parity) }, () =>
        left.splice(random.below(left.length), 1),
      ).flat()
      return chosen.map((disk) => apply(disk, fates[random.below(fates.length)]!))
    },
    bringBack() {
      for (const disk of away) {
        rmSync(disk)
        renameSync(`${disk}.away`, disk)
      }
      away.clear()
    },
  }
}
