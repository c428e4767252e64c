// How many connections may be held without taking from the store the files it works with. A process may have so many files
// and sockets open and no more; a connection costs whoever opens it nothing, and a disk that cannot open a file is none.
import { readFileSync } from 'node:fs'
import { fault } from './base/errors.ts'
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

/** What a disk has open at rest, a dozen, and as much again for what is written to it. */
const PER_DISK = 24
/** Pipes and queues of the threads, the program's own files, on a machine with many cores. */
const APART_FROM_DISKS = 48

/** Throws TOO_FEW_FILES, with what the operator can do about it, when so few files would make disks fail as soon as clients come. */
export const checkDescriptors = (disks: number, descriptors: number | undefined): void => {
  const wanted = CONNECTIONS_MIN + SURPLUS_MAX + APART_FROM_DISKS + PER_DISK * disks
  if (descriptors === undefined || descriptors >= wanted) return
  throw fault(
    'TOO_FEW_FILES',
    `this process may have ${descriptors} files open, and a store of ${disks} disks needs ${wanted}: ulimit -n raises the limit`,
  )
}
