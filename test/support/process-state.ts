// What there is of a process, seen from inside: threads, descriptors, timers, whatever keeps its event loop alive, listeners
// on `process`, names in the global object. Two states that are equal: what happened in between has left nothing.
//
// Some of it comes with the first use of Node itself and stays for good, libuv's threads for files for example. `warmUp`
// has them made before the first state is taken.
import { createHook } from 'node:async_hooks'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'

export interface ProcessState {
  /** Of the kernel: Node's own, workers, those of native libraries. */
  readonly threads: number
  /** What each descriptor leads to, in order. */
  readonly descriptors: readonly string[]
  /** What keeps the event loop alive, and timers that do not, each with where it was made. */
  readonly active: readonly string[]
  readonly timers: readonly string[]
  /** `EVENT COUNT` for whatever anybody listens to on `process`. */
  readonly listeners: readonly string[]
  readonly globals: readonly string[]
}

export interface ProcessWatch {
  listeners(): readonly string[]
  /** Timers set and not yet fired or cancelled, whether they keep the process alive or not. Those of `exceptFrom` do not count. */
  state(): Promise<ProcessState>
}

const TURNS = 3
const STACK_FRAMES = 40

/** Watches timers from now on. Lines of a timer's stack that name a file in `exceptFrom` make it one of the test's own. */
export const watchProcess = (exceptFrom: readonly string[]): ProcessWatch => {
  const timers = new Map<number, string>()
  const placeOf = (): string => {
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = STACK_FRAMES
    const lines = (new Error().stack ?? '').split('\n').slice(2)
    Error.stackTraceLimit = limit
    return lines.filter((line) => !line.includes('node:internal')).join(' < ')
  }
  createHook({
    init(id, type) {
      if (type !== 'Timeout') return
      const place = placeOf()
      if (!exceptFrom.some((name) => place.includes(name))) timers.set(id, place)
    },
    destroy: (id) => void timers.delete(id),
  }).enable()
  const listeners = (): string[] =>
    process
      .eventNames()
      .map((name) => `${String(name)} ${process.listenerCount(name)}`)
      .sort()
  return {
    listeners,
    async state() {
      // Node tells that a timer was cancelled in the next turn.
      for (let turn = 0; turn < TURNS; turn++) await new Promise(setImmediate)
      return {
        threads: readdirSync('/proc/self/task').length,
        descriptors: descriptors(),
        active: process.getActiveResourcesInfo().filter((name) => name !== 'Immediate'),
        timers: [...timers.values()],
        listeners: listeners(),
        globals: Reflect.ownKeys(globalThis).map(String).sort(),
      }
    },
  }
}

/** Sockets and pipes by kind: their numbers are never the same. */
const descriptors = (): string[] =>
  readdirSync('/proc/self/fd')
    .map((number) => {
      try {
        return readlinkSync(`/proc/self/fd/${number}`).replace(/:\[\d+\]$/, '')
      } catch {
        // That of the directory that is being read.
        return ''
      }
    })
    .filter((target) => target !== '' && !/^\/proc\/\d+\/fd$/.test(target))
    .sort()

/** A file and a worker: what they need Node makes once, and then keeps. */
export const warmUp = async (): Promise<void> => {
  await stat('/')
  await once(new Worker('', { eval: true }), 'exit')
}
