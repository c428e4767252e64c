// Inside of a thread: the entry of a worker. It makes a hub, gives a cell to each actor it was assigned, and does what the
// main thread asks of it. It starts nothing by itself and catches nothing: what no actor catches ends the thread, and
// that is a fault of every actor on it.
import { workerData } from 'node:worker_threads'
import type { Endpoint } from 'comlink'
import { systemClock } from '../base/clock.ts'
import { assert } from '../base/errors.ts'
import type { Log, LogFields } from '../base/log.ts'
import { systemRandom } from '../base/prng.ts'
import { require } from '../base/require.ts'
import type { UntypedBehavior } from './actor.ts'
import { attachArena } from './arena.ts'
import type { Cell } from './cell.ts'
import {
  type Assignment,
  type Boot,
  type Connection,
  type Control,
  occupanciesOf,
  type ThreadReport,
} from './control.ts'
import { Hub } from './hub.ts'
import { Link } from './link.ts'
import { createScheduler } from './scheduler.ts'
import { decodeError, encodeError } from './wire-error.ts'

const { expose } = require('comlink') as typeof import('comlink')

const boot = workerData as Boot

const report = (message: ThreadReport): void => boot.reports.postMessage(message)

/** What a log line would show of it in the end; its text where it has no other form. */
const plainOf = (value: unknown): unknown => {
  if (value instanceof Error) return encodeError(value)
  if (typeof value === 'function') return String(value)
  if (typeof value !== 'object' || value === null) return value
  try {
    return JSON.parse(JSON.stringify(value))
  } catch {
    return String(value)
  }
}

/** Fields of a log line as plain data: an Error keeps its code and stack, what cannot be cloned its text. */
const plainFields = (fields: LogFields = {}): LogFields =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, plainOf(value)]))

const logAs =
  (level: 'debug' | 'info' | 'warn' | 'error') =>
  (event: string, fields?: LogFields): void =>
    report({ kind: 'log', level, event, fields: plainFields(fields) })

const log: Log = { debug: logAs('debug'), info: logAs('info'), warn: logAs('warn'), error: logAs('error') }

const hub = new Hub({
  thread: boot.thread,
  clock: systemClock,
  random: systemRandom,
  log,
  scheduler: createScheduler(),
  arena: boot.arena && attachArena(boot.arena, boot.thread),
  workerData: boot.workerData,
  movesBytes: boot.movesBytes,
})
hub.counters = new Int32Array(boot.counters)
hub.onSilence = (thread) => report({ kind: 'silence', thread })

/** The behaviour by the name under which its module exports it. */
const load = async ({ origin, path }: Assignment): Promise<UntypedBehavior> => {
  const module = (await import(origin.module)) as Record<string, unknown>
  const found = module[origin.name] as UntypedBehavior | undefined
  assert(found?.setup, `${origin.module} exports no behaviour ${origin.name} for ${path}`)
  return found
}

const own = occupanciesOf(boot.listings, boot.thread, boot.counters)
for (const { path, thread } of boot.listings) {
  if (thread !== boot.thread) hub.addRemote(path, thread)
}
for (const assignment of boot.assignments) {
  const { path, name, args, stopWithinMs } = assignment
  const behavior = await load(assignment)
  const cell = hub.createCell(
    path,
    { name, behavior, args, ...(stopWithinMs === undefined ? {} : { stopWithinMs }) },
    own.get(path)!,
  )
  if (assignment.hasEnded) await cell.end()
}

const cellAt = (path: string): Cell => {
  const cell = hub.cellOf(path)
  assert(cell, `${path} is not on this thread`)
  return cell
}

const control: Control = {
  connect({ thread, end, counters }: Connection) {
    hub.connect(
      thread,
      new Link(hub, thread, end),
      occupanciesOf(boot.listings, thread, counters, end.outgoing.sent),
    )
  },
  disconnect: (thread, error) => hub.disconnect(thread, decodeError(error)),
  async start(path, life) {
    const cell = cellAt(path)
    cell.owner = {
      faulted: (error) => report({ kind: 'faulted', path, life, error: encodeError(error) }),
      finished: () => report({ kind: 'finished', path, life }),
    }
    try {
      await cell.start()
      return { error: undefined }
    } catch (error) {
      return { error: encodeError(error) }
    }
  },
  halt: (path) => cellAt(path).halt(),
  end: (path, cause) => cellAt(path).end(cause && decodeError(cause)),
  resume: (path) => cellAt(path).resume(),
  inspect: () => ({
    temporaries: hub.cells
      .filter((cell) => cell.isTemporary)
      .map(({ path, state, spec, mailbox: { occupancy } }) => {
        const { messagesMax, bytesMax } = spec.behavior.mailbox
        const bounds = { messagesMax, bytesMax }
        return { path, state, messages: occupancy.messages, bytes: occupancy.bytes, bounds }
      }),
    deadLetters: hub.deadLetters.count,
    refused: hub.refusals.count,
  }),
}

expose(control, boot.control as unknown as Endpoint)
report({ kind: 'ready' })
