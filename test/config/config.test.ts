// The configuration: what an operator may write, which source wins, and one sentence for everything else.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { DAY, GiB, KiB, MiB } from '../../src/base/units.ts'
import { type Environment, readCommandLine, SETTINGS } from '../../src/config.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('config')
const directory = mkdtempSync(join(tmpdir(), 'moraine-config-'))
test.after(() => rmSync(directory, { recursive: true }))

const read = (line: string, environment: Environment = {}) =>
  readCommandLine(line === '' ? [] : line.split(' '), environment).config
const file = (content: unknown): string => {
  const path = join(directory, 'moraine.json')
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}
/** The line is refused in one sentence that has these words. */
const refuses = async (line: string, words: RegExp, environment: Environment = {}): Promise<void> => {
  const { message } = await rejectsWith('CONFIG_INVALID', () => read(line, environment))
  assert.match(message, words)
  assert.not.match(message, /\n/)
}

test('the defaults are loopback, six directories in ./data and no credentials', () => {
  assert.equal(read(''), {
    host: '127.0.0.1',
    port: 9000,
    disks: [1, 2, 3, 4, 5, 6].map((number) => resolve('data', `d${number}`)),
    region: 'us-east-1',
    arenaBytes: 256 * MiB,
    drainTimeoutMs: 30_000,
    repairBytesPerSecond: GiB,
    scrub: { periodMs: 7 * DAY, bytesPerSecond: 32 * MiB },
    logLevel: 'info',
  })
})

test('every flag is read', () => {
  assert.equal(
    read(
      '--port 0 --host ::1 --disks /a,/b --parity 1 --region eu-1 --domain S3.Example.com --arena 1GiB --drain-timeout=2m --scrub-period 1d --scrub-rate 64KiB --repair-rate 5MiB --log-level debug',
    ),
    {
      host: '::1',
      port: 0,
      disks: ['/a', '/b'],
      parity: 1,
      region: 'eu-1',
      domain: 's3.example.com',
      arenaBytes: GiB,
      drainTimeoutMs: 120_000,
      repairBytesPerSecond: 5 * MiB,
      scrub: { periodMs: DAY, bytesPerSecond: 64 * KiB },
      logLevel: 'debug',
    },
  )
})

test('a flag wins over the variable, the variable over the file, the file over the default', () => {
  const config = file({ port: 1, region: 'file', host: 'localhost', disks: ['/x', '/y{1...2}'] })
  const environment = { MORAINE_PORT: '2', MORAINE_REGION: 'variable', MORAINE_CONFIG: config }
  const { port, region, host, disks, arenaBytes } = read('--port 3', environment)
  assert.equal([port, region, host, arenaBytes], [3, 'variable', 'localhost', 256 * MiB])
  assert.equal(disks, ['/x', '/y1', '/y2'])
  assert.is(read(`--config ${config}`, { MORAINE_CONFIG: '/nowhere' }).port, 1)
})

test('--data in a stronger place replaces --disks of a weaker one, and the other way round', () => {
  assert.equal(read('--data /d', { MORAINE_DISKS: '/a,/b' }).disks.length, 6)
  assert.equal(read('--disks /a,/b', { MORAINE_DATA: '/d' }).disks, ['/a', '/b'])
})

test('an empty variable is as good as none, and foreign variables are nobody’s business', () => {
  assert.is(read('', { MORAINE_PORT: '', MORAINE_SOMETHING: '1', PORT: '3' }).port, 9000)
})

test('a range of disks is written out, with its zeros', () => {
  assert.equal(read('--disks /m/disk{1...3}').disks, ['/m/disk1', '/m/disk2', '/m/disk3'])
  assert.equal(read('--disks /m/{09...10}/x').disks, ['/m/09/x', '/m/10/x'])
  assert.equal(read('--disks /r{1...2}/d{1...2}').disks, ['/r1/d1', '/r1/d2', '/r2/d1', '/r2/d2'])
  assert.is(read('--disks /mnt/disk{1...32}').disks.length, 32)
})

test('what is no flag, or has no value, is refused', async () => {
  await refuses('--prot 9000', /"--prot".*--help/)
  await refuses('-p 9000', /"-p"/)
  await refuses('--port', /--port needs a value/)
  await refuses('--port --host x', /--port needs a value/)
  await refuses('--port=', /--port needs a value/)
  await refuses('--no-port', /"--no-port"/)
  await refuses('--__proto__ x', /"--__proto__"/)
})

test('an impossible value is refused with the setting’s name, as it was given', async () => {
  await refuses('--port 70000', /--port is "70000" .* 0 to 65535/)
  await refuses('--port 9000x', /--port/)
  await refuses('', /MORAINE_PORT is "-1"/, { MORAINE_PORT: '-1' })
  await refuses(`--config ${file({ port: 1.5 })}`, /port in .*moraine\.json is "1\.5"/)
  await refuses('--host a_b', /--host/)
  await refuses('--region US', /--region.*lower-case/)
  await refuses('--domain 10.0.0.1', /--domain/)
  await refuses('--domain a..b', /--domain/)
  await refuses('--arena 1MiB', /--arena.*64MiB to 4GiB/)
  await refuses('--arena 256mib', /--arena.*such as 256MiB/)
  await refuses('--arena 1constructor', /--arena/)
  await refuses('--drain-timeout 30', /--drain-timeout.*such as 30s/)
  await refuses('--drain-timeout 2h', /at most 1h/)
  await refuses('--log-level loud', /debug, info, warn, error, silent/)
  await refuses(`--region ${'x'.repeat(5000)}`, /^.{1,200}$/)
})

test('--data stands for six disks, and for those that were added beside them', () => {
  const data = mkdtempSync(join(tmpdir(), 'moraine-config-'))
  const named = (): string[] =>
    readCommandLine(['--data', data], {}).config.disks.map((disk) => basename(disk))
  try {
    for (const name of ['d7', 'd8', 'd10']) mkdirSync(join(data, name))
    for (const name of ['d7', 'd10']) writeFileSync(join(data, name, 'disk.json'), '{}')
    assert.equal(named(), ['d1', 'd2', 'd3', 'd4', 'd5', 'd6', 'd7', 'd10'])
  } finally {
    rmSync(data, { recursive: true })
  }
})

test('disks that cannot be are refused', async () => {
  await refuses('--disks /a,/b --data /c', /--disks and --data exclude each other/)
  await refuses('--disks /a,,/b', /empty name/)
  await refuses('--disks /a,/b/../a', /names \/a twice/)
  await refuses('--disks /a{3...1}', /goes upwards/)
  await refuses('--disks /a{1..3}', /\{1\.\.\.3\}|written \{1\.\.\.8\}/)
  await refuses('--disks /a{1...99999999}', /at most 1024/)
  await refuses('--disks /a{1...1000}/b{1...1000}', /more than 1024/)
  await refuses('--disks /a{1...257}', /257 disks.*256 in all/)
  await refuses('--disks /a,/b,/c --parity 3', /--parity.*0 to 2/)
  await refuses('--parity 6', /--parity.*0 to 5/)
})

test('a configuration file that is none is refused', async () => {
  await refuses('--config /nowhere/at/all', /cannot be read \(ENOENT\)/)
  assert.is(read(`--config ${file('\uFEFF{"port": 3}')}`).port, 3, 'a byte order mark is passed over')
  await refuses(`--config ${file('{')}`, /is not JSON/)
  await refuses(`--config ${file([])}`, /one JSON object/)
  await refuses(`--config ${file({ prot: 1 })}`, /"prot", which is no setting/)
  await refuses(`--config ${file({ config: 'x' })}`, /"config", which is no setting/)
  await refuses(`--config ${file({ port: true })}`, /"port"/)
  await refuses(`--config ${file({ disks: [1] })}`, /"disks"/)
  // A flag would read it as two directories, of which one may be anywhere.
  await refuses(`--config ${file({ disks: ['/mnt/a,1', '/mnt/b'] })}`, /"\/mnt\/a,1" in "disks"/)
})

test('root credentials come from the environment, together, and are never quoted', async () => {
  const pair = (access: string, secret: string) => ({
    MORAINE_ROOT_ACCESS_KEY: access,
    MORAINE_ROOT_SECRET_KEY: secret,
  })
  assert.equal(read('', pair('someone', 'long enough'.replace(' ', '-'))).rootCredentials, {
    accessKeyId: 'someone',
    secretAccessKey: 'long-enough',
  })
  await refuses('', /together/, pair('someone', ''))
  await refuses('', /together/, pair('', 'long-enough'))
  await refuses('', /^MORAINE_ROOT_ACCESS_KEY must be 3/, pair('a/b/c', 'long-enough'))
  await refuses('', /^MORAINE_ROOT_SECRET_KEY must be 8 to 128 printable/, pair('someone', 'short'))
  await refuses('', /must differ/, pair('long-enough', 'long-enough'))
  await refuses('--root-secret-key x', /no flag/)
})

test('words that are no flags are handed back in order', () => {
  assert.equal(readCommandLine(['3', '--port', '1', '--', '--x'], {}).positionals, ['3', '--x'])
})

test('every setting is explained', () => {
  for (const { name, help } of SETTINGS) assert.ok(help.length > 10, name)
})

test.run()
