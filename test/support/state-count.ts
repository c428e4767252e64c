// How many states of the disks after a crash this process has looked at. Said when it ends, so that docs/durability.md can
// give figures that anyone gets again.
let states = 0

export const countState = (): void => {
  if (states === 0) process.once('exit', () => process.stdout.write(`crash states: ${states}\n`))
  states++
}
