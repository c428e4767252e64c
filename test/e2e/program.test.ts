// The program as scripts and service managers know it: flags, exit codes, the ready line, signals, and starts that must
// fail with a clear message and leave everything as it was.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { type ClientRequest, request } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { createSigner } from '../../bench/load/presign.ts'
import type { ActorsView } from '../../src/actors/inspector.ts'
import { emptyDirectory, snapshotOf } from '../support/disk-damage.ts'
import { waitForRedundancy } from '../support/redundancy.ts'
import { createS3Client, readObject } from '../support/s3-client.ts'
import {
  createTemporaryDirectory,
  PROGRAM,
  runProgram,
  type ServerProcess,
  startProcess,
  startsOf,
} from '../support/server-process.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('program')
const LIMIT_MS = 60_000

const start = startsOf(test)
/** One for the tests that only look at a server. It has a flag of the engine: see there. */
let shared: Promise<ServerProcess> | undefined
const startShared = (): Promise<ServerProcess> => {
  shared ??= startProcess({ command: [process.execPath, '--max-old-space-size=512', PROGRAM, 'serve'] })
  return shared
}
test.after(async () => {
  await (await shared)?.kill()
})

/** The start fails with this exit code and one line that has these words. */
const refusesToStart = async (args: readonly string[], code: number, words: RegExp): Promise<void> => {
  const ending = await runProgram(args)
  // Lines of the log are JSON; what is for the operator is one line of its own.
  const told = ending.stderr.replace(/^\{.*\}\n/gm, '')
  assert.match(told, words)
  assert.is(ending.code, code, ending.stderr)
  assert.is(ending.stdout, '')
  assert.match(told, /^moraine: [^\n]+\n$/)
}

const disksIn = (data: string): string[] => [1, 2, 3, 4, 5, 6].map((number) => join(data, `d${number}`))

/** Sends the head and the first half of a PUT and waits until the server has begun to read it. */
const beginPut = async (
  server: ServerProcess,
  url: string,
): Promise<{ outgoing: ClientRequest; status: Promise<number | string> }> => {
  const outgoing = request(server.endpoint + url, { method: 'PUT', headers: { 'Content-Length': 100_000 } })
  const status = new Promise<number | string>((resolve) => {
    outgoing.on('response', (response) => resolve(response.resume().statusCode ?? 0))
    outgoing.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
  outgoing.write(Buffer.alloc(50_000))
  await new Promise((resolve) => setTimeout(resolve, 300))
  return { outgoing, status }
}

const putBucket = async (server: ServerProcess): Promise<(method: string, path: string) => string> => {
  await createS3Client(server).send(new CreateBucketCommand({ Bucket: 'bucket' }))
  return createSigner({ ...server, nowMs: Date.now() }).presign
}

test(
  'help explains itself and version is one line',
  deadline(LIMIT_MS, async () => {
    for (const args of [['--help'], ['serve', '--help'], ['help'], ['disk', '--help'], ['key', '-h']]) {
      const { code, stdout, stderr } = await runProgram(args)
      assert.equal([code, stderr], [0, ''])
      assert.match(stdout, /--drain-timeout/)
    }
    for (const args of [['version'], ['--version'], ['serve', '--version']]) {
      const { code, stdout, stderr } = await runProgram(args)
      assert.equal([code, stderr], [0, ''])
      assert.match(stdout, /^moraine \d+\.\d+\.\d+\S* \(Node v\d+\S*\)\n$/)
    }
  }),
)

test(
  'an unknown flag, command or impossible value is one sentence and exit code 2',
  deadline(LIMIT_MS, async () => {
    await refusesToStart(['--prot', '1'], 2, /"--prot"/)
    await refusesToStart(['serve', '--port', '70000'], 2, /--port is "70000"/)
    await refusesToStart(['serve', 'something'], 2, /"something"/)
    await refusesToStart(['server'], 2, /"server"/)
    await refusesToStart(['disk'], 2, /moraine disk list/)
    await refusesToStart(['help', 'server'], 2, /"server"/)
  }),
)

test(
  'flags of the engine may be given to node: every thread starts with them',
  deadline(LIMIT_MS, async () => {
    const server = await startShared()
    const client = createS3Client(server)
    await client.send(new CreateBucketCommand({ Bucket: 'flags' }))
    // Large enough for the codec pool.
    await client.send(new PutObjectCommand({ Bucket: 'flags', Key: 'k', Body: Buffer.alloc(1_000_000, 7) }))
    assert.equal(Buffer.from(await readObject(client, 'flags', 'k')), Buffer.alloc(1_000_000, 7))
    client.destroy()
  }),
)

test(
  'health answers anyone, redundancy and actors the root identity alone',
  deadline(LIMIT_MS, async () => {
    const server = await startShared()
    for (const page of ['live', 'ready']) {
      assert.is((await fetch(`${server.endpoint}/-/health/${page}`)).status, 200)
    }
    const { presign } = createSigner({ ...server, nowMs: Date.now() })
    for (const page of ['/-/health/redundancy', '/-/actors']) {
      assert.is((await fetch(server.endpoint + page)).status, 403)
      const answer = await fetch(server.endpoint + presign('GET', page))
      assert.is(answer.status, 200)
      assert.type(await answer.json(), 'object')
    }
    const { actors, threads } = (await (
      await fetch(server.endpoint + presign('GET', '/-/actors'))
    ).json()) as ActorsView
    const paths = [
      'storage/disk-0',
      'storage/disk-5',
      'metadata/bucket-0',
      'upkeep/repairer',
      'gateways/gateway-0',
    ]
    for (const path of paths) {
      const actor = actors.find((found) => found.path === `root/${path}`)
      if (actor?.kind !== 'actor') throw new Error(`${path} is not shown`)
      assert.equal([typeof actor.thread, actor.state, actor.restarts], ['string', 'up', 0], path)
      assert.ok(actor.mailbox.messagesMax > 0 && actor.mailbox.bytesMax > 0, path)
    }
    const supervisors = actors.flatMap((node) => (node.kind === 'supervisor' ? [node] : []))
    assert.equal(
      supervisors.map(({ path, strategy, state, restarts }) => `${path} ${strategy} ${state} ${restarts}`),
      [
        'root rest-for-one up 0',
        ...['storage', 'metadata', 'upkeep', 'gateways'].map((name) => `root/${name} one-for-one up 0`),
      ],
    )
    const shown = new Set<string>()
    for (const { path } of actors) {
      const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')))
      assert.ok(parent === '' || shown.has(parent), `${path} before ${parent}`)
      shown.add(path)
    }
    for (const thread of ['main', ...new Set(actors.map(({ thread }) => thread)), 'codec-0']) {
      const found = threads.find(({ name }) => name === thread)
      assert.equal([found?.state, found?.restarts], ['up', 0], thread)
    }
  }),
)

test(
  'a store in use is refused, and the one that has it goes on',
  deadline(LIMIT_MS, async () => {
    const server = await startShared()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const before = snapshotOf(server.data)
    await refusesToStart(['serve', '--port', '0', '--data', server.data], 1, /in use/)
    assert.equal(snapshotOf(server.data), before)
    assert.is((await fetch(`${server.endpoint}/-/health/ready`)).status, 200)
  }),
)

test(
  'the first line is ready and where, and what it serves is S3',
  deadline(LIMIT_MS, async () => {
    const server = await startShared()
    assert.match(server.stdout(), /^ready http:\/\/127\.0\.0\.1:\d+\naccess key: /)
    const client = createS3Client(server)
    await client.send(new CreateBucketCommand({ Bucket: 'bucket' }))
    await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'key', Body: 'body' }))
    assert.is(Buffer.from(await readObject(client, 'bucket', 'key')).toString(), 'body')
    assert.equal(await server.stop(), { code: 0, signal: null })
    assert.not.ok(server.stdout().includes(server.credentials.secretAccessKey))
    assert.not.ok(server.stderr().includes(server.credentials.secretAccessKey))
  }),
)

test(
  'a disk of another store is refused, and both stores stay as they were',
  deadline(LIMIT_MS, async () => {
    const [one, other] = [await startShared(), await start()]
    await one.stop()
    await other.stop()
    const before = [snapshotOf(one.data), snapshotOf(other.data)]
    const mixed = [...disksIn(one.data).slice(0, 5), join(other.data, 'd6')]
    await refusesToStart(['serve', '--port', '0', '--disks', mixed.join(',')], 1, /different stores/)
    assert.equal([snapshotOf(one.data), snapshotOf(other.data)], before)
  }),
)

test(
  'disks are listed, and one that is missing is replaced by the directory that the operator names',
  deadline(LIMIT_MS, async () => {
    const server = await start()
    const { data } = server
    await putBucket(server)
    await server.stop()
    const run = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await runProgram([...args, '--data', data])
      assert.is(code, 0, stderr)
      return stdout
    }
    const listed = (): Promise<string> => run('disk', 'list')
    assert.match(await listed(), new RegExp(`^position 1  number 1  set 0  ${data}/d1\n`))
    await refusesToStart(
      ['disk', 'replace', `${data}/d3`, '--data', data],
      2,
      /no disk of the store is missing/,
    )
    rmSync(join(data, 'd3'), { recursive: true })
    assert.match(await listed(), /^position 3 {2}number 3 {2}set 0 {2}missing$/m)
    mkdirSync(join(data, 'd3'))
    assert.match(await run('disk', 'replace', `${data}/d3`), /position 3/)
    const again = await start({ data, credentials: server.credentials })
    await waitForRedundancy(again, LIMIT_MS)
    assert.match(await listed(), new RegExp(`^position 3  number 7  set 0  ${data}/d3$`, 'm'))
  }),
)

test(
  'the stored root identity outlives restarts and any two disks, and only key show tells the secret',
  deadline(LIMIT_MS, async () => {
    const first = await start({ credentials: 'stored' })
    const { data } = first
    const show = async (): Promise<{ accessKeyId: string; secretAccessKey: string }> => {
      const { code, stdout, stderr } = await runProgram(['key', 'show', '--data', data])
      assert.is(code, 0, stderr)
      return {
        accessKeyId: /^access key: (\S+)$/m.exec(stdout)?.[1] ?? '',
        secretAccessKey: /^secret key: (\S+)$/m.exec(stdout)?.[1] ?? '',
      }
    }
    const credentials = await show()
    assert.is(credentials.accessKeyId, first.credentials.accessKeyId)
    assert.not.ok((first.stdout() + first.stderr()).includes(credentials.secretAccessKey))
    const client = createS3Client({ ...first, credentials })
    await client.send(new CreateBucketCommand({ Bucket: 'bucket' }))
    await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'key', Body: 'body' }))
    await first.stop()
    for (const disk of disksIn(data).slice(0, 2)) emptyDirectory(disk)
    assert.equal(await show(), credentials)
    const second = await start({ data, credentials: 'stored' })
    const again = createS3Client({ ...second, credentials })
    assert.is(Buffer.from(await readObject(again, 'bucket', 'key')).toString(), 'body')
  }),
)

test(
  'a taken port is said so, and nothing is made',
  deadline(LIMIT_MS, async () => {
    const holder = createServer()
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
    const { port } = holder.address() as { port: number }
    const data = createTemporaryDirectory()
    await refusesToStart(
      ['serve', '--port', String(port), '--data', data],
      1,
      new RegExp(`\\b${port}\\b.*in use`),
    )
    assert.equal(snapshotOf(data), [])
    holder.close()
  }),
)

test(
  'a directory that cannot be written is said so',
  deadline(LIMIT_MS, async () => {
    // Nobody can make anything there, root included.
    await refusesToStart(['serve', '--port', '0', '--disks', '/sys/kernel'], 1, /\/sys\/kernel/)
    const data = createTemporaryDirectory()
    writeFileSync(join(data, 'd1'), 'a file')
    await refusesToStart(['serve', '--port', '0', '--disks', join(data, 'd1')], 1, /d1/)
    assert.is(snapshotOf(data).length, 1)
  }),
)

test(
  'a directory with something else in it is left alone',
  deadline(LIMIT_MS, async () => {
    const data = createTemporaryDirectory()
    mkdirSync(join(data, 'd1'))
    writeFileSync(join(data, 'd1', 'thesis.txt'), 'four years')
    const before = snapshotOf(data)
    await refusesToStart(['serve', '--port', '0', '--disks', join(data, 'd1')], 1, /d1/)
    assert.equal(snapshotOf(data), before)
  }),
)

test(
  'SIGTERM lets a PUT in flight finish, refuses new requests with 503 and ends with 0',
  deadline(LIMIT_MS, async () => {
    const server = await start()
    const presign = await putBucket(server)
    const { outgoing, status } = await beginPut(server, presign('PUT', '/bucket/slow'))
    server.signal('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 300))
    const refused = await fetch(server.endpoint + presign('GET', '/bucket/other'))
    assert.equal([refused.status, refused.headers.get('retry-after') !== null], [503, true])
    outgoing.end(Buffer.alloc(50_000))
    assert.is(await status, 200)
    assert.equal(await server.ended, { code: 0, signal: null })
    const again = await start({ data: server.data, credentials: server.credentials })
    assert.is((await readObject(createS3Client(again), 'bucket', 'slow')).length, 100_000)
  }),
)

test(
  'a second signal stops at once, and so does the end of the drain',
  deadline(LIMIT_MS, async () => {
    const server = await start()
    const stuck = await beginPut(server, (await putBucket(server))('PUT', '/bucket/stuck'))
    server.signal('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 200))
    server.signal('SIGTERM')
    assert.is((await server.ended).code, 1)
    assert.type(await stuck.status, 'string')
    const patient = await start({ flags: ['--drain-timeout', '500ms'] })
    const second = await beginPut(patient, (await putBucket(patient))('PUT', '/bucket/stuck'))
    assert.is((await patient.stop()).code, 0)
    assert.type(await second.status, 'string')
  }),
)

test(
  'npm start takes flags, passes signals on and leaves no orphan',
  deadline(LIMIT_MS, async () => {
    const server = await start({ command: ['npm', 'start', '--'] })
    const ending = await server.stop()
    assert.is(ending.code, 0, JSON.stringify(ending))
    try {
      await fetch(`${server.endpoint}/-/health/live`)
      assert.unreachable('the server outlived npm')
    } catch (error) {
      assert.match(String((error as { cause?: unknown }).cause), /ECONNREFUSED/)
    }
  }),
)

/** A test process that starts a server through npm and tells where. */
const TESTER = `
  import { startProcess } from ${JSON.stringify(new URL('../support/server-process.js', import.meta.url).href)}
  const { endpoint, data } = await startProcess({ command: ['npm', 'start', '--'] })
  process.stdout.write(JSON.stringify({ endpoint, data }) + '\\n')`

test(
  'a test process that is killed takes its servers with it',
  deadline(LIMIT_MS, async () => {
    const tester = spawn(process.execPath, ['--input-type=module', '-e', TESTER], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      const [line] = (await once(createInterface({ input: tester.stdout }), 'line')) as [string]
      const { endpoint, data } = JSON.parse(line) as { endpoint: string; data: string }
      const isLive = (): Promise<boolean> =>
        fetch(`${endpoint}/-/health/live`).then(
          ({ ok }) => ok,
          () => false,
        )
      assert.ok(await isLive())
      tester.kill('SIGKILL')
      const endMs = performance.now() + LIMIT_MS / 2
      while (performance.now() < endMs && (await isLive()))
        await new Promise((resolve) => setTimeout(resolve, 20))
      assert.not.ok(await isLive(), `it lives on: ${endpoint}`)
      rmSync(data, { recursive: true })
    } finally {
      tester.kill('SIGKILL')
    }
  }),
)

test.run()
