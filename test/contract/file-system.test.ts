import { spawnSync } from 'node:child_process'
import { linkSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { nodeFiles } from '../../src/storage/files-node.ts'
import { createFaultyFiles } from '../support/faulty-files.ts'
import { createImageFiles, Inodes } from '../support/image-files.ts'
import { fileSystemContract } from './file-system.ts'

fileSystemContract('node', async () => {
  const root = mkdtempSync(join(tmpdir(), 'moraine-files-'))
  return {
    files: nodeFiles,
    root,
    trick(kind, target, path) {
      if (kind === 'symbolic-link') symlinkSync(target, path)
      else if (kind === 'hard-link') linkSync(target, path)
      else spawnSync('mkfifo', [path])
    },
    dispose: async () => rmSync(root, { recursive: true, force: true }),
  }
})

const UNREACHABLE = 'nobody else has a way into this memory'

fileSystemContract(
  'faulty, without a fault',
  async () => {
    const files = await createFaultyFiles({ direct: true })
    await files.makeDirectory('/root')
    return { files, root: '/root', dispose: async () => undefined }
  },
  { skip: { tricks: UNREACHABLE } },
)

for (const direct of [false, true]) {
  fileSystemContract(
    direct ? 'memory with O_DIRECT' : 'memory',
    async () => {
      const files = createMemoryFiles({ direct })
      await files.makeDirectory('/root')
      return { files, root: '/root', dispose: async () => undefined }
    },
    { skip: { tricks: UNREACHABLE } },
  )
}

fileSystemContract(
  'over an image',
  async () => {
    const files = createImageFiles(new Inodes())
    await files.makeDirectory('/root')
    return { files, root: '/root', dispose: async () => undefined }
  },
  { skip: { tricks: UNREACHABLE } },
)
