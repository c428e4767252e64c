// What goes wrong, carried out. What lasts ends by itself after its time, or when all is to be well again. A disk is hurt only
// between two quiet points, and no more disks than the redundancy takes: the story names them.
import type { BucketProtocol } from '../../../src/actors/bucket-protocol.ts'
import type { DiskProtocol } from '../../../src/actors/disk-protocol.ts'
import { PATHS } from '../../../src/actors/store-facts.ts'
import { createPrng, type Random } from '../../../src/base/prng.ts'
import { HOUR, MINUTE, SECOND } from '../../../src/base/units.ts'
import type { IndexOperation } from '../../../src/metadata/index-slot.ts'
import { IDENTITY_NAME, KEY_NAME } from '../../../src/storage/layout.ts'
import { IndexShelf } from '../../support/store-crash.ts'
import { type OneShot, SimulatedDisk } from './machine.ts'
import type { DiskFault, Item, StoreFault } from './story.ts'
import type { World } from './world.ts'

type DiskItem = Extract<Item, { kind: 'disk fault' }>

const ONE_SHOTS: ReadonlySet<DiskFault> = new Set<OneShot>([
  ...(['torn write', 'misdirected write', 'flipped read', 'failed sync', 'EIO'] as const),
])
/** A cut keeps nothing, all, or something of what was not durable. */
export const CUT_STYLES = [
  ...Array.from({ length: 4 }, () => ({ dropped: 100, torn: 0 })),
  { dropped: 0, torn: 0 },
  { dropped: 40, torn: 30 },
  { dropped: 10, torn: 60 },
]

export class Faults {
  readonly #world: World
  #moved: DiskFault | undefined
  #lifts = new Set<() => void>()

  constructor(world: World) {
    this.#world = world
  }

  /** All is well again, but for what was done to what lies on the disks. */
  calm(): void {
    for (const lift of this.#lifts) lift()
    this.#world.machine.calm()
    this.#moved = undefined
  }

  #untilLater(forMs: number, action: () => void): void {
    const lift = (): void => {
      if (this.#lifts.delete(lift)) action()
    }
    this.#lifts.add(lift)
    this.#world.clock.setTimer(forMs, lift)
  }

  hurtDisk(item: DiskItem): void {
    const { machine, tally } = this.#world
    const { what, slot, forMs } = item
    const random = createPrng(item.seed)
    const disk = machine.slots[slot]!
    const { condition } = disk
    // Where there is no disk there is nothing to be hurt.
    if (disk.isStandIn && what !== 'swapped') return
    if (what === 'swapped' || what === 'emptied') {
      // An empty directory takes the place of the disk that is expected in it, which after a swap may be one that will be back.
      this.#moved ??= what
      if (this.#moved !== what) return
    }
    if (ONE_SHOTS.has(what)) {
      // A disk that reads wrong does so for a while: most reads are not of what a client sees.
      const times = (what === 'flipped read' ? 3 : 1) * (1 + random.below(3))
      for (let i = 0; i < times; i++) condition.oneShots.push(what as OneShot)
      return
    }
    switch (what as Exclude<DiskFault, OneShot>) {
      case 'bit flip':
        if (!flipBits(disk, random)) return
        disk.isHurtInSilence = true
        break
      case 'full':
        condition.isFull = true
        this.#untilLater(forMs, () => {
          condition.isFull = false
        })
        break
      case 'read-only':
        condition.isReadOnly = true
        this.#untilLater(forMs, () => {
          condition.isReadOnly = false
        })
        break
      case 'slow':
        condition.slowness = 100
        this.#untilLater(forMs, () => {
          condition.slowness = 1
        })
        break
      case 'hang':
        condition.hang = new Promise((resolve) => {
          this.#untilLater(forMs, () => {
            condition.hang = undefined
            resolve()
          })
        })
        break
      case 'emptied':
        disk.tree.empty()
        disk.isHurtInSilence = false
        disk.hurtIdentity = undefined
        disk.lives++
        break
      case 'swapped':
        if (item.other === slot) return
        machine.mount(slot, machine.mount(item.other, disk))
        disk.isMounted = true
        break
      case 'gone':
      case 'not mounted':
      case 'old content':
        this.#takeOut(item, disk)
        break
    }
    tally.count('faults', what)
  }

  /** It is away for its time, and comes back as it was or as it had been at first. */
  #takeOut({ what, forMs }: DiskItem, disk: SimulatedDisk): void {
    const { machine } = this.#world
    const copy = () => new SimulatedDisk(disk.tree.copy(this.#world.clock.nowMs()))
    const back = what === 'old content' ? copy() : disk
    back.hurtIdentity = disk.hurtIdentity
    back.isHurtInSilence = disk.isHurtInSilence
    // It may have been put into another slot meanwhile, also while it is away.
    const replace = (before: SimulatedDisk, after: SimulatedDisk): void => {
      const slot = machine.slots.indexOf(before)
      if (slot >= 0) machine.mount(slot, after)
    }
    const { lives } = disk
    const take = (): void => {
      // A disk that was replaced meanwhile is not part of the store any more: an operator would have to see to it.
      if (disk.lives !== lives) return
      const away = what === 'gone' ? machine.noDisk() : machine.bareMountPoint()
      replace(disk, away)
      this.#untilLater(what === 'old content' ? 3 * SECOND : forMs, () => replace(away, back))
    }
    if (what === 'old content') this.#untilLater(forMs, take)
    else take()
  }

  async hurtStore(what: StoreFault, seed: number): Promise<void> {
    const world = this.#world
    const random = createPrng(seed)
    const life = world.life
    if (!life) return
    switch (what) {
      case 'kill':
        await this.#restart(what)
        return
      case 'power cut':
        life.end()
        world.machine.cutPower(CUT_STYLES[random.below(CUT_STYLES.length)]!)
        await this.#restart(what)
        return
      case 'index lost':
      case 'index stale':
        life.end()
        world.shelf = shelfAfter(what, world.shelf, random)
        await this.#restart(what)
        return
      case 'gateway throws':
        life.store.restartGateway().then(
          (engine) => {
            life.engine = engine
          },
          (error) => {
            if (!life.isOver) world.fail(error)
          },
        )
        break
      case 'bucket throws': {
        const partition = random.below(world.story.partitions)
        life.store.system.ref<BucketProtocol>(PATHS.bucket(partition)).tell('head', null as never)
        break
      }
      case 'disk actor throws': {
        const slot = random.below(world.story.disks)
        life.store.system.ref<DiskProtocol>(PATHS.disk(slot)).tell('listShards', null as never)
        break
      }
      case 'upkeep throws': {
        const paths = [PATHS.reclaimer(0), PATHS.repairer, PATHS.compactor, PATHS.keeper]
        const path = paths[random.below(paths.length)]!
        const message = path === PATHS.reclaimer(0) ? 'step' : path === PATHS.repairer ? 'damaged' : 'claim'
        life.store.system
          .ref<Record<string, (m: never) => unknown>>(path)
          .tell(path === PATHS.compactor ? 'step' : message, null as never)
        break
      }
      case 'clock jump':
        world.clock.jumpWall((random.below(2) === 0 ? 1 : -1) * (MINUTE + random.below(48 * HOUR)))
        break
      default:
        return what satisfies never
    }
    world.tally.count('faults', what)
  }

  async #restart(what: StoreFault): Promise<void> {
    this.#world.tally.count('faults', what)
    this.#world.tally.count('restarts', 'process')
    await this.#world.restart()
  }
}

const FLIPS_MAX = 8

const IDENTITY_PATHS: ReadonlySet<string> = new Set([`/${IDENTITY_NAME}`, `/${KEY_NAME}`])

/**
 * Some bits of some files. Of the two files that say which disk it is never both: only a start sees them, and a disk without either is
 * lost, which would be one more than there may be between two quiet points.
 */
const flipBits = (disk: SimulatedDisk, random: Random): boolean => {
  const files = disk.tree.files().filter(({ node }) => node.bytes.size > 0)
  for (let left = 1 + random.below(FLIPS_MAX); left > 0 && files.length > 0; left--) {
    const { path, node } = files[random.below(files.length)]!
    if (IDENTITY_PATHS.has(path)) {
      if ((disk.hurtIdentity ?? path) !== path) continue
      disk.hurtIdentity = path
    }
    node.bytes.flip(random.below(node.bytes.size), random.below(8))
  }
  return files.length > 0
}

type Batches = readonly (readonly IndexOperation[])[]

/** One of the indexes lacks its last batches, or all of them. */
const shelfAfter = (what: StoreFault, shelf: IndexShelf, random: Random): IndexShelf => {
  const held: [string, Batches][] = [...shelf.batches()]
  const [hurt, batches] = held[random.below(held.length)]!
  const kept = what === 'index lost' ? 0 : Math.max(0, batches.length - 1 - random.below(4))
  return new IndexShelf(
    new Map(held.map(([name, all]) => [name, name === hurt ? batches.slice(0, kept) : all])),
  )
}
