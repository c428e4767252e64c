// Joins calls that do the same thing: while one runs, all that come wait for one more, which starts after it. So a caller
// is only ever answered by a run that began after it called, which is what makes this right for syncs.

/** `run(key)` joined per key. */
export const coalesce = (run: (key: string) => Promise<void>): ((key: string) => Promise<void>) => {
  const running = new Map<string, Promise<void>>()
  const waiting = new Map<string, Promise<void>>()

  const start = (key: string): Promise<void> => {
    const done = run(key).finally(() => {
      if (running.get(key) === done) running.delete(key)
    })
    running.set(key, done)
    return done
  }
  return (key) => {
    const current = running.get(key)
    if (current === undefined) return start(key)
    const next = waiting.get(key)
    if (next !== undefined) return next
    const begin = (): Promise<void> => {
      waiting.delete(key)
      return start(key)
    }
    // How the current run ends is its own callers' concern.
    const queued = current.then(begin, begin)
    waiting.set(key, queued)
    return queued
  }
}
