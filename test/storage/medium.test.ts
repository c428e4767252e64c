// Reads past the system's cache: the same bytes as any other read, wherever they begin and however long they are.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileError, type FileSystem } from '../../src/base/files.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { nodeFiles } from '../../src/storage/files-node.ts'
import { createMedium } from '../../src/storage/medium.ts'
import { writeFile } from '../support/disks.ts'
import { assert, deadline, seeded, suite } from '../support/uvu.ts'

const test = suite('medium')
const LIMIT_MS = 20_000

const memoryWith = async (bytes: Buffer): Promise<FileSystem> => {
  const files = createMemoryFiles({ direct: true })
  await writeFile(files, '/file', bytes)
  return files
}

test(
  'any stretch of a file, on a disk and in memory',
  seeded(LIMIT_MS, async (random) => {
    const bytes = Buffer.from(random.bytes(3 * MiB + 777))
    const directory = mkdtempSync(join(tmpdir(), 'moraine-medium-'))
    try {
      const path = join(directory, 'file')
      writeFileSync(path, bytes)
      const memory = await memoryWith(bytes)
      for (const [files, at] of [
        [nodeFiles, path],
        [memory, '/file'],
      ] as const) {
        const medium = createMedium(files)
        for (let i = 0; i < 30; i++) {
          const offset =
            random.below(3) === 0 ? 4 * KiB * random.below(700) : random.below(bytes.length + 5000)
          const length = random.below(random.below(2) === 0 ? 2 * MiB : 9000)
          const read = await medium.read(at, offset, length)
          assert.ok(bytes.subarray(offset, offset + length).equals(read), `${length} bytes from ${offset}`)
        }
      }
    } finally {
      rmSync(directory, { recursive: true })
    }
  }),
)

test(
  'a file system that offers it and then refuses it is read as usual; other errors are told, and the next read is well',
  deadline(LIMIT_MS, async () => {
    const bytes = Buffer.alloc(10_000, 'moraine')
    const files = await memoryWith(bytes)
    let code = 'EINVAL'
    let opened = 0
    const refusing: FileSystem = {
      ...files,
      async open(path, mode, options) {
        const file = await files.open(path, mode, options)
        opened++
        const read = async (): Promise<number> => {
          throw new FileError('read', path, code)
        }
        const close = (): Promise<void> => {
          opened--
          return file.close()
        }
        return { ...file, close, ...(file.isDirect && { read }) }
      },
    }
    const medium = createMedium(refusing)
    assert.ok(bytes.equals(await medium.read('/file', 0, 20_000)))
    code = 'EIO'
    const told = await medium.read('/file', 0, 100).catch((error: unknown) => (error as FileError).code)
    assert.is(told, 'EIO')
    code = 'EINVAL'
    assert.ok(bytes.subarray(5, 25).equals(await medium.read('/file', 5, 20)))
    assert.is(opened, 0, 'every file is closed')
  }),
)

test.run()
