// More than the store can take: it says 503 SlowDown, keeps within its memory, loses nothing it acknowledged, and serves
// as before when the storm is over.
import { readdirSync } from 'node:fs'
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { Signer } from '../../bench/load/presign.ts'
import { memoryMBOf, peakMemoryMBOf } from '../../bench/load/process-time.ts'
import { createStoreClient } from '../../bench/load/store-client.ts'
import { GiB, KiB, MiB } from '../../src/base/units.ts'
import { type RawRequest, sendRaw } from '../support/raw-sockets.ts'
import { roundsOf } from '../support/rounds.ts'
import { bodyOf, createS3Client, inParallel, readObject, sha256 } from '../support/s3-client.ts'
import { type StormedServer, startStormed } from '../support/thread-storm.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('overload')
const MEMORY_MB_MAX = 1024
const DECLARED_BYTES = GiB
/** From each of 200 uploads: 20 GiB, half as much again on the disks, and all of it removed at the end. */
const SENT_BYTES = 100 * MiB
/** The suite sends for seconds, as much as fits; scripts/slow-clients.mjs until all of it is sent. */
const isInFull = process.env['MORAINE_FULL_SIZE'] === '1'
const SENDING_MS_MAX = isInFull ? 3_600_000 : roundsOf(3_000, 20_000)
const LIMIT_MS = SENDING_MS_MAX + 340_000
const CONNECTIONS = roundsOf(500, 2000)
/** Of those that were acknowledged every so manyth is read back. */
const READ_EVERY = roundsOf(4, 1)
let server: StormedServer
let signer: Signer

test.before.each(async () => {
  // The program as it is; the saboteur in it only counts.
  server = await startStormed(0, 'as it is')
  signer = server.signer
  await createS3Client(server).send(new CreateBucketCommand({ Bucket: 'storm' }))
})
test.after.each(async () => {
  await server.kill()
  await server.close()
})

const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length
const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))

/** The store serves: bodies of all kinds go in and come out, with nothing refused. */
const serves = async (): Promise<void> => {
  const client = createS3Client(server)
  await inParallel([1, 2, 3, 4, 5, 6, 7, 8], 8, async (seed) => {
    const Body = bodyOf(seed, seed % 2 === 0 ? 5 * MiB : 10 * KiB)
    await client.send(new PutObjectCommand({ Bucket: 'storm', Key: `after/${seed}`, Body }))
    assert.is(sha256(await readObject(client, 'storm', `after/${seed}`)), sha256(Body))
  })
  client.destroy()
}

test(
  `${CONNECTIONS} connections at once: each is answered 200 or 503 SlowDown, what was acknowledged is there, nothing leaks`,
  deadline(LIMIT_MS, async () => {
    await serves()
    await pause(500)
    const before = descriptorsOf(server.pid)
    const body = bodyOf(1, 64 * KiB)
    const storm = Array.from({ length: CONNECTIONS }, (_, index) =>
      sendRaw(server.endpoint, 'PUT', signer.presign('PUT', `/storm/${index}`), body.length, body),
    )
    const outcomes = await Promise.all(storm.map(({ outcome }) => outcome))
    const counts = new Map<number | string, number>()
    for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
    const told = JSON.stringify([...counts])
    assert.equal(
      [...counts.keys()].filter((outcome) => outcome !== 200 && outcome !== 503),
      [],
      told,
    )
    assert.ok((counts.get(200) ?? 0) > 0, told)
    for (const { received, socket } of storm) {
      if (received().startsWith('HTTP/1.1 503')) assert.match(received(), /SlowDown/)
      socket.destroy()
    }
    const client = createStoreClient(server.endpoint, signer)
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome !== 200 || index % READ_EVERY > 0) continue
      const answer = await client.send('GET', signer.presign('GET', `/storm/${index}`))
      assert.ok(answer.status === 200 && answer.body.equals(body), `object ${index}`)
    }
    client.close()
    await serves()
    await server.untilArenaIsWhole()
    assert.ok(peakMemoryMBOf(server.pid) < MEMORY_MB_MAX, `${peakMemoryMBOf(server.pid)} MB`)
    await pause(1000)
    const after = descriptorsOf(server.pid)
    assert.ok(after < before + 50, `${before} descriptors before, ${after} after`)
  }),
)

test(
  '200 uploads in turns, 200 at a byte a second and 200 readers that stop: memory holds, others go on, all is freed',
  deadline(LIMIT_MS, async () => {
    const client = createS3Client(server)
    await client.send(new PutObjectCommand({ Bucket: 'storm', Key: 'big', Body: bodyOf(9, 32 * MiB) }))
    const declare = (name: string, index: number): RawRequest =>
      sendRaw(server.endpoint, 'PUT', signer.presign('PUT', `/storm/${name}/${index}`), DECLARED_BYTES)
    const uploads = Array.from({ length: 200 }, (_, index) => declare('turns', index))
    const tricklers = Array.from({ length: 200 }, (_, index) => declare('trickle', index))
    const stoppedMs = performance.now()
    const readers = Array.from({ length: 200 }, () => {
      const reader = sendRaw(server.endpoint, 'GET', signer.presign('GET', '/storm/big'), undefined)
      reader.socket.once('data', () => reader.socket.pause())
      return reader
    })
    const all = [...uploads, ...tricklers, ...readers]
    let memoryMBMax = 0
    let isOver = false
    const watching = (async () => {
      while (!isOver) {
        memoryMBMax = Math.max(memoryMBMax, memoryMBOf(server.pid))
        await pause(200)
      }
    })()
    const trickling = (async () => {
      while (!isOver) {
        for (const { socket } of tricklers) if (socket.writable) socket.write('x')
        await pause(1000)
      }
    })()
    // Small PUTs and GETs of others, while all that goes on; a 503 may be retried, as it asks for.
    const others = createS3Client(server, { maxAttempts: 4 })
    let served = 0
    const serving = (async () => {
      while (!isOver) {
        const Body = bodyOf(served, 30 * KiB)
        await others.send(new PutObjectCommand({ Bucket: 'storm', Key: 'others', Body }))
        assert.is(sha256(await readObject(others, 'storm', 'others')), sha256(Body))
        served++
        await pause(400)
      }
    })()
    try {
      const chunk = Buffer.alloc(256 * KiB)
      const sentBytes = await Promise.race([sendInTurns(uploads, chunk), serving])
      const refused = uploads.filter(({ received }) => received() !== '').length
      process.stdout.write(
        `  sent ${Math.round(Number(sentBytes) / MiB)} MiB, ${refused} of 200 were refused; `,
      )
      // A body that is too slow is cut after 30 s, a reader that takes nothing after 60 s: what a reader finds then, when
      // it reads on, is the end of its connection.
      await Promise.race([pause(stoppedMs + 65_000 - performance.now()), serving])
      for (const { socket } of readers) socket.resume()
      await Promise.race([Promise.all([...tricklers, ...readers].map(closed)), serving])
    } finally {
      isOver = true
      for (const { socket } of all) socket.destroy()
    }
    await Promise.all([watching, trickling, serving])
    assert.ok(served > 20, `others were served ${served} times`)
    process.stdout.write(`${Math.round(memoryMBMax)} MB, others were served ${served} times\n`)
    assert.ok(memoryMBMax < MEMORY_MB_MAX, `${memoryMBMax} MB`)
    await server.untilArenaIsWhole()
    // More at once than fits into it.
    const whole = Buffer.alloc(16 * MiB, 7)
    const direct = createStoreClient(server.endpoint, signer)
    await inParallel(
      Array.from({ length: 24 }, (_, index) => index),
      24,
      async (index) => {
        const path = signer.presign('PUT', `/storm/whole/${index}`)
        for (let status = 503; status !== 200; ) {
          status = (await direct.send('PUT', path, whole)).status
          assert.ok(status === 200 || status === 503, `${status}`)
          if (status === 503) await pause(500)
        }
      },
    )
    direct.close()
    await serves()
    await server.untilArenaIsWhole()
  }),
)

const closed = ({ socket }: RawRequest): Promise<void> =>
  socket.destroyed ? Promise.resolve() : new Promise((resolve) => socket.once('close', () => resolve()))

/** Each upload sends one chunk, then the next upload, round and round, as far as the server reads. Resolves to the bytes of all. */
const sendInTurns = async (uploads: readonly RawRequest[], chunk: Uint8Array): Promise<number> => {
  const endMs = performance.now() + SENDING_MS_MAX
  const sent = new Map(uploads.map((upload) => [upload, 0]))
  let total = 0
  while (sent.size > 0 && performance.now() < endMs) {
    let hasSent = false
    for (const [upload, bytes] of sent) {
      const { socket } = upload
      if (!socket.writable || bytes >= SENT_BYTES) sent.delete(upload)
      else if (socket.writableLength === 0) {
        socket.write(chunk)
        sent.set(upload, bytes + chunk.length)
        total += chunk.length
        hasSent = true
      }
    }
    // Looking again at once would take from the server the core that it reads with.
    await (hasSent ? new Promise(setImmediate) : pause(2))
  }
  return total
}

test.run()
