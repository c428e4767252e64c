// Foreign clients as the tests run them, and the real tree of files they carry in and out.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  createReadStream,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { MiB } from '../../src/base/units.ts'
import { filesIn } from './disk-damage.ts'
import { bodyOf, createS3Client, type Target } from './s3-client.ts'
import { createTemporaryDirectory, REPOSITORY, type ServerProcess, startProcess } from './server-process.ts'
import { assert, hasCommand } from './uvu.ts'

/** Where every client is required the tree and the file have the size a release is judged by; elsewhere minutes count. */
const isThorough = process.env['MORAINE_REQUIRE_CLIENTS'] === '1'
export const TREE_FILES = isThorough ? 5000 : 150
export const BIG_FILE_BYTES = isThorough ? 1024 * MiB : 24 * MiB
export const CLIENT_LIMIT_MS = isThorough ? 900_000 : 120_000

export interface Finished {
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** What the client reads from its standard input; nothing by default. */
  readonly input?: string
}

/** What the user of this machine has set for AWS is none of the tests' business. */
const withoutOwnAws = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_')),
)

/** Runs a client to its end; anything but exit code 0 fails the test with what it said. */
export const runClient = async (
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> => {
  const { code, stdout, stderr } = await tryClient(command, args, options)
  const said = `${stdout.slice(-1500)}\n${stderr.slice(-1500)}`
  assert.is(code, 0, `${command} ${args.join(' ')} ended with ${code}: ${said}`)
  return { stdout, stderr }
}

/** Runs a client to its end, whatever that is. */
export const tryClient = (
  command: string,
  args: readonly string[],
  { environment = {}, cwd = REPOSITORY, input }: RunOptions = {},
): Promise<Finished & { code: number | null }> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { ...withoutOwnAws, ...environment },
      cwd,
    })
    let stdout = ''
    let stderr = ''
    child.stdin?.end(input)
    child.stdout!.on('data', (text: Buffer) => {
      stdout += text
    })
    child.stderr!.on('data', (text: Buffer) => {
      stderr += text
    })
    const limit = setTimeout(() => child.kill('SIGKILL'), CLIENT_LIMIT_MS)
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(limit)
      resolve({ code, stdout, stderr })
    })
  })

/** Names that clients encode, each in its own way. */
const AWKWARD_NAMES = [
  'a b/c d.txt',
  'plus+and%percent%20.txt',
  'ünï/çödé-日本.txt',
  "quote'and&amp;.txt",
  'brackets[1](2){3}.txt',
  'hash#question?.txt',
  'tilde~at@equals=.txt',
  'empty',
]

/** Fills `directory` with `count` files of a real tree: those of the installed packages, and a few with awkward names. */
export const createTree = (directory: string, count: number): void => {
  for (const [index, name] of AWKWARD_NAMES.entries()) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), name === 'empty' ? '' : bodyOf(index + 1, 1 + index * 7001))
  }
  let left = count - AWKWARD_NAMES.length
  const copy = (from: string, to: string): void => {
    for (const entry of readdirSync(from, { withFileTypes: true })) {
      if (left <= 0) return
      if (entry.isDirectory() && !entry.name.startsWith('.')) {
        copy(join(from, entry.name), join(to, entry.name))
      } else if (entry.isFile() && lstatSync(join(from, entry.name)).size < 4 * MiB) {
        mkdirSync(to, { recursive: true })
        copyFileSync(join(from, entry.name), join(to, entry.name))
        left--
      }
    }
  }
  copy(join(REPOSITORY, 'node_modules'), join(directory, 'packages'))
  assert.is(filesIn(directory).length, count, 'the installed packages have too few files for the tree')
}

/** Keys that are strings like any other: what a client can say of them at all must come through it unchanged. */
export const ODD_KEYS = [
  'a',
  'a/b',
  'x y',
  ' x',
  'p+q',
  '100%',
  '%2F',
  '%20',
  'a\\b',
  'question?x=1',
  'hash#f',
  'am&p<>"\'',
  'ünïcödé',
  'u\u0308',
  '🐘',
  'é'.repeat(512),
] as const

/** The keys of a bucket as the SDK sees them, in order. */
export const keysOf = async (target: Target, Bucket: string): Promise<string[]> => {
  const client = createS3Client(target)
  try {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }))
    return Contents.map(({ Key = '' }) => Key)
  } finally {
    client.destroy()
  }
}

export const inKeyOrder = (keys: readonly string[]): string[] =>
  [...keys].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)))

export const createBigFile = (path: string, size: number): void => {
  const file = openSync(path, 'w')
  const page = Buffer.from(bodyOf(size, MiB))
  for (let offset = 0; offset < size; offset += page.length) {
    // Megabytes must differ, or two swapped ones would look right.
    page.writeBigUInt64LE(BigInt(offset), 0)
    writeSync(file, page, 0, Math.min(page.length, size - offset))
  }
  closeSync(file)
}

export const digestOfFile = async (path: string): Promise<string> => {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: MiB })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** Both trees have the same files with the same bytes. */
export const compareTrees = async (expected: string, actual: string): Promise<void> => {
  const names = filesIn(expected)
  assert.equal(filesIn(actual), names)
  for (const name of names) {
    assert.is(await digestOfFile(join(actual, name)), await digestOfFile(join(expected, name)), name)
  }
}

/** A server and a directory for one suite of one client; both are made at the first use and gone after the suite. */
export interface ClientStage {
  readonly work: string
  server(): Promise<ServerProcess>
  close(): Promise<void>
}

export const createClientStage = (name: string): ClientStage => {
  const work = createTemporaryDirectory(name)
  let server: Promise<ServerProcess> | undefined
  return {
    work,
    server() {
      server ??= startProcess()
      return server
    },
    async close() {
      await (await server)?.stop()
      rmSync(work, { recursive: true, force: true })
    },
  }
}

/** The names under which the AWS tools look for credentials, and nothing of the user's own configuration. */
export const awsEnvironment = (server: ServerProcess): Record<string, string> => ({
  AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
  AWS_DEFAULT_REGION: server.region,
  AWS_CONFIG_FILE: '/nonexistent',
  AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
})

/** Before 1.36 boto3 sent no trailing checksums, and it is those that the tests are about. */
export const hasBoto3 = (): boolean =>
  hasCommand(
    'python3',
    '-c',
    'import boto3; assert tuple(map(int, boto3.__version__.split(".")[:2])) >= (1, 36)',
  )

/** One function of test/clients/with_boto3.py. */
export const runBoto3 = (endpoint: string, args: readonly string[], options: RunOptions): Promise<Finished> =>
  runClient('python3', [join(REPOSITORY, 'test', 'clients', 'with_boto3.py'), endpoint, ...args], options)
