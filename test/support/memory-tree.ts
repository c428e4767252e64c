// What lies in directories of a memory file system, for tests that look behind the store's back.
import type { FileSystem } from '../../src/base/files.ts'

/** Every file below `path`, with its length. */
export const filesBelow = async (
  files: FileSystem,
  path: string,
): Promise<{ path: string; bytes: number }[]> => {
  const found = []
  for (const name of await files.list(path)) {
    const child = `${path}/${name}`
    const stat = await files.stat(child)
    if (stat?.kind === 'directory') found.push(...(await filesBelow(files, child)))
    else if (stat) found.push({ path: child, bytes: stat.size })
  }
  return found
}

/** Removes all that is in the directory and leaves the directory itself. */
export const emptyTree = async (files: FileSystem, path: string): Promise<void> => {
  for (const name of await files.list(path)) {
    const child = `${path}/${name}`
    if ((await files.stat(child))?.kind === 'directory') await emptyTree(files, child)
    await files.remove(child)
  }
}

/** Resolves when `isSo`, asked every few milliseconds, says true; rejects with `what` after `limitMs`. */
export const eventually = async (
  what: string,
  limitMs: number,
  isSo: () => Promise<boolean> | boolean,
): Promise<void> => {
  const endMs = performance.now() + limitMs
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
