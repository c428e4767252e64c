// A probe: an actor that does on request what a test wants to see handled (throw, take its time, hang, spawn, stop) and
// writes down what happens to it, in an actor of the same kind if it is given the path of one, or in shared lines.
import { type ErrorCode, type ErrorKind, MoraineError } from '../../src/base/errors.ts'
import { MiB } from '../../src/base/units.ts'
import { type Behavior, behavior, child, deferReply } from '../../src/runtime/actor.ts'
import type { Slab } from '../../src/runtime/arena.ts'
import { writeLine } from './shared-lines.ts'

type Nothing = Record<string, never>

export interface ProbeProtocol {
  /** Keeps `note` and answers how many it has. */
  note(message: { note: string }): number
  /** All notes so far, in order. */
  notes(message: Nothing): string[]
  echo(message: { value: unknown }): unknown
  /** Logs it. */
  say(message: { value: unknown }): void
  /** Throws; `kind` decides who must act. */
  fail(message: { kind: ErrorKind; code: ErrorCode }): void
  /** Reports a fault outside of any message. */
  failLater(message: { code: ErrorCode }): void
  /** Answers after `delayMs`, and nothing else is handled meanwhile. Writes down its start and its end. */
  work(message: { name: string; delayMs: number }): Promise<void>
  /** As `work`, overlapping with itself. */
  query(message: { name: string; delayMs: number }): Promise<void>
  /** Takes the next message at once, and answers after `delayMs`; fails then, if asked to. */
  commit(message: { delayMs: number; fail?: ErrorCode }): Promise<string>
  /** Starts a child that is a probe too; answers its path. */
  spawn(message: { name: string }): string
  stopChild(message: { path: string }): Promise<void>
  stopSelf(message: Nothing): void
  /** Fills a slab of the arena with `byte`, and hands it over. */
  makeSlab(message: { byte: number }): Promise<Slab>
  /** Takes its time, then answers the slab's first byte. The sender may be gone by then. */
  readSlab(message: { slab: Slab; delayMs: number }): Promise<number>
  /** Asks another probe, so many times at once, and answers how many were answered. */
  relay(message: { to: string; times: number }): Promise<number>
  /** Ends the thread in one of several ways. */
  ruin(message: { how: 'exit' | 'throw' | 'reject' | 'memory' | 'loop' }): Promise<void>
}

export interface ProbeArgs {
  /** Where to write down what happens: 'NAME up', 'NAME down', … */
  readonly record?: string
  /** As `record`, in the order of what happens on all threads. */
  readonly lines?: SharedArrayBuffer
  readonly name?: string
  readonly watches?: readonly string[]
  /** So many cleanups, each writing itself down. */
  readonly cleanups?: number
  /** Notes 'tick' so often. */
  readonly tickMs?: number
  /** One word: how many more setups throw DISK_IO. */
  readonly setupFailures?: SharedArrayBuffer
  /** The cleanup never ends. */
  readonly hangs?: boolean
}

export const probe: Behavior<ProbeProtocol, ProbeArgs> = behavior<ProbeProtocol, ProbeArgs>(
  import.meta.url,
  'probe',
  {
    mailbox: { messagesMax: 64, bytesMax: 8 * MiB },
    interleave: { query: 4 },
    answers: ['DISK_FULL'],
    tells: { DISK_GONE: { level: 'warn', event: 'probe-gone' } },
    setup(context, { record, lines, name = '', watches = [], cleanups = 0, tickMs, setupFailures, hangs }) {
      const notes: string[] = []
      const write = (what: string) => {
        if (lines) writeLine(lines, `${name} ${what}`)
        if (record) context.ref<ProbeProtocol>(record).tell('note', { note: `${name} ${what}` })
      }
      const sleep = (delayMs: number) =>
        new Promise<void>((resolve) => void context.clock.setTimer(delayMs, resolve))
      const work = async (message: { name: string; delayMs: number }) => {
        notes.push(`${message.name} begins`)
        await sleep(message.delayMs)
        notes.push(`${message.name} ends`)
      }
      write('up')
      context.defer(() => write('down'))
      for (let i = 1; i <= cleanups; i++) context.defer(() => write(`cleanup ${i}`))
      if (hangs) context.defer(() => new Promise(() => undefined))
      for (const path of watches) context.watch({ path }, 'note', { note: `${path} ended` })
      if (tickMs !== undefined) context.every(tickMs, 'note', { note: 'tick' })
      if (setupFailures && Atomics.sub(new Int32Array(setupFailures), 0, 1) > 0) {
        throw new MoraineError('fault', 'DISK_IO', 'asked to fail in setup')
      }
      return {
        note: ({ note }) => notes.push(note),
        notes: () => [...notes],
        echo: ({ value }) => value,
        say: ({ value }) => context.log.info('said', { value }),
        fail: ({ kind, code }) => {
          throw new MoraineError(kind, code, `asked to fail with ${code}`)
        },
        failLater({ code }) {
          context.clock.setTimer(
            1,
            () => context.fail(new MoraineError('fault', code, 'asked to fail later')),
            true,
          )
        },
        work,
        query: work,
        commit({ delayMs, fail }) {
          const synced = sleep(delayMs).then(() => {
            if (fail) throw new MoraineError('fault', fail, 'asked to fail the group')
            return 'synced'
          })
          return deferReply(synced)
        },
        spawn({ name: childName }) {
          const args = { name: childName, ...(record && { record }), ...(lines && { lines }) }
          return context.spawn(child(probe, childName, args)).path
        },
        stopChild: ({ path }) => context.stop({ path }),
        stopSelf: () => void context.stop(context.self),
        async makeSlab({ byte }) {
          const [slab] = await context.arena.acquire({ class: 'small', count: 1, withinMs: 1000 })
          slab!.bytes.fill(byte)
          return slab!
        },
        async readSlab({ slab, delayMs }) {
          await sleep(delayMs)
          return slab.bytes[0]!
        },
        async relay({ to, times }) {
          const other = context.ref<ProbeProtocol>(to)
          const ask = () => other.ask('echo', { value: new Uint8Array(100) }, { withinMs: 5000 })
          const answers = await Promise.allSettled(Array.from({ length: times }, ask))
          return answers.filter(({ status }) => status === 'fulfilled').length
        },
        async ruin({ how }) {
          if (how === 'exit') process.exit(3)
          if (how === 'throw') setImmediate(() => (undefined as unknown as () => void)())
          if (how === 'reject') void Promise.reject(new Error('nobody handles this'))
          while (how === 'loop');
          const hoard: number[][] = []
          while (how === 'memory') hoard.push(new Array(100_000).fill(1.5))
          await sleep(10_000)
        },
      }
    },
  },
)
