// A disk is drained by the command while clients write, overwrite, delete and read, and the server is killed again and again meanwhile:
// nothing that was acknowledged is missing, the disk leaves, the store verifies, and two others may go after it.
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { createPrng } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { emptyDirectory } from '../support/disk-damage.ts'
import { readRedundancy } from '../support/redundancy.ts'
import { roundsOf } from '../support/rounds.ts'
import { bodyOf, createS3Client, inParallel, readObject, sha256 } from '../support/s3-client.ts'
import {
  createCredentials,
  createTemporaryDirectory,
  runProgram,
  type ServerProcess,
  startsOf,
} from '../support/server-process.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('draining')
const LIMIT_MS = 240_000
const KILLS = roundsOf(1, 8)
const KEYS = 24
const BUCKET = 'drained'
const start = startsOf(test)
const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))

/** Inline, packed and large in turn. */
const sizeOf = (index: number): number => [100, 12 * KiB, 40 * KiB, 300 * KiB, 100, 2 * MiB][index % 6] ?? 0

/** What each key may hold: the number of the body, or -1 for none. One that was not answered may have happened. */
class Known {
  readonly #possible = new Map<string, Set<number>>()
  #bodies = 0

  next(): number {
    return this.#bodies++
  }
  begin(key: string, body: number): void {
    this.#possible.set(key, new Set([...(this.#possible.get(key) ?? [-1]), body]))
  }
  end(key: string, body: number): void {
    this.#possible.set(key, new Set([body]))
  }
  keys(): string[] {
    return [...this.#possible.keys()]
  }
  async check(client: S3Client, key: string): Promise<void> {
    const found = await readObject(client, BUCKET, key).then(sha256, (error: { name?: string }) => {
      if (error.name === 'NoSuchKey') return undefined
      throw error
    })
    const possible = [...(this.#possible.get(key) ?? [])]
    const isKnown = possible.some((body) =>
      body === -1 ? found === undefined : found === sha256(bodyOf(body, sizeOf(body))),
    )
    assert.ok(isKnown, `${key} is one of ${possible}`)
  }
}

const write = async (client: S3Client, known: Known, key: string, isDelete: boolean): Promise<void> => {
  const body = isDelete ? -1 : known.next()
  known.begin(key, body)
  if (isDelete) await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: key }))
  else {
    const Body = bodyOf(body, sizeOf(body))
    await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body }))
  }
  known.end(key, body)
}

test(
  'a disk is drained under load and kill -9, then it and two others may go',
  seeded(LIMIT_MS, async (random) => {
    const data = createTemporaryDirectory('data')
    const credentials = createCredentials()
    const environment = {
      MORAINE_ROOT_ACCESS_KEY: credentials.accessKeyId,
      MORAINE_ROOT_SECRET_KEY: credentials.secretAccessKey,
    }
    const run = (...args: string[]) => runProgram([...args, '--data', data], { environment })
    const known = new Known()
    const chance = createPrng(random.below(2 ** 31))

    /** Writes and reads until the server is killed, or `isOver`. */
    const load = async (server: ServerProcess, isOver: () => boolean): Promise<void> => {
      const client = createS3Client(server, { maxAttempts: 2 })
      const one = async (worker: number): Promise<void> => {
        while (!isOver() && server.isRunning()) {
          // A key belongs to one worker: what it holds is known.
          const key = `${worker}/${chance.below(KEYS / 4)}`
          try {
            await write(client, known, key, chance.below(5) === 0)
            await known.check(client, key)
            await pause(150)
          } catch (error) {
            if ((error as Error).message.includes('is one of')) throw error
            await pause(50)
          }
        }
      }
      await Promise.all([0, 1, 2, 3].map(one))
    }

    let server = await start({ data, credentials })
    const client = createS3Client(server)
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
    const first = Array.from({ length: KEYS }, (_, i) => `${i % 4}/${i >> 2}`)
    await inParallel(first, 4, (key) => write(client, known, key, false))
    const wrong = await run('disk', 'drain', join(data, 'd3'), '--port', '1')
    assert.match(wrong.stderr, /give the --host and --port/)
    const begun = await run('disk', 'drain', join(data, 'd3'), '--port', `${server.port}`)
    assert.is(begun.code, 0, begun.stderr)
    assert.match(begun.stdout, /disk 3 .* 6 disks with 4\+2 become 5 disks with 3\+2/)
    for (let i = 0; i < KILLS; i++) {
      let isOver = false
      const loading = load(server, () => isOver)
      await pause(300 + random.below(1500))
      await server.kill()
      isOver = true
      await loading
      server = await start({ data, credentials })
      const reader = createS3Client(server)
      await inParallel(known.keys(), 8, (key) => known.check(reader, key))
    }
    let isOver = false
    const loading = load(server, () => isOver)
    const end = Date.now() + LIMIT_MS / 2
    while ((await readRedundancy(server)).disks.length > 5 && Date.now() < end) await pause(250)
    isOver = true
    await loading
    const { disks, draining } = await readRedundancy(server)
    assert.equal([disks.length, draining], [5, undefined])
    assert.is((await server.stop()).code, 0)

    const others = [1, 2, 4, 5, 6].map((number) => join(data, `d${number}`))
    rmSync(join(data, 'd3'), { recursive: true })
    const verified = await runProgram(['verify', '--disks', others.join(',')])
    assert.is(verified.code, 0, `${verified.stdout}${verified.stderr}`)
    for (const number of [1, 6]) emptyDirectory(join(data, `d${number}`))
    const last = await start({ disks: others, credentials })
    const reader = createS3Client(last)
    await inParallel(known.keys(), 8, (key) => known.check(reader, key))
    assert.is(existsSync(join(data, 'd3')), false)
  }),
)

test.run()
