// How many states of the disks after a crash this process has looked at, each by its bytes: one that is equal to another,
// whatever led to it, counts once. Said when it ends, so that docs/durability.md can give figures that anyone gets again.
const seen = new Set<string>()

/** `digest` is of all bytes and names of the state. True for a state that was not counted yet. */
export const countState = (digest: string): boolean => {
  if (seen.size === 0) process.once('exit', () => process.stdout.write(`crash states: ${seen.size}\n`))
  const before = seen.size
  seen.add(digest)
  return seen.size > before
}

export const countedStates = (): number => seen.size
