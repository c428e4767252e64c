// Reading what the medium has, and not what the system's cache remembers of it: for the scrub. Where a file system cannot do that,
// it is an ordinary read.
import type { FileSystem, OpenFile } from '../base/files.ts'
import { MiB } from '../base/units.ts'
import { createSharedMemory, hasWasm, WASM_PAGE_BYTES } from '../base/wasm.ts'
import { PAGE_BYTES } from './unit.ts'

/** Page aligned, as direct reads want it: what the engine's memories are, and its ordinary buffers are not. */
export const createWindow = (bytes: number): Uint8Array =>
  hasWasm ? new Uint8Array(memoryOf(bytes).buffer, 0, bytes) : new Uint8Array(bytes)

const memoryOf = (bytes: number): ReturnType<typeof createSharedMemory> => {
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES)
  return createSharedMemory(pages, pages)
}

export interface Medium {
  /** Up to `length` bytes from `offset`; fewer only at the end of the file. Rejects as the file system does. */
  read(path: string, offset: number, length: number): Promise<Uint8Array>
}

const WINDOW_BYTES = 1 * MiB

/** One window, of one read at a time. */
export const createMedium = (files: FileSystem): Medium => {
  let window: Uint8Array | undefined
  let last: Promise<unknown> = Promise.resolve()

  const fill = async (file: OpenFile, offset: number, into: Uint8Array): Promise<number> => {
    window ??= createWindow(WINDOW_BYTES)
    for (let done = 0; done < into.length; ) {
      const at = offset + done
      const skipped = at % PAGE_BYTES
      const wanted = Math.min(WINDOW_BYTES, skipped + into.length - done)
      const pages = Math.ceil(wanted / PAGE_BYTES) * PAGE_BYTES
      const count = Math.min(wanted, await file.read(window.subarray(0, pages), at - skipped))
      if (count > skipped) into.set(window.subarray(skipped, count), done)
      done += Math.max(0, count - skipped)
      if (count < wanted) return done
    }
    return into.length
  }
  const read = async (path: string, offset: number, into: Uint8Array, direct: boolean): Promise<number> => {
    const file = await files.open(path, 'read', { direct })
    try {
      return await fill(file, offset, into)
    } catch (error) {
      // Some file systems take the flag and refuse the read.
      const isRefused = file.isDirect && (error as { code?: string }).code === 'EINVAL'
      if (!isRefused) throw error
    } finally {
      await file.close()
    }
    return read(path, offset, into, false)
  }

  return {
    read(path, offset, length) {
      const into = new Uint8Array(length)
      const done = last.then(async () => into.subarray(0, await read(path, offset, into, true)))
      last = done.catch(() => undefined)
      return done
    },
  }
}
