// Reading a shard's stripe when disks are missing, wrong or late: the bytes are right or there is an error.
import { Buffer } from 'node:buffer'
import { createCodecJobs, createCoder } from '../../src/actors/coder.ts'
import type { DiskProtocol, UnitOutcome, UnitRead } from '../../src/actors/disk-protocol.ts'
import { type ReadDependencies, readShards, type ShardsData } from '../../src/actors/reading.ts'
import { acquireStripe, offsetOf, viewOf } from '../../src/actors/stripe-buffer.ts'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { unavailable } from '../../src/base/errors.ts'
import type { DiskNumber, WriteId } from '../../src/base/ids.ts'
import { createPrng } from '../../src/base/prng.ts'
import { createReadPace, type ReadPace } from '../../src/base/read-pace.ts'
import { MiB } from '../../src/base/units.ts'
import { CODEC_RESERVED_BYTES, createKernel } from '../../src/codec/index.ts'
import type { ActorRef } from '../../src/runtime/actor.ts'
import { createArena } from '../../src/runtime/arena.ts'
import { payloadBytesOf, planStripes } from '../../src/storage/stripes.ts'
import { PAGE_BYTES } from '../../src/storage/unit.ts'
import { settle } from '../support/simulated-clock.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('reading')
const LIMIT_MS = 20_000
const WRITE = 'ab'.repeat(16) as WriteId
const [K, M] = [4, 2]

type Answer = UnitOutcome | 'out' | 'late' | 'failing once' | 'slow' | 'tardy'

/** Six disks with one stripe, each answering as `answers` says; and what a client would read. */
const makeStripe = async (answers: readonly Answer[], pace = createReadPace(systemClock)) => {
  const arena = createArena({ bytes: 64 * MiB, codecReservedBytes: CODEC_RESERVED_BYTES })
  const jobs = createCodecJobs(createKernel({ memory: arena.memory, reservedOffset: 0 }))
  const body = Buffer.from(createPrng(3).bytes(300_000))
  const plan = planStripes(body.length, K)
  const payloadBytes = payloadBytesOf(plan, 0)
  const written = await acquireStripe(arena, { units: K + M, payloadBytes, isUrgent: true, withinMs: 1000 })
  for (let unit = 0; unit < K; unit++) {
    viewOf(written.units[unit]!).set(
      body.subarray(unit * payloadBytes, (unit + 1) * payloadBytes),
      PAGE_BYTES,
    )
  }
  const slabs = written.units.map(offsetOf)
  jobs.seal({ write: WRITE, k: K, m: M, stripe: 0, payloadBytes, objectBytes: body.length, slabs })
  const units = written.units.map((unit) => Uint8Array.from(viewOf(unit)))
  written.release()

  const late: Promise<void>[] = []
  /** Tardy disks answer when it is opened. */
  let openGate = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    openGate = resolve
  })
  const asked = new Map<number, number>()
  const give = ({ unit, firstBlock, into }: UnitRead): void => {
    const start = PAGE_BYTES + firstBlock * 65_536
    const blocks = units[unit.index]!.subarray(start, start + into.length - PAGE_BYTES)
    viewOf(into).set(blocks, PAGE_BYTES)
  }
  const answer = async (slot: number, m: UnitRead): Promise<UnitOutcome> => {
    const turn = (asked.get(slot) ?? 0) + 1
    asked.set(slot, turn)
    const how = answers[slot]!
    if (how === 'late') {
      // The asker's patience ends before the disk's write into the slab does: the runtime still holds the slab.
      const { slab } = m.into
      slab.retain()
      late.push(
        new Promise((resolve) => {
          setTimeout(() => {
            viewOf(m.into).fill(0xee)
            slab.release()
            resolve()
          }, 60)
        }),
      )
      throw unavailable('ASK_TIMEOUT', 'too late')
    }
    if (how === 'tardy') await gate
    if (how === 'failing once' && turn === 1) throw unavailable('ACTOR_STOPPED', 'starting anew')
    if (how === 'missing' || how === 'corrupt') return how
    give(m)
    return 'ok'
  }
  const damaged: number[] = []
  const dependencies: ReadDependencies = {
    ...{ arena, clock: systemClock, coder: createCoder(jobs) },
    damaged: (_data, shard) => void damaged.push(shard),
    isSlow: (number) => answers[number - 1] === 'slow',
    pace,
    disk(number) {
      const slot = number - 1
      if (answers[slot] === 'out') return undefined
      const ask = (_type: string, m: UnitRead) => answer(slot, m)
      return { path: `disk-${slot}`, tell: () => true, ask } as unknown as ActorRef<DiskProtocol>
    },
  }
  const places = answers.map((_, slot) => ({ disk: (slot + 1) as DiskNumber }))
  const data: ShardsData = { kind: 'shards', write: WRITE, set: 0, k: K, m: M, size: body.length, places }
  const read = async (): Promise<Buffer> => {
    const pieces: Buffer[] = []
    for await (const chunk of readShards(data, { start: 0, length: data.size }, dependencies)) {
      // Late writes land while the client is still being served.
      await Promise.all(late)
      pieces.push(Buffer.from(Uint8Array.from(chunk.bytes)))
      chunk.release()
    }
    return Buffer.concat(pieces)
  }
  return { arena, asked, body, damaged, read, openGate }
}

const readsWhole = async (...answers: Answer[]): Promise<void> => {
  const { arena, body, read } = await makeStripe(answers)
  assert.ok(body.equals(await read()))
  assert.equal(arena.inUse(), { small: 0, large: 0 })
}

test(
  'any two of six may be out, missing, corrupt or late',
  deadline(LIMIT_MS, async () => {
    await readsWhole('ok', 'ok', 'ok', 'ok', 'ok', 'ok')
    for (const how of ['out', 'missing', 'corrupt', 'late'] as const) {
      await readsWhole(how, how, 'ok', 'ok', 'ok', 'ok')
      await readsWhole('ok', how, 'ok', 'ok', how, 'ok')
      await readsWhole('ok', 'ok', how, 'ok', 'ok', 'missing')
    }
  }),
)

test(
  'history 32: what a late disk writes into its slab never reaches a client',
  deadline(LIMIT_MS, async () => {
    await readsWhole('late', 'ok', 'late', 'ok', 'ok', 'ok')
  }),
)

/** Everything is late at once, and so many reads may be added. */
const impatient = (hedgeReads: number): ReadPace => ({
  begin: () => ({ lateMs: 1, end: () => undefined }),
  isSlow: () => false,
  isProvenSlow: () => false,
  mayTry: () => false,
  takeHedge(reads) {
    hedgeReads -= reads
    return hedgeReads >= 0
  },
})

test(
  'a unit that is late is computed from others, and its slab is held until the read into it has ended',
  deadline(LIMIT_MS, async () => {
    for (const answers of ['tardy ok ok ok ok ok', 'out tardy ok ok ok ok', 'ok tardy tardy ok ok ok']) {
      const { arena, body, read, openGate } = await makeStripe(answers.split(' ') as Answer[], impatient(100))
      assert.ok(body.equals(await read()), answers)
      const { small, large } = arena.inUse()
      assert.ok(small + large > 0, 'what is still read into is nobody else’s')
      openGate()
      await settle()
      assert.equal(arena.inUse(), { small: 0, large: 0 })
    }
  }),
)

test(
  'a unit that is late is waited for when the others do not suffice, or nothing more may be read',
  deadline(LIMIT_MS, async () => {
    for (const [answers, hedgeReads] of [
      ['tardy missing corrupt ok ok ok', 100],
      ['tardy ok ok ok ok ok', 3],
    ] as const) {
      const stripe = await makeStripe(answers.split(' ') as Answer[], impatient(hedgeReads))
      const reading = stripe.read()
      let isOver = false
      void reading.then(() => {
        isOver = true
      })
      await sleep(systemClock, 30)
      assert.not(isOver)
      stripe.openGate()
      assert.ok(stripe.body.equals(await reading))
      await settle()
      assert.equal(stripe.arena.inUse(), { small: 0, large: 0 })
    }
  }),
)

test(
  'disks that start anew are asked again',
  deadline(LIMIT_MS, async () => {
    await readsWhole('out', 'out', 'failing once', 'failing once', 'ok', 'ok')
  }),
)

test(
  'a slow disk is not asked while others will do, and is when they will not',
  deadline(LIMIT_MS, async () => {
    const spared = await makeStripe(['slow', 'ok', 'ok', 'slow', 'ok', 'ok'])
    assert.ok(spared.body.equals(await spared.read()))
    assert.equal([...spared.asked.keys()].sort(), [1, 2, 4, 5])
    assert.equal(spared.damaged, [])
    await readsWhole('slow', 'missing', 'ok', 'ok', 'ok', 'corrupt')
    await readsWhole('slow', 'slow', 'slow', 'slow', 'slow', 'slow')
  }),
)

test(
  'what is damaged is named, once for each time it was met',
  deadline(LIMIT_MS, async () => {
    const { damaged, read } = await makeStripe(['corrupt', 'ok', 'ok', 'ok', 'ok', 'ok'])
    await read()
    assert.equal([...new Set(damaged)], [0])
  }),
)

test(
  'three lost shards are a lost object; three silent disks are not',
  deadline(LIMIT_MS, async () => {
    for (const [code, how] of [
      ['OBJECT_LOST', 'corrupt'],
      ['QUORUM_READ', 'out'],
    ] as const) {
      const { arena, read } = await makeStripe([how, how, how, 'ok', 'ok', 'ok'])
      await rejectsWith(code, read)
      assert.equal(arena.inUse(), { small: 0, large: 0 })
    }
  }),
)

test.run()
