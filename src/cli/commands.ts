// The commands and which one a line of arguments names.
import { invalid, quote } from './values.ts'

export type CommandName = 'serve' | 'key show' | 'disk list' | 'disk replace' | 'version' | 'help'

interface Command {
  readonly name: CommandName
  /** How --help shows it. */
  readonly usage: string
  readonly meaning: string
  /** How many words follow the name. */
  readonly words: number
}

export const COMMANDS: readonly Command[] = [
  { name: 'serve', usage: 'serve', meaning: 'serve S3; what it does when no command is named', words: 0 },
  {
    name: 'key show',
    usage: 'key show',
    meaning: 'print the access key and the secret key of the root identity that is kept with the store',
    words: 0,
  },
  {
    name: 'disk list',
    usage: 'disk list',
    meaning: 'print the disks of the store and the directory that holds each',
    words: 0,
  },
  {
    name: 'disk replace',
    usage: 'disk replace DIR',
    meaning:
      'let the empty directory DIR take the place of a disk that is missing; needed only when DIR lies on another device than the other disks',
    words: 1,
  },
  { name: 'version', usage: 'version', meaning: 'print the version', words: 0 },
  { name: 'help', usage: 'help', meaning: 'print this page', words: 0 },
]

export interface Chosen {
  readonly command: Command
  /** What follows the command's name. */
  readonly rest: readonly string[]
}

/** The command that `args` begin with; `serve` when they begin with a flag or are empty. Throws CONFIG_INVALID. */
export const chooseCommand = (args: readonly string[]): Chosen => {
  const firstFlag = args.findIndex((argument) => argument.startsWith('-'))
  const words = firstFlag === -1 ? args : args.slice(0, firstFlag)
  if (words.length === 0) return { command: COMMANDS[0]!, rest: args }
  const command = COMMANDS.find(({ name }) => `${words.join(' ')} `.startsWith(`${name} `))
  if (!command) throw invalid(`there is no command ${quote(words.join(' '))}; --help lists those there are`)
  return { command, rest: args.slice(command.name.split(' ').length) }
}

/** Words that no command asked for are a mistake, a forgotten flag most likely. */
export const checkWords = ({ name, words }: Command, positionals: readonly string[]): void => {
  if (positionals.length > words) {
    throw invalid(`${name} does not know what ${quote(positionals[words] ?? '')} is for`)
  }
  if (positionals.length < words)
    throw invalid(`${name} needs ${words === 1 ? 'a word' : `${words} words`} more`)
}
