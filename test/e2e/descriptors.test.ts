// A process that may open little, and clients that open as many connections as they like and say nothing: the store keeps the
// files it needs. Those who were connected are served as ever, no disk is given up, and everybody is served afterwards.
import { connect } from 'node:net'
import { createSigner } from '../../bench/load/presign.ts'
import { createStoreClient } from '../../bench/load/store-client.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { bodyOf } from '../support/s3-client.ts'
import { createTemporaryDirectory, PROGRAM, runProgram, startProcess } from '../support/server-process.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('descriptors')
const LIMIT = 1024
const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))

test(
  `${LIMIT} descriptors and more silent connections than that`,
  deadline(60_000, async () => {
    const script = `ulimit -n ${LIMIT}; exec "$@"`
    const server = await startProcess({
      command: ['sh', '-c', script, 'sh', process.execPath, PROGRAM, 'serve'],
    })
    const { presign } = createSigner({ ...server, nowMs: Date.now() })
    // One that is kept: another would be dropped like the silent ones.
    const served = createStoreClient(server.endpoint, { presign }, 1)
    const roundTrips = async (client: typeof served, round: string): Promise<void> => {
      for (const size of [100, 100 * KiB, 6 * MiB]) {
        const path = `/few/${round}-${size}`
        const put = await client.send('PUT', presign('PUT', path), bodyOf(size, size))
        assert.is(put.status, 200, `${round}, PUT of ${size}: ${put.body}`)
        const got = await client.send('GET', presign('GET', path))
        assert.ok(got.status === 200 && got.body.equals(bodyOf(size, size)), `${round}, GET of ${size}`)
      }
    }
    assert.is((await served.send('PUT', presign('PUT', '/few'))).status, 200)
    await roundTrips(served, 'before')
    const silent = Array.from({ length: 2 * LIMIT }, () => {
      const socket = connect(server.port, '127.0.0.1')
      socket.on('error', () => undefined)
      return socket
    })
    // Until the last of them was taken or dropped.
    const isSettled = (): boolean => silent.every(({ connecting }) => !connecting)
    while (!isSettled()) await pause(20)
    for (let round = 0; round < 3; round++) await roundTrips(served, `during-${round}`)
    for (const socket of silent) socket.destroy()
    served.close()
    const others = createStoreClient(server.endpoint, { presign })
    const ready = async (): Promise<boolean> =>
      (await others.send('GET', '/-/health/ready').catch(() => ({ status: 0 }))).status === 200
    while (!(await ready())) await pause(20)
    await roundTrips(others, 'after')
    others.close()
    assert.not.match(server.stderr(), /EMFILE|actor failed/)
    assert.is((await server.stop()).code, 0)
  }),
)

test(
  'too few of them to start with are one sentence',
  deadline(60_000, async () => {
    const args = ['serve', '--port', '0', '--data', createTemporaryDirectory('few')]
    for (const few of [64, 128, 300]) {
      const prefix = ['sh', '-c', `ulimit -n ${few}; exec "$@"`, 'sh']
      const { code, stdout, stderr } = await runProgram(args, { prefix })
      assert.equal([code, stdout], [1, ''])
      assert.match(
        stderr,
        new RegExp(`^moraine: this process may have ${few} files open[^\\n]*ulimit -n[^\\n]*\\n$`),
      )
    }
  }),
)

test.run()
