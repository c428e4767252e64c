// History 35 for the whole store: a disk, or every disk, fills or runs out of inodes in the middle of each operation, at
// each of its writes in turn. The answer is 507 or 503, or the operation went through all the same; nothing is lost, what
// failed is there whole or not at all; with one disk full DELETE works at once, and all works again when there is room.
import type { UploadAddress } from '../../src/actors/engine.ts'
import { asMoraineError } from '../../src/base/errors.ts'
import { FileError, type FileSystem, type OpenFile } from '../../src/base/files.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { roundsOf } from '../support/rounds.ts'
import { createSimulation, openSimulatedStore, type SimulatedStore } from '../support/simulated-store.ts'
import { type Ground, prepareGround } from '../support/store-crash.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('a full disk')
const LIMIT_MS = 120_000
const ROOTS = ['/d1', '/d2', '/d3']
const OWNER = 'a'.repeat(64)
const SIZES = { inline: 5 * KiB, packed: 100 * KiB, large: 2 * MiB + KiB } as const
type Kind = keyof typeof SIZES
const KINDS = Object.keys(SIZES) as Kind[]

const contentOf = (kind: Kind, which: string): Buffer => Buffer.alloc(SIZES[kind], `${kind} ${which} `)
const address = (key: string) => ({ bucket: 'bucket', key })
const put = ({ engine }: SimulatedStore, key: string, bytes: Uint8Array): Promise<unknown> =>
  engine.objects.put({ ...address(key), owner: OWNER, headers: [], metadata: [] }, bodyOf(bytes))
const remove = ({ engine }: SimulatedStore, key: string): Promise<void> => engine.objects.delete(address(key))

/** What has no room: more bytes, or another name. */
type What = 'bytes' | 'inodes'

/** Disks that fill: after `left` more of what takes room below `root`, each is refused. */
class Filling {
  left = Number.POSITIVE_INFINITY
  /** How often it was refused. */
  refused = 0
  readonly files: FileSystem
  readonly #what: What
  readonly #root: string

  constructor(files: FileSystem, what: What, root: string) {
    this.#what = what
    this.#root = root
    this.files = {
      ...files,
      open: async (path, mode, options) => {
        if (mode === 'create') this.#take('inodes', 'open', path)
        return this.#wrap(await files.open(path, mode, options))
      },
      makeDirectory: async (path) => {
        if ((await files.stat(path)) === undefined) this.#take('inodes', 'makeDirectory', path)
        return files.makeDirectory(path)
      },
    }
  }

  #take(what: What, operation: string, path: string): void {
    if (what !== this.#what || !path.startsWith(this.#root)) return
    this.left -= 1
    if (this.left >= 0) return
    this.refused += 1
    throw new FileError(operation, path, 'ENOSPC')
  }

  #wrap(file: OpenFile): OpenFile {
    return {
      ...file,
      write: async (from, position) => {
        this.#take('bytes', 'write', file.path)
        await file.write(from, position)
      },
    }
  }
}

interface Operation {
  readonly name: string
  run(store: SimulatedStore, upload: UploadAddress): Promise<unknown>
}
const OPERATIONS: readonly Operation[] = [
  ...KINDS.map((kind) => ({
    name: `PUT of a new object, ${kind}`,
    run: (store: SimulatedStore) => put(store, 'new', contentOf(kind, 'new')),
  })),
  ...KINDS.map((kind) => ({
    name: `PUT over an object, ${kind}`,
    run: (store: SimulatedStore) => put(store, kind, contentOf(kind, 'new')),
  })),
  {
    name: 'a part',
    run: ({ engine }, at) => engine.uploads.putPart(at, 2, bodyOf(contentOf('packed', 'new'))),
  },
  { name: 'DELETE', run: (store) => remove(store, 'large') },
  { name: 'abort', run: ({ engine }, at) => engine.uploads.abort(at) },
]

const groundOf = async (seed: number): Promise<Ground> =>
  prepareGround(createSimulation(seed), ROOTS, [
    async (store) => {
      await store.run(store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
      for (const kind of KINDS) await store.run(put(store, kind, contentOf(kind, 'old')))
      await store.run(put(store, 'bystander', contentOf('packed', 'old')))
      const upload = { ...address('upload'), owner: OWNER, headers: [], metadata: [] }
      const { id } = await store.run(store.engine.uploads.create(upload))
      const at = { ...address('upload'), upload: id }
      await store.run(store.engine.uploads.putPart(at, 1, bodyOf(contentOf('large', 'old'))))
    },
  ])

/** Each object is what it was or what the operation was to make of it, and whole. */
const checkAll = async (store: SimulatedStore, gone: readonly string[]): Promise<void> => {
  const page = { bucket: 'bucket', prefix: '', delimiter: '', after: '', limit: 100 }
  const { versions } = await store.run(store.engine.objects.list(page))
  const keys = versions.map(({ key }) => key)
  for (const key of ['bystander', 'inline', 'packed'])
    assert.ok(keys.includes(key) || gone.includes(key), key)
  for (const key of keys) {
    const bytes = Buffer.from(await store.run(readBytes(store.engine, address(key))))
    const kind = KINDS.find((one) => SIZES[one] === bytes.length)!
    const may = ['old', 'new'].map((which) => contentOf(kind, which))
    assert.ok(
      may.some((content) => content.equals(bytes)),
      `${key} is whole`,
    )
  }
}

const outcomeOf = async (store: SimulatedStore, action: Promise<unknown>): Promise<string> => {
  try {
    await store.run(action)
    return 'done'
  } catch (error) {
    const { kind, code, stack } = asMoraineError(error)
    assert.ok(kind === 'unavailable' || code === 'DISK_FULL', `${code}: ${stack}`)
    return code
  }
}

/** Which disk is full, or all of them, after how many more writes or names. */
interface Where {
  readonly what: What
  readonly root: string
  readonly count: number
}
/** All roots begin so. */
const ALL = '/d'

/** The operation on a store whose disk fills; false when it did not get so far. */
const tryOnce = async (
  seed: number,
  ground: Ground,
  operation: Operation,
  where: Where,
): Promise<boolean> => {
  try {
    return await fillDuring(seed, ground, operation, where)
  } catch (error) {
    const told = `${where.what} of ${where.root} after ${where.count}`
    throw new Error(`${told}: ${(error as Error).message}`, { cause: error })
  }
}

const fillDuring = async (
  seed: number,
  ground: Ground,
  operation: Operation,
  { what, root, count }: Where,
): Promise<boolean> => {
  const memory = createMemoryFiles()
  await ground.disks(memory)
  const filling = new Filling(memory, what, root)
  const simulation = createSimulation(seed)
  const store = await openSimulatedStore(simulation, { files: filling.files, roots: ROOTS })
  const listed = { bucket: 'bucket', prefix: '', delimiter: '', after: { key: '', upload: '' }, limit: 9 }
  const [upload] = (await store.run(store.engine.uploads.list(listed))).uploads
  await store.pass(1_000)
  filling.left = count
  const outcome = await outcomeOf(store, operation.run(store, { ...address('upload'), upload: upload!.id }))
  const wasMet = filling.refused > 0
  // Now it is full in any case.
  filling.left = 0
  await checkAll(store, [])
  const removed = await outcomeOf(store, remove(store, 'bystander'))
  if (root !== ALL || what === 'inodes') assert.is(removed, 'done', `DELETE after ${outcome}`)
  await store.pass(3_000)
  filling.left = Number.POSITIVE_INFINITY
  await store.pass(40_000)
  await store.run(remove(store, 'bystander'))
  for (const kind of KINDS) await store.run(put(store, `after-${kind}`, contentOf(kind, 'new')))
  await checkAll(store, ['bystander'])
  await store.close()
  const again = await openSimulatedStore(simulation, { files: memory, roots: ROOTS })
  await checkAll(again, ['bystander'])
  await again.close()
  return wasMet
}

for (const operation of OPERATIONS) {
  test(
    `history 35: ${operation.name}, and there is no more room`,
    seeded(LIMIT_MS, async (_, seed) => {
      const ground = await groundOf(seed)
      const lacks = (['bytes', 'inodes'] as const).slice(0, roundsOf(1 + (seed % 2), 2))
      let met = 0
      for (const root of [...ROOTS.slice(0, roundsOf(1, ROOTS.length)), ALL]) {
        for (const what of lacks) {
          // Until the operation is over before the disk is full.
          for (let count = 0, wasMet = true; wasMet; count++) {
            wasMet = await tryOnce(seed, ground, operation, { what, root, count })
            if (wasMet) met++
          }
        }
      }
      assert.ok(met >= roundsOf(1, 4), `${met} writes were refused`)
    }),
  )
}

test.run()
