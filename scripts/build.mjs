// Builds everything into dist/: TypeScript by tsc, the codec kernels by asc, each of these only when something it is made of
// has changed. Prints nothing when all is well.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const run = (script, ...args) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [join(root, 'node_modules', script), ...args], {
      cwd: root,
      stdio: 'inherit',
    })
    child.on('close', (code) => (code === 0 ? resolve() : process.exit(code ?? 1)))
  })

/** Removes outputs whose source is gone, so that a deleted test does not run on. */
const sweep = (directory) => {
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !/\.(js|d\.ts)(\.map)?$/.test(entry.name)) continue
    const output = join(entry.parentPath ?? entry.path, entry.name)
    const source = join(root, relative(join(root, 'dist'), output)).replace(/\.(js|d\.ts)(\.map)?$/, '.ts')
    if (!existsSync(source)) rmSync(output)
  }
}

const timeOf = (path) => (existsSync(join(root, path)) ? statSync(join(root, path)).mtimeMs : 0)

mkdirSync(join(root, 'dist', 'src', 'codec'), { recursive: true })
sweep(join(root, 'dist'))
const jobs = [() => run('typescript/bin/tsc', '-p', '.')]
const ASSEMBLY = 'src/codec/assembly'
const assembly = readdirSync(join(root, ASSEMBLY))
const changed = Math.max(
  ...assembly.map((file) => timeOf(join(ASSEMBLY, file))),
  ...['scripts/build.mjs', 'package-lock.json'].map(timeOf),
)
for (const name of assembly.filter((file) => /^kernel.*\.ts$/.test(file))) {
  const outFile = `dist/src/codec/${name.replace('.ts', '.wasm')}`
  if (timeOf(outFile) > changed) continue
  // The checksum module has two pages of its own; the kernels work on the memory they are given, whatever its size.
  const memory = name.includes('checksums')
    ? ['--initialMemory', '2', '--maximumMemory', '2']
    : ['--importMemory', '--sharedMemory', '--maximumMemory', '65536', '--enable', 'threads']
  const features = name.includes('relaxed') ? ['--enable', 'relaxed-simd'] : []
  const args = [
    `${ASSEMBLY}/${name}`,
    '--outFile',
    outFile,
    '-O3',
    '--noAssert',
    '--runtime',
    'stub',
    // Vectors pass between our own functions only; none of the module's exports takes one.
    '--disableWarning',
    '112',
    ...memory,
    '--enable',
    'simd',
    ...features,
  ]
  jobs.push(() => run('assemblyscript/bin/asc.js', ...args))
}
// asc takes seconds for each kernel, on one core.
const work = async () => {
  for (let job = jobs.shift(); job; job = jobs.shift()) await job()
}
await Promise.all(Array.from({ length: availableParallelism() }, work))
writeFileSync(join(root, 'dist', '.built'), '')
