// Stores of several directories on one file system of the test's choice: starting them the way the server does.
import type { FileSystem } from '../../src/base/files.ts'
import { silentLog } from '../../src/base/log.ts'
import { createPrng, type Random } from '../../src/base/prng.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { noLock } from '../../src/storage/lock.ts'
import { type StartedStore, type StartRequest, startStore } from '../../src/storage/start.ts'
import { assert, rejectsWith } from './uvu.ts'

export const diskRoots = (count: number): string[] => Array.from({ length: count }, (_, i) => `/d${i + 1}`)

export const startTestStore = (
  files: FileSystem,
  roots: readonly string[],
  options: Partial<StartRequest> & { random?: Random } = {},
): Promise<StartedStore> =>
  startStore({
    roots,
    filesOf: () => files,
    takeLock: noLock,
    random: createPrng(roots.length),
    log: silentLog,
    partitions: 2,
    ...options,
  })

/** A formed store with data in it, as far as a start can see. */
export const formTestStore = async (roots = diskRoots(6)) => {
  const files = createMemoryFiles()
  const store = await startTestStore(files, roots)
  return { files, store }
}

export const numbersOf = (store: StartedStore): number[] => store.disks.map(({ identity }) => identity.number)

/** The directory stays, as that of a disk that was lost or wiped. */
export const emptyRoot = async (files: ReturnType<typeof createMemoryFiles>, root: string): Promise<void> => {
  for (const name of await files.list(root)) files.removeTree(`${root}/${name}`)
}

/** Every path and its bytes: two equal listings mean that nothing was touched. */
export const listTree = async (files: FileSystem, path = ''): Promise<Record<string, string>> => {
  const all: Record<string, string> = {}
  for (const name of (await files.list(path === '' ? '/' : path)).sort()) {
    const child = `${path}/${name}`
    const stat = await files.stat(child)
    if (stat?.kind === 'directory') {
      all[child] = 'directory'
      Object.assign(all, await listTree(files, child))
    } else if (stat !== undefined) {
      const file = await files.open(child, 'read')
      const bytes = new Uint8Array(stat.size)
      await file.read(bytes, 0)
      await file.close()
      all[child] = Buffer.from(bytes).toString('latin1')
    }
  }
  return all
}

/** The start is refused with `code`, its message has `words`, and nothing was touched. */
export const checkRefused = async (
  files: FileSystem,
  roots: readonly string[],
  code: string,
  words: string,
  parity?: number,
): Promise<void> => {
  const before = await listTree(files)
  const error = await rejectsWith(code, () =>
    startTestStore(files, roots, parity === undefined ? {} : { parity }),
  )
  assert.ok(error.message.includes(words), error.message)
  assert.equal(await listTree(files), before)
}
