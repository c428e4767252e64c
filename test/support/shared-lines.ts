// Lines that actors on any thread write down in the order in which things happen. A message to an actor that keeps them would
// not do: what two threads send to a third arrives in either order.
//
//   | lines begun | length, text | length, text | …
const LINE_BYTES = 32
const LINES_MAX = 500
const LENGTH = 0
const TEXT = 4

export const createLines = (): SharedArrayBuffer => new SharedArrayBuffer(4 + LINES_MAX * LINE_BYTES)

const lineAt = (index: number): number => 4 + index * LINE_BYTES

export const writeLine = (lines: SharedArrayBuffer, text: string): void => {
  const bytes = Buffer.from(text).subarray(0, LINE_BYTES - TEXT)
  const index = Atomics.add(new Int32Array(lines, 0, 1), 0, 1)
  if (index >= LINES_MAX) return
  new Uint8Array(lines).set(bytes, lineAt(index) + TEXT)
  // The length comes last: until it is there the line is not.
  Atomics.store(new Int32Array(lines, lineAt(index) + LENGTH, 1), 0, bytes.length)
}

export const readLines = (lines: SharedArrayBuffer): string[] => {
  const read: string[] = []
  for (let index = 0; index < LINES_MAX; index++) {
    const length = Atomics.load(new Int32Array(lines, lineAt(index) + LENGTH, 1), 0)
    if (length === 0) break
    const start = lineAt(index) + TEXT
    read.push(Buffer.from(new Uint8Array(lines).slice(start, start + length)).toString())
  }
  return read
}
