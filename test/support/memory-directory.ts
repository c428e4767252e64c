// A directory in memory for what the suites write. A disk takes from a run more time than it shows: each small file costs its
// unlink, each sync its wait. Where there is no room in memory the files lie where they always did, and .ci/run, which has the
// time, always has them on a disk.
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { GiB } from '../../src/base/units.ts'

const PLACE = '/dev/shm'
/** Several times what all that runs side by side has written. */
const ROOM_BYTES_MIN = 8 * GiB

const roomBytes = (): number => {
  try {
    const { bavail, bsize } = statfsSync(PLACE)
    return Math.min(bavail * bsize, process.availableMemory())
  } catch {
    return 0
  }
}

/** Removed when this process ends; undefined where there is no room for one. */
export const createMemoryDirectory = (): string | undefined => {
  if (roomBytes() < ROOM_BYTES_MIN) return undefined
  const directory = mkdtempSync(join(PLACE, 'moraine-tests-'))
  // A server that is just being killed may still write into it.
  process.on('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 10 }))
  return directory
}
