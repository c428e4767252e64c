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
  /** One turn of a randomly picked actor, or one timer when none has anything to do. False when nothing is left at all. */
  step(): Promise<boolean>
  /** Steps until `promise` settles, and returns or throws what it did. Throws when all is quiet and it has not. */
  runUntil<T>(promise: Promise<T>, stepsMax?: number): Promise<T>
  /** Turns taken so far: with the same seed, the same number at the same point. */
  readonly turns: number
}

/** `advance` moves simulated time to the next timer and fires it; false when there is none. */
export const createSeededScheduler = (random: Random, advance: () => boolean): SeededScheduler => {
  const waiting: Turn[] = []
  let turns = 0
  // Everything that needs no time settles before the next choice, or the same seed would not give the same run.
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
  const step = async (): Promise<boolean> => {
    await settle()
    if (waiting.length === 0) return advance()
    const [next] = waiting.splice(random.below(waiting.length), 1)
    turns++
    next!.turn()
    await settle()
    return true
  }
  return {
    schedule: (turn) => void waiting.push(turn),
    step,
    get turns() {
      return turns
    },
    async runUntil(promise, stepsMax = 1_000_000) {
      let isSettled = false
      const done = () => {
        isSettled = true
      }
      promise.then(done, done)
      for (let steps = 0; ; steps++) {
        await settle()
        if (isSettled) return promise
        if (steps === stepsMax) throw new Error(`not settled after ${stepsMax} steps`)
        if (!(await step())) {
          await settle()
          if (isSettled) return promise
          throw new Error('nothing left to run, and not settled')
        }
      }
    },
  }
}
