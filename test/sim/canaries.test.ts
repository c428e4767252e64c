// Canaries: the store with a bug planted in it. The simulation has to find each. The bugs are patches to a copy of `src`; nothing of
// them is in the store itself.
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { roundsOf } from '../support/rounds.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('canaries')
const LIMIT_MS = 15 * 60_000
/** Each is found among the first few. */
const SEEDS_MAX = 60
/** From dist/test/sim. */
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const CANARIES = join(ROOT, 'test', 'sim', 'canaries')

const node = (cwd: string, ...args: string[]): string =>
  execFileSync(process.execPath, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

/** What was built, with the files that the patch changes built anew; resolves to the directory. */
const buildWith = (patch: string): string => {
  const directory = mkdtempSync(join(tmpdir(), 'moraine-canary-'))
  const text = readFileSync(join(CANARIES, patch), 'utf8')
  const files = [...text.matchAll(/^\+\+\+ b\/(\S+)$/gm)].map(([, file]) => file!)
  for (const file of files) {
    mkdirSync(join(directory, dirname(file)), { recursive: true })
    cpSync(join(ROOT, file), join(directory, file))
  }
  for (const name of ['package.json', 'tsconfig.json']) cpSync(join(ROOT, name), join(directory, name))
  for (const name of ['src', 'test']) {
    const filter = (path: string): boolean => !/\.(map|d\.ts)$/.test(path)
    cpSync(join(ROOT, 'dist', name), join(directory, 'dist', name), { recursive: true, filter })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  execFileSync('git', ['apply', join(CANARIES, patch)], { cwd: directory, stdio: 'inherit' })
  const compilerOptions = {
    ...{
      noCheck: true,
      noResolve: true,
      types: [],
      incremental: false,
      tsBuildInfoFile: null,
      declaration: false,
    },
  }
  const config = { extends: './tsconfig.json', compilerOptions, files, include: [] }
  writeFileSync(join(directory, 'tsconfig.canary.json'), JSON.stringify(config))
  node(directory, join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.canary.json')
  for (const file of files) {
    const built = join('dist', file.replace(/\.ts$/, '.js'))
    const [planted, healthy] = [directory, ROOT].map((root) => readFileSync(join(root, built), 'utf8'))
    assert.is.not(planted, healthy, `${patch} changes nothing`)
  }
  return directory
}

/** Where time is short one of them is drawn, another each time. */
const ALL = readdirSync(CANARIES)
  .filter((name) => name.endsWith('.patch'))
  .sort()
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const DRAWN = roundsOf(1, ALL.length) === 1 ? [ALL[SEED % ALL.length]!] : ALL

for (const patch of DRAWN) {
  test(
    `a planted bug is found: ${patch}, seed=${SEED}`,
    deadline(LIMIT_MS, async () => {
      const directory = buildWith(patch)
      try {
        const first = Number(process.env['SEED'] ?? 2006)
        const options = ['--seed', `${first}`, '--seeds', `${SEEDS_MAX}`, '--until-failure', '--no-shrink']
        const startMs = performance.now()
        // It ends with an error, as it should.
        const said = await new Promise<string>((resolve) => {
          try {
            resolve(node(directory, 'dist/test/sim/campaign/run.js', ...options))
          } catch (error) {
            resolve(String((error as { stdout?: unknown }).stdout))
          }
        })
        const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
        const [, seeds, failed] = /(\d+) seeds, (\d+) failed\s*$/.exec(said) ?? []
        assert.is(failed, '1', `seed=${first}: ${said.slice(-2_000)}`)
        const violation = /failed: Violation: .{0,120}/.exec(said)?.[0]
        console.log(`${patch}: found with seed ${seeds} of them, after ${seconds} s; ${violation}`)
        assert.ok(violation, said.slice(0, 2_000))
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    }),
  )
}

test.run()
