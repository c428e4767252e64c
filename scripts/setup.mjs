// Makes a fresh clone ready: installs what package-lock.json names and builds what is older than its source.
// Every npm script calls it first, so each command works alone; when nothing is missing it looks at
// one hash and at file times.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const timeOf = (path) => (existsSync(join(root, path)) ? statSync(join(root, path)).mtimeMs : 0)
const newest = (directory) => {
  let latest = 0
  for (const entry of readdirSync(join(root, directory), { withFileTypes: true, recursive: true })) {
    latest = Math.max(latest, statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs)
  }
  return latest
}
const run = (command, args) => {
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (done.status !== 0) process.exit(done.status ?? 1)
}

// The stamp holds what was installed: file times say nothing after a checkout.
const stamp = join(root, 'node_modules', '.moraine-lock')
const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  writeFileSync(stamp, wanted)
}
const sources = ['src', 'test', 'bench'].filter((directory) => existsSync(join(root, directory)))
const changed = Math.max(timeOf('tsconfig.json'), timeOf('scripts/build.mjs'), ...sources.map(newest))
if (timeOf('dist/.built') < changed) run(process.execPath, ['scripts/build.mjs'])
