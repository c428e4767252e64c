// What a file system holds, to be made again in another: for a log that begins where another life ended.
import type { FileSystem } from '../../src/base/files.ts'

type Tree = Uint8Array | Map<string, Tree>
export type MakeFiles = (files: FileSystem) => Promise<void>

const readTree = async (files: FileSystem, path: string): Promise<Tree> => {
  const stat = await files.stat(path === '' ? '/' : path)
  if (stat?.kind !== 'directory') {
    const file = await files.open(path, 'read')
    const bytes = new Uint8Array(stat?.size ?? 0)
    await file.read(bytes, 0)
    await file.close()
    return bytes
  }
  const tree = new Map<string, Tree>()
  for (const name of await files.list(path === '' ? '/' : path)) {
    tree.set(name, await readTree(files, `${path}/${name}`))
  }
  return tree
}

const writeTree = async (files: FileSystem, path: string, tree: Tree): Promise<void> => {
  if (!(tree instanceof Map)) {
    const file = await files.open(path, 'create')
    await file.write([tree], 0)
    return file.close()
  }
  if (path !== '') await files.makeDirectory(path)
  for (const [name, child] of tree) await writeTree(files, `${path}/${name}`, child)
}

/** Makes the same content as `files` has now. */
export const contentOf = async (files: FileSystem): Promise<MakeFiles> => {
  const root = await readTree(files, '')
  return (target) => writeTree(target, '', root)
}
