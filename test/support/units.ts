// What the test run does side by side: units, each a process of its own. A unit is a room (a directory of test/), or one
// suite of a room whose suites take long; the slowest begin first, so that none is left alone at the end.
import { availableParallelism } from 'node:os'

/** Rooms of slow suites: each suite is a unit of its own. */
const SPLIT_ROOMS: ReadonlySet<string> = new Set([
  'clients',
  'crash',
  'e2e',
  'fixtures',
  'kill',
  'model',
  'sim',
])

/** Seconds that units took, of those that take more than ten. Only their order counts, so they need not be exact. */
export const SECONDS: ReadonlyMap<string, number> = new Map([
  ['e2e/overload', 140],
  ['clients/aws', 120],
  ['clients/boto3', 120],
  ['clients/rclone', 120],
  ['clients/restic', 120],
  ['clients/s3cmd', 120],
  ['sim/campaign-1', 100],
  ['sim/campaign-2', 100],
  ['sim/campaign-3', 100],
  ['sim/campaign-4', 100],
  ['actors', 90],
  ['e2e/unwritable', 75],
  ['e2e/kill', 62],
  ['kill/store-threads', 60],
  ['leveldb', 60],
  ['e2e/filling', 58],
  ['e2e/program', 52],
  ['crash/store', 50],
  ['model/campaign', 50],
  ['sim/full-disk', 50],
  ['faults', 50],
  ['offline', 45],
  ['e2e/fresh-clone', 45],
  ['e2e/disks', 42],
  ['fixtures/newer', 40],
  ['attacks', 40],
  ['e2e/bit-flips', 32],
  ['runtime', 28],
  ['e2e/exchanged', 28],
  ['library', 28],
  ['e2e/beside', 20],
  ['fixtures/stores', 20],
  ['e2e/drain', 16],
  ['sim/canaries', 15],
  ['crash/table-change', 15],
  ['e2e/gave-up', 15],
  ['nines', 15],
  ['sim/long-put', 15],
  ['crash/drain', 15],
  ['cli', 15],
  ['e2e/package', 14],
  ['e2e/disk-add', 12],
  ['e2e/syncs', 12],
  ['e2e/lost-block', 11],
  ['e2e/bench', 10],
])

export interface Unit {
  readonly name: string
  readonly suites: readonly string[]
}

/**
 * Whether `suite` (`s3/xml.test.js`) is one that was asked for: without names all are. A name is a part of its path in the
 * repository, and may be the source's; where the repository lies is no part of it.
 */
export const isAskedFor = (suite: string, names: readonly string[]): boolean =>
  names.length === 0 || names.some((name) => `dist/test/${suite}`.includes(name.replace(/\.ts$/, '.js')))

/** The units of these suites (`ROOM/NAME.test.js`), in the order in which they are to begin. */
export const unitsOf = (suites: readonly string[]): Unit[] => {
  const units = new Map<string, string[]>()
  for (const suite of suites) {
    const room = suite.split('/')[0] ?? ''
    const name = SPLIT_ROOMS.has(room) ? suite.replace('.test.js', '') : room
    units.set(name, [...(units.get(name) ?? []), suite])
  }
  const secondsOf = ({ name }: Unit): number => SECONDS.get(name) ?? 0
  return [...units]
    .map(([name, its]) => ({ name, suites: its }))
    .sort((one, other) => secondsOf(other) - secondsOf(one))
}

/** Two lanes more than there are cores: many tests wait for what they do not compute. Not many more, as they share a disk. */
export const laneCount = (): number => Math.min(availableParallelism() + 2, 4)

/** Runs `action` for each unit, `lanes` at a time. */
export const runInLanes = async (
  units: readonly Unit[],
  lanes: number,
  action: (unit: Unit) => Promise<void>,
): Promise<void> => {
  const waiting = [...units]
  const lane = async (): Promise<void> => {
    for (let unit = waiting.shift(); unit; unit = waiting.shift()) await action(unit)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}
