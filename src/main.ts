// The command line's entry, and the only place that ends the process. It gives the real process (signals, standard output,
// exit code) to commands that know it only as arguments. What a command is made of is loaded when it is asked for: one that
// was mistyped needs no store, and a server nothing of what verifies its disks.
import { createRequire } from 'node:module'
import { basename } from 'node:path'
import { systemClock } from './base/clock.ts'
import { asMoraineError, assert, codeOf } from './base/errors.ts'
import { checkWords, chooseCommand, commandsToExplain, isVersionAsked, takeJson } from './cli/commands.ts'
import { formatHelp } from './cli/help.ts'
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, serve, type Terminal } from './cli/serve.ts'
import { watchSignals } from './cli/signals.ts'
import { type Config, readCommandLine } from './config.ts'
import { checkDescriptors, descriptorsMax } from './descriptors.ts'

/** How the operator called this program, so that what is printed can be copied. */
const programName = (): string => {
  const path = process.argv[1] ?? 'moraine'
  return basename(path) === 'moraine' ? 'moraine' : `node ${path}`
}

const versionLine = (): string => {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
  return `moraine ${version} (Node ${process.version})\n`
}

const runCommand = async (args: readonly string[]): Promise<number> => {
  const terminal = {
    isTerminal: process.stdout.isTTY === true,
    write: (text: string): void => void process.stdout.write(text),
  }
  const explained = commandsToExplain(args)
  if (explained) {
    terminal.write(formatHelp(explained.map(({ usage, meaning }) => [usage, meaning] as const)))
    return EXIT_OK
  }
  if (isVersionAsked(args)) {
    terminal.write(versionLine())
    return EXIT_OK
  }
  const { command, rest } = chooseCommand(args)
  const { isJson, rest: flags } = takeJson(command, rest)
  const { config, positionals } = readCommandLine(flags)
  checkWords(command, positionals)
  if (command.name === 'serve') return serveStore(config, terminal)
  if (command.name === 'key show') {
    const { readRootKeys } = await import('./offline/root-keys.ts')
    const { accessKeyId, secretAccessKey } = await readRootKeys(config.disks)
    terminal.write(`access key: ${accessKeyId}\nsecret key: ${secretAccessKey}\n`)
    return EXIT_OK
  }
  const request = { words: positionals, output: terminal, clock: systemClock }
  const { BESIDE } = await import('./cli/beside.ts')
  const beside = BESIDE[command.name]
  if (beside) {
    const progress = {
      isTerminal: process.stderr.isTTY === true,
      write: (text: string): void => void process.stderr.write(text),
    }
    const nextSignal = (): Promise<string> => watchSignals(process, systemClock)()
    return beside({ ...request, roots: config.disks, isJson, progress, nextSignal })
  }
  const { DISKS } = await import('./cli/disks.ts')
  const disks = DISKS[command.name]
  assert(disks, `${command.name} is done nowhere`)
  return disks({ ...request, config })
}

const serveStore = async (config: Config, terminal: Terminal): Promise<number> => {
  checkDescriptors(config.disks.length, descriptorsMax())
  const { createLineLog } = await import('./cli/log.ts')
  const { startServer } = await import('./server.ts')
  const nextSignal = watchSignals(process, systemClock)
  const log = createLineLog(config.logLevel)
  return serve(config, { startServer, log, terminal, nextSignal, program: programName() })
}

/** One sentence for what an operator can mend; a stack for what only a programmer can. */
const describe = (error: unknown): string => {
  const { kind, message, stack } = asMoraineError(error)
  return kind === 'bug' ? (stack ?? message) : message
}

// Whoever reads our output may have gone; that is no reason to stop serving.
process.stdout.on('error', () => undefined)
try {
  process.exit(await runCommand(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`moraine: ${describe(error)}\n`, () => {
    process.exit(codeOf(error) === 'CONFIG_INVALID' ? EXIT_USAGE : EXIT_FAILED)
  })
}
