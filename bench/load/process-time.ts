// What the server process has spent, all its threads included, from /proc. Zero where there is no /proc.
import { readFileSync } from 'node:fs'

/** The kernel counts in hundredths of a second on every Linux that runs Node. */
const TICKS_PER_SECOND = 100

export const cpuSecondsOf = (pid: number): number => {
  const text = readOrEmpty(`/proc/${pid}/stat`)
  // The command's name may hold spaces and brackets; the fields behind it begin after the last bracket.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND
}

export const peakMemoryMBOf = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+)/m.exec(readOrEmpty(`/proc/${pid}/status`))?.[1] ?? 0) / 1024

export const memoryMBOf = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readOrEmpty(`/proc/${pid}/status`))?.[1] ?? 0) / 1024

const readOrEmpty = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
