// How long a store in memory takes until S3 clients can use it, in a process of its own: its first start, when nothing of
// ours has run before, and those that follow. Printed as JSON, in milliseconds.
import { createStore } from '../../src/index.ts'

const STARTS = 11
const times: number[] = []
for (let start = 0; start < STARTS; start++) {
  const startMs = performance.now()
  const store = await createStore({ disks: 'memory' })
  times.push(performance.now() - startMs)
  await store.close()
}
process.stdout.write(JSON.stringify(times))
