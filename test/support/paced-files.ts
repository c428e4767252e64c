// Disks whose reads take time, on the test's clock: some milliseconds each, and a multiple of them on the disks that it makes
// slow. It counts them, too.
import { type Clock, sleep } from '../../src/base/clock.ts'
import type { FileSystem, OpenFile } from '../../src/base/files.ts'
import type { Random } from '../../src/base/prng.ts'

const READ_MS_MIN = 4
const READ_MS_SPREAD = 2

export class PacedFiles {
  /** By the directory of a disk: so many times slower than the others. */
  readonly slowness = new Map<string, number>()
  readonly #reads = new Map<string, number>()
  readonly files: FileSystem
  readonly #roots: readonly string[]
  readonly #clock: Clock
  readonly #random: Random

  constructor(files: FileSystem, roots: readonly string[], clock: Clock, random: Random) {
    this.#roots = roots
    this.#clock = clock
    this.#random = random
    this.files = {
      ...files,
      open: async (path, mode, options) => this.#wrap(await files.open(path, mode, options)),
    }
  }

  /** Reads that were begun since this was asked last, by the directory of the disk. */
  takeReads(): ReadonlyMap<string, number> {
    const taken = new Map(this.#reads)
    this.#reads.clear()
    return taken
  }

  #wrap(file: OpenFile): OpenFile {
    const root = this.#roots.find((one) => file.path.startsWith(`${one}/`)) ?? ''
    return {
      ...file,
      read: async (into, position) => {
        this.#reads.set(root, (this.#reads.get(root) ?? 0) + 1)
        const readMs = READ_MS_MIN + this.#random.below(READ_MS_SPREAD + 1)
        await sleep(this.#clock, readMs * (this.slowness.get(root) ?? 1))
        return file.read(into, position)
      },
    }
  }
}
