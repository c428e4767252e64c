// What every FileSystem promises (src/base/files.ts), as one suite that each implementation runs.
import type { FileSystem } from '../../src/base/files.ts'
import { createSharedMemory } from '../../src/base/wasm.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

export interface FileSystemSubject {
  readonly files: FileSystem
  /** An existing empty directory, for this test alone. */
  readonly root: string
  /** Makes `path` a symbolic link to `target`, a second name of it, or a FIFO, behind the back of the file system. */
  readonly trick?: (kind: 'symbolic-link' | 'hard-link' | 'fifo', target: string, path: string) => void
  dispose(): Promise<void>
}

export interface FileSystemSkips {
  /** No such thing can exist there: why. */
  readonly tricks?: string
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const LIMIT_MS = 10_000

export const fileSystemContract = (
  name: string,
  make: () => Promise<FileSystemSubject>,
  { skip = {} }: { skip?: FileSystemSkips } = {},
): void => {
  const test = suite(`file system: ${name}`)
  const check = (title: string, body: (subject: FileSystemSubject) => Promise<void>): void => {
    test(
      title,
      deadline(LIMIT_MS, async () => {
        const subject = await make()
        try {
          await body(subject)
        } finally {
          await subject.dispose()
        }
      }),
    )
  }
  const write = async ({ files }: FileSystemSubject, path: string, text: string): Promise<void> => {
    const file = await files.open(path, 'create')
    await file.write([bytes(text)], 0)
    await file.close()
  }
  const readAll = async ({ files }: FileSystemSubject, path: string): Promise<string> => {
    const file = await files.open(path, 'read')
    const into = new Uint8Array((await file.stat()).size)
    const count = await file.read(into, 0)
    await file.close()
    return new TextDecoder().decode(into.subarray(0, count))
  }

  check('what is written is read, at any position and over several pieces', async (subject) => {
    const path = `${subject.root}/a`
    const file = await subject.files.open(path, 'create')
    await file.write([bytes('one'), bytes(''), bytes('two')], 0)
    await file.write([bytes('three')], 100_000)
    await file.sync()
    const into = new Uint8Array(8)
    assert.is(await file.read(into, 2), 8)
    assert.equal(into, new Uint8Array([...bytes('etwo'), 0, 0, 0, 0]))
    assert.is(await file.read(into, 100_003), 2)
    assert.is(await file.read(into, 200_000), 0)
    assert.is((await file.stat()).size, 100_005)
    await file.close()
  })

  check('reads and writes views of shared memory', async ({ files, root }) => {
    const memory = createSharedMemory(1, 1)
    const page = new Uint8Array(memory.buffer, 4_096, 4_096)
    page.fill(7)
    const file = await files.open(`${root}/shared`, 'create', { direct: true })
    await file.write([page], 0)
    await file.sync()
    page.fill(0)
    assert.is(await file.read(page, 0), 4_096)
    assert.ok(page.every((byte) => byte === 7))
    await file.close()
  })

  check('create refuses a name that exists, read and update one that does not', async (subject) => {
    const { files, root } = subject
    await write(subject, `${root}/a`, 'kept')
    await rejectsWith('EEXIST', () => files.open(`${root}/a`, 'create'))
    await rejectsWith('EEXIST', () => files.open(`${root}/a`, 'create', { direct: true }))
    await rejectsWith('ENOENT', () => files.open(`${root}/b`, 'read'))
    await rejectsWith('ENOENT', () => files.open(`${root}/b`, 'update'))
    await rejectsWith('ENOENT', () => files.open(`${root}/none/b`, 'create'))
    await rejectsWith('ENOTDIR', () => files.open(`${root}/a/b`, 'create'))
    assert.is(await readAll(subject, `${root}/a`), 'kept')
  })

  check('a directory is not a file, and a file opened to be read is not written', async (subject) => {
    const { files, root } = subject
    await files.makeDirectory(`${root}/d`)
    await rejectsWith('EISDIR', () => files.open(`${root}/d`, 'read'))
    await write(subject, `${root}/a`, 'kept')
    const file = await files.open(`${root}/a`, 'read')
    await rejectsWith('EBADF', () => file.write([bytes('x')], 0))
    await file.close()
  })

  check('update neither truncates nor appends by itself', async (subject) => {
    const path = `${subject.root}/a`
    await write(subject, path, 'abcdef')
    const file = await subject.files.open(path, 'update')
    await file.write([bytes('X')], 1)
    await file.truncate(4)
    await file.truncate(6)
    await file.close()
    assert.is(await readAll(subject, path), 'aXcd\0\0')
  })

  check('close is idempotent and ends the file', async ({ files, root }) => {
    const file = await files.open(`${root}/a`, 'create')
    await Promise.all([file.close(), file.close()])
    await rejectsWith('EBADF', () => file.read(new Uint8Array(1), 0))
    await rejectsWith('EBADF', () => file.write([bytes('x')], 0))
    await rejectsWith('EBADF', () => file.sync())
    await rejectsWith('EBADF', () => file.stat())
  })

  check('directories are made once, listed, and removed when empty', async (subject) => {
    const { files, root } = subject
    assert.is(await files.makeDirectory(`${root}/d`), true)
    assert.is(await files.makeDirectory(`${root}/d`), false)
    await write(subject, `${root}/d/a`, '')
    await write(subject, `${root}/f`, '')
    await rejectsWith('EEXIST', () => files.makeDirectory(`${root}/f`))
    await rejectsWith('ENOENT', () => files.makeDirectory(`${root}/none/d`))
    assert.equal((await files.list(root)).sort(), ['d', 'f'])
    assert.equal(await files.list(`${root}/d`), ['a'])
    await rejectsWith('ENOENT', () => files.list(`${root}/none`))
    await rejectsWith('ENOTEMPTY', () => files.remove(`${root}/d`))
    await files.remove(`${root}/d/a`)
    await files.syncDirectory(`${root}/d`)
    await files.remove(`${root}/d`)
    await rejectsWith('ENOENT', () => files.remove(`${root}/d`))
    await rejectsWith('ENOENT', () => files.syncDirectory(`${root}/d`))
    assert.equal(await files.list(root), ['f'])
  })

  check('stat tells kind, size, links and identity', async (subject) => {
    const { files, root } = subject
    await write(subject, `${root}/a`, 'abc')
    await files.makeDirectory(`${root}/d`)
    const [file, directory, parent] = await Promise.all(['a', 'd', ''].map((n) => files.stat(`${root}/${n}`)))
    assert.equal([file?.kind, file?.size, file?.links], ['file', 3, 1])
    assert.is(directory?.kind, 'directory')
    assert.is(file?.device, parent?.device)
    assert.is.not(file?.inode, directory?.inode)
    assert.is(await files.stat(`${root}/none`), undefined)
    assert.is(await files.stat(`${root}/a/below`), undefined)
  })

  check('a file keeps when it was made, where that is known, and a copy has its own', async (subject) => {
    const { files, root } = subject
    await write(subject, `${root}/a`, 'abc')
    await files.makeDirectory(`${root}/d`)
    const bornOf = async (name: string) => (await files.stat(`${root}/${name}`))?.bornMs
    const born = await bornOf('a')
    assert.ok(Number.isSafeInteger(born) && born! >= 0)
    await files.rename(`${root}/a`, `${root}/d/b`)
    assert.is(await bornOf('d/b'), born)
    const file = await files.open(`${root}/d/b`, 'update')
    await file.write([bytes('xyz!')], 0)
    await file.close()
    assert.is(await bornOf('d/b'), born)
    if (born === 0) return
    // The clock of a file system may stand still for some milliseconds.
    for (let made = born; made === born; made = await bornOf('a')) {
      await files.remove(`${root}/a`).catch(() => undefined)
      await write(subject, `${root}/a`, 'abc')
    }
  })

  check('a removed file has no links but can be read while it is open', async (subject) => {
    const { files, root } = subject
    await write(subject, `${root}/a`, 'abc')
    const file = await files.open(`${root}/a`, 'read')
    await files.remove(`${root}/a`)
    const into = new Uint8Array(3)
    assert.is(await file.read(into, 0), 3)
    assert.equal(into, bytes('abc'))
    assert.is((await file.stat()).links, 0)
    await file.close()
  })

  check('rename replaces in one step, and the replaced file loses its link', async (subject) => {
    const { files, root } = subject
    await write(subject, `${root}/a`, 'old')
    await write(subject, `${root}/b`, 'new')
    const replaced = await files.open(`${root}/a`, 'read')
    await files.rename(`${root}/b`, `${root}/a`)
    assert.is((await replaced.stat()).links, 0)
    await replaced.close()
    assert.is(await readAll(subject, `${root}/a`), 'new')
    assert.equal(await files.list(root), ['a'])
    await rejectsWith('ENOENT', () => files.rename(`${root}/none`, `${root}/a`))
  })

  check('what may be written to is told without touching it', async (subject) => {
    const { files, root } = subject
    await write(subject, `${root}/file`, 'text')
    await files.checkWritable(root, 'directory')
    await files.checkWritable(`${root}/file`, 'file')
    await rejectsWith('ENOENT', () => files.checkWritable(`${root}/none`, 'directory'))
    await rejectsWith('ENOTDIR', () => files.checkWritable(`${root}/file`, 'directory'))
    assert.equal(await files.list(root), ['file'])
  })
  check('space is told in bytes and inodes', async ({ files, root }) => {
    const space = await files.space(root)
    assert.ok(space.freeBytes > 0 && space.freeBytes <= space.totalBytes && space.freeInodes > 0)
    await rejectsWith('ENOENT', () => files.space(`${root}/none`))
  })

  if (skip.tricks === undefined) {
    check('attack 31: links and FIFOs in place of a file are refused', async (subject) => {
      const { files, root, trick } = subject
      await write(subject, `${root}/target`, 'secret')
      await files.makeDirectory(`${root}/d`)
      trick?.('symbolic-link', `${root}/target`, `${root}/symbolic`)
      trick?.('symbolic-link', `${root}/nowhere`, `${root}/dangling`)
      trick?.('symbolic-link', `${root}/d`, `${root}/directory`)
      trick?.('hard-link', `${root}/target`, `${root}/hard`)
      trick?.('fifo', '', `${root}/fifo`)
      for (const mode of ['read', 'update'] as const) {
        await rejectsWith('ELOOP', () => files.open(`${root}/symbolic`, mode))
        await rejectsWith('EMLINK', () => files.open(`${root}/hard`, mode))
        await rejectsWith('EINVAL', () => files.open(`${root}/fifo`, mode))
      }
      await rejectsWith('EEXIST', () => files.open(`${root}/dangling`, 'create'))
      await rejectsWith('EEXIST', () => files.makeDirectory(`${root}/directory`))
      assert.is((await files.stat(`${root}/symbolic`))?.kind, 'other')
    })
  }

  test.run()
}
