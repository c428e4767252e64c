// A disk that takes no more writes while the store runs is out with its cause, is not opened at every look only to fail at the
// next write, and is in use again once it takes them.
import { Buffer } from 'node:buffer'
import type { InspectorProtocol } from '../../src/actors/inspector.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import { FileError, type FileSystem } from '../../src/base/files.ts'
import { KiB, MINUTE, MiB } from '../../src/base/units.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { createLogLines } from '../support/log-lines.ts'
import { filesBelow } from '../support/memory-tree.ts'
import { createSimulation, openSimulatedStore } from '../support/simulated-store.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('a read-only disk')
const LIMIT_MS = 120_000
/** Of simulated time. */
const PATIENCE_MS = 1 * MINUTE
const OWNER = 'a'.repeat(64)
const ROOTS = Array.from({ length: 6 }, (_, slot) => `/store/d${slot + 1}`)
const ROOT = ROOTS[1]!

/** Below these directories nothing can be written while `refusal` says why not. */
const withReadOnly = (
  files: FileSystem,
  directories: readonly string[],
  refusal: () => string | undefined,
): FileSystem => {
  const check = (operation: string, path: string): void => {
    const code = refusal()
    const isBelow = directories.some((directory) => path.startsWith(`${directory}/`))
    if (code !== undefined && isBelow) throw new FileError(operation, path, code)
  }
  return {
    ...files,
    async open(path, mode, options) {
      if (mode !== 'read') check('open', path)
      const file = await files.open(path, mode, options)
      const write: typeof file.write = async (from, position) => {
        // A mode is looked at when a file is opened.
        if (refusal() === 'EROFS') check('write', path)
        await file.write(from, position)
      }
      return { ...file, write }
    },
    async makeDirectory(path) {
      check('makeDirectory', path)
      return files.makeDirectory(path)
    },
    async remove(path) {
      check('remove', path)
      await files.remove(path)
    },
    async rename(from, to) {
      check('rename', from)
      await files.rename(from, to)
    },
  }
}

for (const [cause, directories] of [
  ['EROFS', [ROOT]],
  ['EACCES', [`${ROOT}/volumes`, `${ROOT}/shards`]],
] as const) {
  test(
    `it is out for ${cause} as long as that lasts, and in use afterwards`,
    seeded(LIMIT_MS, async (_, seed) => {
      const memory = createMemoryFiles()
      const { log, of, told } = createLogLines()
      let refusal: string | undefined
      let probes = 0
      const asked = (): string | undefined => refusal
      const readOnly = withReadOnly(memory, directories, asked)
      const open: FileSystem['open'] = (path, ...rest) => {
        if (path.startsWith(ROOT) && path.endsWith('/probe')) probes++
        return readOnly.open(path, ...rest)
      }
      const files = { ...memory, ...readOnly, open }
      const store = await openSimulatedStore(createSimulation(seed), {
        files,
        roots: ROOTS,
        partitions: 2,
        log,
      })
      const eventually = async (what: string, isSo: () => Promise<boolean>): Promise<void> => {
        for (let leftMs = PATIENCE_MS; !(await isSo()); leftMs -= 100) {
          assert.ok(leftMs > 0, `not within ${PATIENCE_MS} ms: ${what}`)
          await store.pass(100)
        }
      }
      const second = async () => {
        const inspector = store.system.ref<InspectorProtocol>(PATHS.inspector)
        return (await store.run(inspector.ask('redundancy', {}, { withinMs: 10_000 }))).disks[1]
      }
      await store.run(store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
      const sizes = [9 * MiB, 300 * KiB]
      const put = async (key: string) => {
        for (const size of sizes) {
          const address = { bucket: 'bucket', key: `${key}-${size}` }
          const request = { ...address, owner: OWNER, headers: [], metadata: [] }
          const bytes = Buffer.alloc(size, key)
          await store.run(store.engine.objects.put(request, bodyOf(bytes)))
          assert.ok(Buffer.compare(await store.run(readBytes(store.engine, address)), bytes) === 0)
        }
      }
      await put('before')
      refusal = cause
      let tries = 0
      await eventually('a write meets it', async () => {
        // The one that meets it is tried again by its client.
        await put(`met-${tries++}`).catch(() => undefined)
        return of('disk-read-only').length > 0
      })
      const message = `${ROOT} cannot be written to (${cause}): its disk is out`
      await eventually('it is out, and said why', async () => {
        const disk = await second()
        return disk?.state === 'out' && disk.message === message
      })
      // None of these meets it, nor those after it was tried again in vain.
      for (const key of ['during-1', 'during-2']) await put(key)
      await eventually('it was tried again in vain', async () => probes > 0)
      for (const key of ['during-3', 'during-4']) await put(key)
      assert.is((await second())?.message, message)

      refusal = undefined
      await eventually('it is in use again', async () => {
        const disk = await second()
        return disk?.state === 'present' && disk.message === undefined
      })
      await put('after')
      const left = (await filesBelow(memory, ROOT)).filter(({ path }) => path.endsWith('/probe'))
      assert.equal(left, [])
      await store.close()
      assert.equal(
        ['disk-read-only', 'disk-stays-out', 'disk-found'].map((event) => of(event).length),
        [1, 1, 1],
      )
      assert.is(of('disk-stays-out')[0]?.fields['message'], message)
      assert.equal(
        told().filter((line) => line.startsWith('error') || /actor failed|dead letter/.test(line)),
        [],
      )
    }),
  )
}

test.run()
