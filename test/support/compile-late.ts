// When the engine compiles what tests run. By default V8 hands a function to its optimizing compiler when about 64 KiB of its
// bytecode were run. A process that ends within a minute gets little of that back: of one that simulates the whole store a third of the
// processor time was the compiler's. Nine times as late it still finds what really is hot, a checksum or a search.
import { setFlagsFromString } from 'node:v8'

/** For the whole process, from now on. */
export const compileLate = (): void => setFlagsFromString('--interrupt-budget=600000')
