// Who runs next. An actor with something to do asks for a turn; a turn takes one message. In production turns run in
// the order they were asked for, in a microtask, and step aside for sockets and timers when they have run for a while. In
// simulation one seed picks the next actor, and time moves only when nobody has anything to do.
import type { Random } from '../base/prng.ts'

/** Something that wants to run once; asked for again, it runs again. */
export interface Turn {
  turn(): void
}

export interface Scheduler {
  schedule(turn: Turn): void
}

/** Turns in a row before the event loop gets to look at its sockets: about a millisecond of small messages. */
const TURNS_IN_A_ROW = 512

/** A microtask by way of a promise: the engine's own, without the context tracking of `queueMicrotask`. */
export const soon = Promise.resolve()

/** The order of asking. */
export const createScheduler = (): Scheduler => {
  let queue: Turn[] = []
  let isDue = false
  const run = () => {
    for (let done = 0; done < queue.length; done++) {
      if (done === TURNS_IN_A_ROW) {
        queue = queue.slice(done)
        setImmediate(run)
        return
      }
      queue[done]!.turn()
    }
    queue = []
    isDue = false
  }
  return {
    schedule(turn) {
      queue.push(turn)
      if (isDue) return
      isDue = true
      void soon.then(run)
    },
  }
}

export interface SeededScheduler extends Scheduler {
  /**
   * Steps while `goesOn` says so: each is one turn of a randomly picked actor, or one timer when none has anything to do. Resolves to
   * false when nothing is left at all. Rejects with what `goesOn`, which is asked before each step, throws.
   */
  runWhile(goesOn: () => boolean): Promise<boolean>
  /** Steps until `promise` settles, and returns or throws what it did. Throws when all is quiet and it has not. */
  runUntil<T>(promise: Promise<T>, stepsMax?: number): Promise<T>
  /** Turns taken so far: with the same seed, the same number at the same point. */
  readonly turns: number
}

/** Steps between two looks at what comes from outside. A step of its own costs a whole round of the event loop. */
const STEPS_IN_A_ROW = 64

/** `advance` moves simulated time to the next timer and fires it; false when there is none. */
export const createSeededScheduler = (random: Random, advance: () => boolean): SeededScheduler => {
  const waiting: Turn[] = []
  let turns = 0
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
  const step = (): boolean => {
    if (waiting.length === 0) return advance()
    const [next] = waiting.splice(random.below(waiting.length), 1)
    turns++
    next!.turn()
    return true
  }
  /** Resolves to whether there was something to do in each step, and `goesOn` still said so. */
  const stepInARow = (goesOn: () => boolean): Promise<'stopped' | 'idle' | 'busy'> =>
    new Promise((resolve, reject) => {
      let isOver = false
      const end = (how: 'stopped' | 'idle' | 'busy'): void => {
        isOver = true
        resolve(how)
      }
      const one = (isLast: boolean): void => {
        if (isOver) return
        try {
          if (!goesOn()) end('stopped')
          else if (!step()) end('idle')
          else if (isLast) end('busy')
        } catch (error) {
          isOver = true
          reject(error)
        }
      }
      // Between two immediates every promise that needs no time settles: before the next choice, or the same seed would not give
      // the same run.
      for (let i = 1; i <= STEPS_IN_A_ROW; i++) setImmediate(one, i === STEPS_IN_A_ROW)
    })
  const runWhile = async (goesOn: () => boolean): Promise<boolean> => {
    for (let isIdle = false; ; ) {
      const how = await stepInARow(goesOn)
      if (how === 'stopped') return true
      if (how === 'idle' && isIdle) return false
      isIdle = how === 'idle'
      // What comes from outside may still give somebody something to do.
      if (isIdle) await settle()
    }
  }
  return {
    schedule: (turn) => void waiting.push(turn),
    runWhile,
    get turns() {
      return turns
    },
    async runUntil(promise, stepsMax = 1_000_000) {
      let isSettled = false
      const done = () => {
        isSettled = true
      }
      promise.then(done, done)
      let steps = 0
      const goesOn = (): boolean => {
        if (isSettled) return false
        if (steps++ === stepsMax) throw new Error(`not settled after ${stepsMax} steps`)
        return true
      }
      if (!(await runWhile(goesOn))) throw new Error('nothing left to run, and not settled')
      return promise
    },
  }
}
