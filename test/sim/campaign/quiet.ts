// A quiet point: nothing is wrong with the disks any more, no client asks for anything. Within its time the store gets back to
// full redundancy, a tour of the scrub finds nothing, everything that there is reads back as the history allows, and what was
// lent is given back.
import type { InspectorProtocol, Redundancy } from '../../../src/actors/inspector.ts'
import type { FinishedTour } from '../../../src/actors/scrub-state.ts'
import type { ScrubberProtocol } from '../../../src/actors/scrubber.ts'
import { PATHS } from '../../../src/actors/store-facts.ts'
import { codeOf } from '../../../src/base/errors.ts'
import { HOUR, MINUTE, SECOND } from '../../../src/base/units.ts'
import { readBytes } from '../../model/engine-contract.ts'
import { listedOf } from '../../model/listed.ts'
import { NONE, stateOf, Violation } from './history.ts'
import { FLEETING, LASTING } from './story.ts'
import type { Life, World } from './world.ts'

const FULL_WITHIN_MS = 1 * HOUR
const TOUR_WITHIN_MS = 2 * HOUR
const TOURS_MAX = 8
/** Longer than any deadline of a commit or a write. */
const SETTLE_MS = 70 * SECOND
const LIMIT = { withinMs: 30 * SECOND }

const isFull = ({ waiting, disks, notServed }: Redundancy): boolean =>
  notServed.length === 0 &&
  waiting.shards === 0 &&
  waiting.bytes === 0 &&
  disks.every(({ state, message }) => state === 'present' && message === undefined)

/**
 * What only an operator can decide: a directory that was emptied, and in which a process that was just ending made a name again, has
 * lost its identity and stays out until it is emptied once more.
 */
const operate = (world: World, { disks }: Redundancy): void => {
  for (const { directory, message } of disks) {
    if (directory === null || !message?.includes('has lost its identity')) continue
    world.machine.slots[Number(directory.slice(2)) - 1]!.tree.empty()
    world.tally.count('repairs', 'directory emptied by the operator')
  }
}

const becomesFull = async (world: World, life: Life): Promise<void> => {
  const inspector = life.store.system.ref<InspectorProtocol>(PATHS.inspector)
  const endMs = world.clock.monotonicMs() + FULL_WITHIN_MS
  let last: unknown
  while (world.clock.monotonicMs() < endMs) {
    try {
      const redundancy = await inspector.ask('redundancy', {}, LIMIT)
      if (isFull(redundancy)) return
      last = redundancy
      operate(world, redundancy)
    } catch (error) {
      last = codeOf(error)
    }
    await world.pass(2 * SECOND)
  }
  throw new Violation(`redundancy does not become full: ${JSON.stringify(last)}`)
}

export const tour = async (world: World, life: Life): Promise<FinishedTour> => {
  const scrubber = life.store.system.ref<ScrubberProtocol>(PATHS.scrubber)
  const before = (await scrubber.ask('status', {}, LIMIT)).last?.number ?? 0
  await scrubber.ask('begin', {}, LIMIT)
  world.tally.count('checks', 'scrub tour')
  const endMs = world.clock.monotonicMs() + TOUR_WITHIN_MS
  for (let pauseMs = SECOND; ; pauseMs = Math.min(2 * pauseMs, MINUTE)) {
    await world.pass(pauseMs)
    const { state, last } = await scrubber.ask('status', {}, LIMIT)
    if (state === 'idle' && last && last.number > before) return last
    if (world.clock.monotonicMs() > endMs) throw new Violation(`a scrub tour does not end: ${state}`)
  }
}

const isClean = ({ findings }: FinishedTour): boolean => {
  const { missing, corrupt, segments, indexes, orphans, skipped } = findings
  return missing + corrupt + segments + indexes + orphans + skipped === 0
}

/** Tours until one finds nothing. Where all that a disk did wrong was told to the store, the first finds every shard and segment whole. */
const becomesClean = async (world: World, life: Life): Promise<void> => {
  let last: FinishedTour | undefined
  for (let i = 0; i < TOURS_MAX; i++) {
    world.foundOn.clear()
    last = await tour(world, life)
    if (isClean(last)) return
    const { missing, corrupt, segments } = last.findings
    const told = [...world.foundOn].filter((disk) => !world.isHurtInSilence(disk))
    if (i === 0 && told.length > 0) {
      const what = `${missing} shards missing, ${corrupt} corrupt, ${segments} segments damaged`
      throw new Violation(`${what}; of disk ${told.join(', ')} every fault was told`)
    }
    await world.pass(20 * SECOND)
    await becomesFull(world, life)
  }
  throw new Violation(`the scrub still finds something: ${JSON.stringify(last)}`)
}

/** Everything a bucket holds, by GET, HEAD and LIST, which agree; undefined when there is no such bucket. */
const readAll = async (
  world: World,
  life: Life,
  bucket: string,
): Promise<Map<string, string> | undefined> => {
  const { engine } = life
  const page = { bucket, prefix: '', delimiter: '', after: '', limit: 1000 }
  const listed = await engine.objects.list(page).catch((error: unknown) => {
    if (codeOf(error) === 'NoSuchBucket') return undefined
    throw error
  })
  if (!listed) return undefined
  const found = new Map<string, string>()
  for (const version of listed.versions) {
    const address = { bucket, key: version.key }
    const head = await engine.objects.head(address)
    if (JSON.stringify(listedOf(head)) !== JSON.stringify(version)) {
      throw new Violation(`HEAD and LIST of ${version.key} differ`)
    }
    const bytes = await readBytes(engine, address)
    if (!world.contents.get(version.etag)?.equals(bytes)) {
      throw new Violation(`${version.key} is not what its ETag says`)
    }
    found.set(version.key, version.etag)
    world.tally.count('checks', 'object compared')
  }
  for (const key of world.history.registers()) {
    if (found.has(key) || key === FLEETING) continue
    const code = await engine.objects.head({ bucket, key }).then(() => 'found', codeOf)
    if (code !== 'NoSuchKey') throw new Violation(`${key} is not listed, and HEAD says ${code}`)
  }
  return found
}

/** Uploads whose client gave up are nobody's business but its own: they are aborted. */
const abortUploads = async ({ engine }: Life, bucket: string): Promise<void> => {
  const page = { bucket, prefix: '', delimiter: '', after: { key: '', upload: '' }, limit: 1000 }
  for (const { key, id } of (await engine.uploads.list(page)).uploads) {
    await engine.uploads.abort({ bucket, key, upload: id })
  }
}

/** All is well with the disks: the store gets back to full redundancy, and a tour of the scrub finds nothing. */
export const becomeWhole = async (
  world: World,
  beforeScrub = async (_: Life): Promise<void> => undefined,
): Promise<Life> => {
  const life = world.life ?? (await world.start())
  // What somebody gave up on may still come to its end.
  await world.pass(SETTLE_MS)
  await becomesFull(world, life)
  await beforeScrub(life)
  await becomesClean(world, life)
  await becomesFull(world, life)
  return life
}

/** Everybody has ended: what was lent is given back. */
export const checkArena = async (world: World, { arena }: Life): Promise<void> => {
  await world.pass(5 * SECOND)
  const { small, large } = arena.inUse()
  if (small + large > 0) throw new Violation(`${small} small and ${large} large slabs were not given back`)
}

export const checkQuiet = async (world: World): Promise<void> => {
  const life = await becomeWhole(world, (found) => abortUploads(found, LASTING))
  const lasting = await readAll(world, life, LASTING)
  if (!lasting) throw new Violation('the bucket is gone')
  const fleeting = await readAll(world, life, FLEETING)
  world.history.close(
    new Map([...lasting, [FLEETING, fleeting ? stateOf(Object.fromEntries(fleeting)) : NONE]]),
  )
  await checkArena(world, life)
  world.tally.count('checks', 'quiet point')
}

/** All there is can be removed, the bucket last: what is counted is right. */
export const removeAll = async (life: Life): Promise<void> => {
  const { engine } = life
  for (const bucket of [LASTING, FLEETING]) {
    const page = { bucket, prefix: '', delimiter: '', after: '', limit: 1000 }
    const versions = await engine.objects.list(page).then(
      (listed) => listed.versions,
      () => undefined,
    )
    if (!versions) continue
    if (versions.length > 0) {
      const code = await engine.buckets.delete(bucket).then(() => 'deleted', codeOf)
      if (code !== 'BucketNotEmpty') throw new Violation(`a bucket that holds something: ${code}`)
    }
    for (const { key } of versions) await engine.objects.delete({ bucket, key })
    await engine.buckets.delete(bucket)
  }
}
