// The library as its users get it: packed, installed into a project of its own, used from JavaScript and from TypeScript.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hasRegistry } from '../support/registry.ts'
import { assert, deadline, needing, suite } from '../support/uvu.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const test = suite('package')
const installed = needing(test, 'npm registry', hasRegistry())
let project = ''

const run = (command: string, args: readonly string[], cwd = project): string =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

/** What a program said that must fail. */
const spawnedOutput = (action: () => string): string => {
  try {
    return assert.unreachable(action()) as never
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout)
  }
}

test.before(() => {
  if (!hasRegistry()) return
  project = mkdtempSync(join(tmpdir(), 'moraine-project-'))
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'project', private: true, type: 'module' }),
  )
  run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', project], root)
  const tarball = readdirSync(project).find((name) => name.endsWith('.tgz'))!
  run('npm', ['install', '--no-audit', '--no-fund', '--silent', '--prefer-offline', `./${tarball}`])
  // The client and the compiler are the developers' own; what is tested is what the tarball brings.
  for (const name of ['@aws-sdk', '@smithy', 'typescript', '@types']) {
    const target = join(project, 'node_modules', name)
    if (name === '@types') rmSync(target, { recursive: true, force: true })
    symlinkSync(join(root, 'node_modules', name), target)
  }
})
test.after(() => {
  if (project !== '') rmSync(project, { recursive: true, force: true })
})

installed(
  'the example runs in a project that installed the tarball',
  deadline(60_000, async () => {
    cpSync(join(root, 'examples', 'embedded.mjs'), join(project, 'embedded.mjs'))
    assert.match(run(process.execPath, ['embedded.mjs']), 'whole, countable, recoverable')
  }),
)

installed(
  'its types are there, and say what is wrong',
  deadline(60_000, async () => {
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--lib',
      'es2023,esnext.disposable',
    ]
    const compile = (...files: readonly string[]): string =>
      run(process.execPath, ['node_modules/typescript/bin/tsc', ...options, '--types', 'node', ...files])
    const good = `import { createStore, type Store } from 'moraine'
      const store: Store = await createStore({ disks: ['/tmp/a', '/tmp/b'], port: 9000 })
      const { accessKeyId, secretAccessKey } = store.credentials
      console.log(store.endpoint, store.region, accessKeyId, secretAccessKey)
      await store.close()`
    writeFileSync(join(project, 'use.ts'), good)
    writeFileSync(join(project, 'wrong.ts'), good.replace("['/tmp/a', '/tmp/b']", '42'))
    const told = spawnedOutput(() => compile('use.ts', 'wrong.ts'))
    assert.match(told, /^wrong\.ts\(2,/)
    assert.not.match(told, /^use\.ts/m)
    // What they need beyond the compiler's defaults they bring: not everybody has the types of Node.
    const compilerOptions = { noEmit: true, strict: true, module: 'nodenext', target: 'es2022', types: [] }
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.ts'] }))
    assert.is(run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.']), '')
  }),
)

installed(
  'the command is installed with it',
  deadline(60_000, async () => {
    assert.match(
      run(join(project, 'node_modules', '.bin', 'moraine'), ['version']),
      /^moraine \d+\.\d+\.\d+ /,
    )
  }),
)

test.run()
