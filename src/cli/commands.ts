// The commands, and which of them a line of arguments names or asks about.
import { invalid, quote } from './values.ts'

export type CommandName =
  | 'serve'
  | 'inspect'
  | 'verify'
  | 'key show'
  | 'key export'
  | 'key import'
  | 'disk list'
  | 'disk replace'
  | 'disk add'
  | 'disk drain'
  | 'metadata rebuild'
  | 'version'
  | 'help'

interface Command {
  readonly name: CommandName
  /** How --help shows it. */
  readonly usage: string
  readonly meaning: string
  /** How many words follow the name. */
  readonly words: number
  /** Whether it knows the flag --json. */
  readonly hasJson?: boolean
}

export const COMMANDS: readonly Command[] = [
  { name: 'serve', usage: 'serve', meaning: 'serve S3; what it does when no command is named', words: 0 },
  {
    name: 'inspect',
    usage: 'inspect BUCKET/KEY [--json]',
    meaning: 'print where every byte of an object lies and in which state it is, also beside a running store',
    words: 1,
    hasJson: true,
  },
  {
    name: 'verify',
    usage: 'verify [--json]',
    meaning:
      'check a stopped store from end to end and print what is wrong; the exit code is 1 when anything is',
    words: 0,
    hasJson: true,
  },
  {
    name: 'key show',
    usage: 'key show',
    meaning: 'print the access key and the secret key of the root identity that is kept with the store',
    words: 0,
  },
  {
    name: 'key export',
    usage: 'key export FILE',
    meaning: "save the store's key, without which nothing it keeps sealed can be read, to a new file",
    words: 1,
  },
  {
    name: 'key import',
    usage: 'key import FILE',
    meaning: 'put a saved key back on disks of a stopped store whose store.key is lost',
    words: 1,
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
  {
    name: 'disk add',
    usage: 'disk add DIR',
    meaning:
      'make the empty directory DIR, or several as --disks has them, new disks of the store: its smallest set is widened for what is written from then on; a running store goes on meanwhile',
    words: 1,
  },
  {
    name: 'disk drain',
    usage: 'disk drain DIR|NUMBER',
    meaning:
      'take a disk out of the store, by its directory or the number that disk list shows: nothing new is written to it, what is on it moves to the others of its set, and then it leaves; a running store goes on meanwhile',
    words: 1,
  },
  {
    name: 'metadata rebuild',
    usage: 'metadata rebuild [--json]',
    meaning: 'make the indexes of a stopped store anew from its journal, with any m disks missing',
    words: 0,
    hasJson: true,
  },
  { name: 'version', usage: 'version', meaning: 'print the version', words: 0 },
  { name: 'help', usage: 'help', meaning: 'print this page', words: 0 },
]

export interface Chosen {
  readonly command: Command
  /** What follows the command's name. */
  readonly rest: readonly string[]
}

const wordsOf = (args: readonly string[]): readonly string[] => {
  const firstFlag = args.findIndex((argument) => argument.startsWith('-'))
  return firstFlag === -1 ? args : args.slice(0, firstFlag)
}

const startsWith = (words: readonly string[], beginning: readonly string[]): boolean =>
  beginning.every((word, index) => word === words[index])

/** What a command's name begins with, whole words only: `disk` has `list` and `replace`. */
const within = (words: readonly string[]): readonly Command[] =>
  COMMANDS.filter(({ name }) => startsWith(name.split(' '), words))

const noCommand = (words: readonly string[]): Error => {
  const group = within(words.slice(0, 1))
  if (group.length === 0) {
    return invalid(`there is no command ${quote(words.join(' '))}; --help lists those there are`)
  }
  const names = group.map(({ usage }) => `moraine ${usage}`)
  return invalid(
    words.length === 1
      ? `${quote(words[0] ?? '')} is only the beginning of a command: ${names.join(', ')}`
      : `there is no command ${quote(words.join(' '))}, but ${names.join(', ')}`,
  )
}

/** The command that `args` begin with; `serve` when they begin with a flag or are empty. Throws CONFIG_INVALID. */
export const chooseCommand = (args: readonly string[]): Chosen => {
  const words = wordsOf(args)
  if (words.length === 0) return { command: COMMANDS[0]!, rest: args }
  const command = COMMANDS.find(({ name }) => startsWith(words, name.split(' ')))
  if (!command) throw noCommand(words)
  return { command, rest: args.slice(command.name.split(' ').length) }
}

const HELP_FLAGS: readonly string[] = ['--help', '-h']
const VERSION_FLAGS: readonly string[] = ['--version', '-V', '-v']

/** Whatever else is on the line, and whatever is wrong with it. */
export const isVersionAsked = (args: readonly string[]): boolean =>
  args[0] === 'version' || args.some((argument) => VERSION_FLAGS.includes(argument))

/**
 * The commands that help was asked for, `help disk` or `disk --help`; undefined when none was. Throws CONFIG_INVALID for what
 * is no command and no beginning of one.
 */
export const commandsToExplain = (args: readonly string[]): readonly Command[] | undefined => {
  const words = wordsOf(args)
  const isCommand = words[0] === 'help'
  if (!isCommand && !args.some((argument) => HELP_FLAGS.includes(argument))) return undefined
  const named = isCommand ? words.slice(1) : words
  const found = within(named)
  return found.length > 0 ? found : [chooseCommand(named).command]
}

/** Whether --json is among the arguments of a command that knows it, and all others. */
export const takeJson = (
  { hasJson = false }: Command,
  args: readonly string[],
): { isJson: boolean; rest: readonly string[] } => {
  const rest = hasJson ? args.filter((argument) => argument !== '--json') : args
  return { isJson: rest.length < args.length, rest }
}

/** Words that no command asked for are a mistake, a forgotten flag most likely. */
export const checkWords = ({ name, words }: Command, positionals: readonly string[]): void => {
  if (positionals.length > words) {
    const word = positionals[words] ?? ''
    const hint = within([word]).length > 0 ? '; the command comes first, then its flags' : ''
    throw invalid(`${name} does not know what ${quote(word)} is for${hint}`)
  }
  if (positionals.length < words)
    throw invalid(`${name} needs ${words === 1 ? 'a word' : `${words} words`} more`)
}
