#!/usr/bin/env node
// The command. It is CommonJS for two reasons. libuv reads UV_THREADPOOL_SIZE when its pool is first used, and loading an
// ES module uses it: every disk may have a sync in flight, and a disk that hangs must not hold the others' threads. And
// modules are read many at a time: under a limit of few open files that ends in a stack of Node's own, before any of ours ran.
const { readFileSync } = require('node:fs')

/** The modules of the program are some hundred and fifty, open at once at worst. What a store needs it says itself. */
const DESCRIPTORS_MIN = 256

const limits = () => {
  try {
    return readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return '' // Not Linux.
  }
}

const max = /^Max open files\s+(\d+)\s/m.exec(limits())?.[1]
if (Number(max ?? DESCRIPTORS_MIN) < DESCRIPTORS_MIN) {
  process.stderr.write(
    `moraine: this process may have ${max} files open, and ${DESCRIPTORS_MIN} are needed at least: ulimit -n raises the limit\n`,
    () => process.exit(1),
  )
} else {
  process.env.UV_THREADPOOL_SIZE ??= '64'
  import('../dist/src/main.js')
}
