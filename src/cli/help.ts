// What `moraine --help` prints. The flags come from the table in config.ts, so a setting cannot be left out.
import { SETTINGS, variableOf } from '../config.ts'

const WIDTH = 100
const INDENT = 26

/** The whole of --help. `commands` are pairs of usage and meaning. */
export const formatHelp = (commands: readonly (readonly [usage: string, meaning: string])[]): string =>
  [
    'Moraine, an S3-compatible, erasure-coded object store.',
    '',
    'usage: moraine [COMMAND] [FLAGS]',
    '',
    ...commands.flatMap(([usage, meaning]) => formatRow(usage, meaning)),
    '',
    'Flags. Each may also be an environment variable or a member of the file that --config names; a flag wins',
    'over the variable, the variable over the file.',
    '',
    ...SETTINGS.flatMap(({ name, value, fallback, help }) =>
      formatRow(
        `--${name} ${value}`,
        `${help} (${variableOf(name)}${fallback === '' ? '' : `; default ${fallback}`})`,
      ),
    ),
    ...formatRow('--help', 'this page; after a command, or the beginning of one, what it is about'),
    ...formatRow('--version', 'the version'),
    '',
    'MORAINE_ROOT_ACCESS_KEY and MORAINE_ROOT_SECRET_KEY set the root identity. Without them a random one is made at',
    'the first start and kept with the store. There is no default password.',
    '',
    'exit codes: 0 stopped as asked, 2 a flag or value is wrong, 70 the store gave up, 1 anything else',
    '',
  ].join('\n')

const formatRow = (head: string, text: string): string[] => {
  const lines = wrap(text, WIDTH - INDENT)
  const first = `  ${head}`
  // A head that is too long for its column stands alone.
  const rows = first.length < INDENT - 1 ? [] : [first]
  return [
    ...rows,
    ...lines.map((line, index) => (index === 0 && rows.length === 0 ? first : '').padEnd(INDENT) + line),
  ]
}

const wrap = (text: string, width: number): string[] => {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
