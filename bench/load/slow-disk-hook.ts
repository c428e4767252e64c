// What a bench loads into every thread of a server (`node --import slow-disk-hook.js …`) to make one of its disks slow: the calls of
// the file system that concern files below a directory end so many times later than they did. SIGUSR2 turns it on and off. The
// product knows nothing of it.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { BroadcastChannel, isMainThread } from 'node:worker_threads'
import { SLOW_DISK_FACTOR, SLOW_DISK_ROOT } from './slow-disk-names.ts'

const root = `${process.env[SLOW_DISK_ROOT] ?? '/nowhere'}/`
const factor = Number(process.env[SLOW_DISK_FACTOR] ?? 1)
/** Descriptors of files on the disk. */
const onDisk = new Set<unknown>()
let isSlow = false

type Done = (error: unknown, ...values: unknown[]) => void
type Call = (...args: unknown[]) => unknown
const calls = fs as unknown as Record<string, Call>

/** Passes `done` on later, if that is what is to be. */
const stretched = (concerns: boolean, done: Done): Done => {
  if (!isSlow || !concerns) return done
  const startedMs = performance.now()
  return (...outcome) => {
    setTimeout(() => done(...outcome), (factor - 1) * (performance.now() - startedMs))
  }
}

const slowDown = (name: string, concerns: (first: unknown) => boolean): void => {
  const real = calls[name]!
  calls[name] = (...args) => {
    const done = args.pop() as Done
    return real(...args, stretched(concerns(args[0]), done))
  }
}

const isBelow = (path: unknown): boolean => typeof path === 'string' && path.startsWith(root)
const open = calls['open']!
calls['open'] = (path, ...rest) => {
  const done = rest.pop() as Done
  const noted: Done = (error, fd) => {
    if (isBelow(path)) onDisk.add(fd)
    else onDisk.delete(fd)
    done(error, fd)
  }
  return open(path, ...rest, stretched(isBelow(path), noted))
}
for (const name of ['read', 'write', 'writev', 'fdatasync', 'fsync', 'ftruncate']) {
  slowDown(name, (fd) => onDisk.has(fd))
}
for (const name of ['stat', 'lstat', 'readdir', 'unlink', 'rename', 'mkdir']) slowDown(name, isBelow)
syncBuiltinESMExports()

const channel = new BroadcastChannel('slow-disk')
channel.onmessage = (event: unknown) => {
  isSlow = (event as { data: boolean }).data
}
// A thread ends when its own work is over; waiting for a word is none.
;(channel as unknown as { unref(): void }).unref()
if (isMainThread) {
  process.on('SIGUSR2', () => {
    isSlow = !isSlow
    channel.postMessage(isSlow)
  })
}
