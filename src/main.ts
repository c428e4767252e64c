// The command: reads the arguments, does what they name, and turns whatever happens into an exit code. The only place that
// touches the process: its signals, its standard output and its end.
import { readFileSync } from 'node:fs'
import { systemClock } from './base/clock.ts'
import { codeOf } from './base/errors.ts'
import { COMMANDS, checkWords, chooseCommand } from './cli/commands.ts'
import { formatHelp } from './cli/help.ts'
import { createLineLog } from './cli/log.ts'
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, serve } from './cli/serve.ts'
import { watchSignals } from './cli/signals.ts'
import { isHelpAsked, readCommandLine } from './config.ts'
import { readRootKeys } from './offline.ts'
import { startServer } from './server.ts'

const write = (text: string): void => void process.stdout.write(text)

const versionOf = (): string => {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

const run = async (args: readonly string[]): Promise<number> => {
  const { command, rest } = chooseCommand(args)
  if (command.name === 'help' || isHelpAsked(args)) {
    write(formatHelp(COMMANDS.map(({ usage, meaning }) => [usage, meaning])))
    return EXIT_OK
  }
  if (command.name === 'version') {
    write(`${versionOf()}\n`)
    return EXIT_OK
  }
  const { config, positionals } = readCommandLine(rest)
  checkWords(command, positionals)
  if (command.name === 'key show') {
    const { accessKeyId, secretAccessKey } = await readRootKeys(config.disks)
    write(`access key: ${accessKeyId}\nsecret key: ${secretAccessKey}\n`)
    return EXIT_OK
  }
  return serve(config, {
    startServer,
    log: createLineLog(config.logLevel),
    terminal: { isTerminal: process.stdout.isTTY === true, write },
    nextSignal: watchSignals(process, systemClock),
    program: 'moraine',
  })
}

run(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`moraine: ${(error as Error).message}\n`)
    process.exit(codeOf(error) === 'CONFIG_INVALID' ? EXIT_USAGE : EXIT_FAILED)
  },
)
