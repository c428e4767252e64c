// Readiness of a store whose disks go and come back: what a load balancer goes by.
import { silentLog } from '../../src/base/log.ts'
import { MiB } from '../../src/base/units.ts'
import { type Server, startServer } from '../../src/server.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { eventually } from '../support/memory-tree.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('ready')
const LIMIT_MS = 60_000
const PATIENCE_MS = 20_000

let server: Server | undefined
test.after.each(() => server?.close())

/** The status of readiness, and why it is not 200. */
const askReady = async (): Promise<[status: number, reason: string | undefined]> => {
  const answer = await fetch(`${server!.endpoint}/-/health/ready`)
  return [answer.status, ((await answer.json()) as { reason?: string }).reason]
}

test(
  'a store is ready as long as it can read everything and write, alive in any case, and ready again with its disks',
  deadline(LIMIT_MS, async () => {
    const memory = createMemoryFiles()
    const disks = [1, 2, 3, 4].map((number) => `/memory/d${number}`)
    await memory.makeDirectory('/away')
    const config = {
      ...{ disks, host: '127.0.0.1', port: 0, region: 'us-east-1', drainTimeoutMs: 1_000 },
      ...{
        arenaBytes: 64 * MiB,
        logLevel: 'silent' as const,
        repairBytesPerSecond: MiB,
        scrub: { periodMs: 0, bytesPerSecond: MiB },
      },
    }
    server = await startServer(config, { log: silentLog, memory })
    const take = (number: number) => memory.rename(`/memory/d${number}`, `/away/d${number}`)
    const giveBack = (number: number) => memory.rename(`/away/d${number}`, `/memory/d${number}`)
    const untilOut = (count: number) =>
      eventually(`${count} disks are out`, PATIENCE_MS, async () => {
        const { disks: states } = await server!.redundancy()
        return states.filter(({ state }) => state === 'out').length === count
      })
    assert.equal(await askReady(), [200, undefined])
    await take(1)
    await untilOut(1)
    assert.equal(await askReady(), [200, undefined])
    await take(2)
    await untilOut(2)
    assert.equal(await askReady(), [503, 'too few disks can be reached to write'])
    await take(3)
    await untilOut(3)
    assert.equal(await askReady(), [503, 'too few disks can be reached to read everything'])
    assert.is((await fetch(`${server.endpoint}/-/health/live`)).status, 200)
    for (const number of [1, 2, 3]) await giveBack(number)
    await eventually('it is ready again', PATIENCE_MS, async () => (await askReady())[0] === 200)
  }),
)

test.run()
