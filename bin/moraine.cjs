#!/usr/bin/env node
// The command. It is CommonJS for one reason: libuv reads UV_THREADPOOL_SIZE when its pool is first used, and loading an
// ES module uses it. Every disk may have a sync in flight, and a disk that hangs must not hold the others' threads.
process.env.UV_THREADPOOL_SIZE ??= '64'
import('../dist/src/main.js')
