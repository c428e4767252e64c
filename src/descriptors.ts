// How many connections may be held without taking from the store the files it works with. A process may have so many files
// and sockets open and no more; a connection costs whoever opens it nothing, and a disk that cannot open a file is none.
import { readFileSync } from 'node:fs'
import { SURPLUS_MAX } from './http/server.ts'

/** The store's share of what a process may have open: of a few disks it needs hundreds, for large writes one each and disk. */
const STORE_SHARE = 1 / 2
const CONNECTIONS_MIN = 16

/** The limit of this process; undefined where the system does not say. Node raises it to the hard one when it starts. */
export const descriptorsMax = (): number | undefined => {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    const value = /^Max open files\s+(\d+)\s/m.exec(limits)?.[1]
    return value === undefined ? undefined : Number(value)
  } catch {
    // Not Linux, or hidden.
    return undefined
  }
}

/** `wanted`, or as many as leave the store its share of `descriptors`. */
export const connectionsWithin = (wanted: number, descriptors: number | undefined): number =>
  descriptors === undefined
    ? wanted
    : Math.min(wanted, Math.max(CONNECTIONS_MIN, Math.floor(descriptors * (1 - STORE_SHARE)) - SURPLUS_MAX))
