// The port is asked for before anything else is done.
import { createServer } from 'node:net'
import { checkPort } from '../../src/s3/port.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('port')

test(
  'a free port passes and is free afterwards, a taken one is refused by number',
  deadline(2000, async () => {
    const holder = createServer()
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
    const { port } = holder.address() as { port: number }
    const { message } = await rejectsWith('PORT_IN_USE', () => checkPort('127.0.0.1', port))
    assert.match(message, new RegExp(`port ${port} of 127\\.0\\.0\\.1 is in use`))
    await new Promise((resolve) => holder.close(resolve))
    await checkPort('127.0.0.1', port)
    await checkPort('127.0.0.1', port)
    await checkPort('127.0.0.1', 0)
  }),
)

test(
  'an address that is none of this machine is refused by name',
  deadline(5000, async () => {
    // A documentation address (RFC 5737): no machine has it.
    const { message } = await rejectsWith('CONFIG_INVALID', () => checkPort('192.0.2.1', 9000))
    assert.match(message, /192\.0\.2\.1 is no address of this machine/)
  }),
)

test.run()
