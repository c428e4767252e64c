// `serve` against a server that is only a record of calls: what it prints, when it drains, which exit code it ends with.
import { silentLog } from '../../src/base/log.ts'
import { formatHelp } from '../../src/cli/help.ts'
import { formatAccess, type RunningServer, type ServeDependencies, serve } from '../../src/cli/serve.ts'
import { readCommandLine, SETTINGS } from '../../src/config.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('serve')
const { config } = readCommandLine(['--data', '/srv/it is'], {})

/** A process with a server in it. `signal()` sends one, `giveUp()` fails the root. */
const createStage = (
  options: { isTerminal?: boolean; isStored?: boolean; drain?: () => Promise<void> } = {},
) => {
  const calls: string[] = []
  const lines: string[] = []
  const waiting: ((name: string) => void)[] = []
  let giveUp: (error: Error) => void = () => undefined
  let finish: () => void = () => undefined
  const closed = new Promise<void>((resolve, reject) => {
    finish = resolve
    giveUp = reject
  })
  const server: RunningServer = {
    endpoint: 'http://127.0.0.1:9000',
    region: 'us-east-1',
    credentials: {
      accessKeyId: 'ACCESS',
      secretAccessKey: 'the-secret',
      isStored: options.isStored ?? true,
    },
    closed,
    async drain(withinMs) {
      calls.push(`drain ${withinMs}`)
      await options.drain?.()
    },
    async close() {
      calls.push('close')
      finish()
    },
  }
  const dependencies: ServeDependencies = {
    startServer: async () => server,
    log: silentLog,
    terminal: { isTerminal: options.isTerminal ?? false, write: (text) => void lines.push(text) },
    nextSignal: () => new Promise((resolve) => waiting.push(resolve)),
    program: 'moraine',
  }
  return {
    dependencies,
    calls,
    giveUp: (error: Error) => giveUp(error),
    output: () => lines.join(''),
    async signal(name: string) {
      // The wait for a second signal begins a few microtasks after the first came.
      while (waiting.length === 0) await new Promise(setImmediate)
      waiting.shift()?.(name)
    },
  }
}

const forever = new Promise<void>(() => undefined)

test(
  'the first signal drains within the limit, closes and ends with 0',
  deadline(1000, async () => {
    const stage = createStage()
    const code = serve(config, stage.dependencies)
    await stage.signal('SIGTERM')
    assert.is(await code, 0)
    assert.equal(stage.calls, ['drain 30000', 'close'])
  }),
)

test(
  'a second signal ends the wait at once',
  deadline(1000, async () => {
    const stage = createStage({ drain: () => forever })
    const code = serve(config, stage.dependencies)
    await stage.signal('SIGTERM')
    await stage.signal('SIGINT')
    assert.is(await code, 1)
    assert.equal(stage.calls, ['drain 30000'])
  }),
)

test(
  'a signal while the store still starts ends the program, instead of waiting until it serves or gives up',
  deadline(1000, async () => {
    const stage = createStage()
    const code = serve(config, { ...stage.dependencies, startServer: () => new Promise(() => undefined) })
    await stage.signal('SIGTERM')
    assert.is(await code, 0)
    assert.is(stage.output(), '')
  }),
)

test(
  'a root supervisor that gives up ends the program with 70',
  deadline(1000, async () => {
    const stage = createStage()
    const code = serve(config, stage.dependencies)
    stage.giveUp(new Error('five restarts in a minute'))
    assert.is(await code, 70)
  }),
)

test(
  'a server that does not start rejects with its own error',
  deadline(1000, async () => {
    const stage = createStage()
    const startServer = async (): Promise<never> => {
      throw new Error('the port is taken')
    }
    try {
      await serve(config, { ...stage.dependencies, startServer })
      assert.unreachable()
    } catch (error) {
      assert.match((error as Error).message, /the port is taken/)
    }
    assert.is(stage.output(), '')
  }),
)

test(
  'the first line says ready and where',
  deadline(1000, async () => {
    const stage = createStage()
    const code = serve(config, stage.dependencies)
    await stage.signal('SIGTERM')
    await code
    assert.is(stage.output().split('\n')[0], 'ready http://127.0.0.1:9000')
  }),
)

test('the secret is shown to a terminal alone', () => {
  const { credentials, endpoint, region } = {
    credentials: { accessKeyId: 'ACCESS', secretAccessKey: 'the-secret', isStored: true },
    endpoint: 'http://127.0.0.1:9000',
    region: 'us-east-1',
  }
  const server = { credentials, endpoint, region }
  assert.match(formatAccess(server, config, true, 'moraine'), /secret key: the-secret/)
  const piped = formatAccess(server, config, false, 'moraine')
  assert.not.match(piped, /the-secret/)
  assert.match(piped, /moraine key show --data '\/srv\/it is'/)
  const own = { ...server, credentials: { ...credentials, isStored: false } }
  assert.not.match(formatAccess(own, config, true, 'moraine'), /the-secret/)
  assert.match(formatAccess(server, { disks: ['/a/d1', '/b'] }, false, 'moraine'), /--disks \/a\/d1,\/b/)
})

test('help shows every flag with its variable and its default', () => {
  const help = formatHelp([['serve', 'serve S3']])
  for (const { name, fallback } of SETTINGS) {
    assert.match(help, new RegExp(`--${name} `))
    assert.ok(help.includes(fallback))
  }
  assert.match(help, /MORAINE_DRAIN_TIMEOUT/)
  assert.ok(help.split('\n').every((line) => line.length <= 130))
})

test.run()
