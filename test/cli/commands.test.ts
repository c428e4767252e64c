// Which command a line of arguments names, or asks about.
import {
  COMMANDS,
  checkWords,
  chooseCommand,
  commandsToExplain,
  isVersionAsked,
  takeJson,
} from '../../src/cli/commands.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('commands')

const choose = (line: string): [string, readonly string[]] => {
  const { command, rest } = chooseCommand(line === '' ? [] : line.split(' '))
  return [command.name, rest]
}

test('without a name it is serve', () => {
  assert.equal(choose(''), ['serve', []])
  assert.equal(choose('--port 1'), ['serve', ['--port', '1']])
  assert.equal(choose('serve --port 1'), ['serve', ['--port', '1']])
})

test('a command of two words is one command', () => {
  assert.equal(choose('key show --data x'), ['key show', ['--data', 'x']])
})

test('--json is known by the commands that have something for scripts', () => {
  const take = (line: string): [boolean, readonly string[]] => {
    const { command, rest } = chooseCommand(line.split(' '))
    const { isJson, rest: others } = takeJson(command, rest)
    return [isJson, others]
  }
  assert.equal(take('verify --json --data x'), [true, ['--data', 'x']])
  assert.equal(take('inspect a/b --data x --json'), [true, ['a/b', '--data', 'x']])
  assert.equal(take('metadata rebuild'), [false, []])
  assert.equal(take('serve --json'), [false, ['--json']])
})

test('what is no command is refused by name', async () => {
  const { message } = await rejectsWith('CONFIG_INVALID', () => chooseCommand(['server', '--port', '1']))
  assert.match(message, /"server"/)
  await rejectsWith('CONFIG_INVALID', () => chooseCommand(['key']))
  await rejectsWith('CONFIG_INVALID', () => chooseCommand(['servex']))
})

test('the beginning of a command says how it goes on', async () => {
  for (const line of ['disk', 'disk remove', 'disk --data x']) {
    const { message } = await rejectsWith('CONFIG_INVALID', () => chooseCommand(line.split(' ')))
    assert.match(
      message,
      /^[^\n]*"disk.*moraine disk list, moraine disk replace DIR, moraine disk add DIR, moraine disk drain DIR\|NUMBER$/,
      line,
    )
  }
  const { message } = await rejectsWith('CONFIG_INVALID', () => chooseCommand(['key']))
  assert.match(message, /moraine key show, moraine key export FILE, moraine key import FILE$/)
})

test('help is of everything, or of what it is asked for', async () => {
  const explained = (line: string): string | undefined =>
    commandsToExplain(line.split(' '))
      ?.map(({ name }) => name)
      .join()
  const all = explained('--help')
  assert.equal(all?.split(',').sort(), [...COMMANDS.map(({ name }) => name)].sort())
  for (const line of ['help', '-h', '--port x --help', '--bogus -h', 'help --bogus'])
    assert.is(explained(line), all)
  for (const line of ['disk --help', 'help disk'])
    assert.is(explained(line), 'disk list,disk replace,disk add,disk drain')
  assert.is(explained('key --help'), 'key show,key export,key import')
  for (const line of ['key show -h', 'help key show --data x']) assert.is(explained(line), 'key show')
  assert.is(explained('disk replace /mnt/d1 --help'), 'disk replace')
  for (const line of ['serve', 'disk list', 'serve --port 1']) assert.is(explained(line), undefined)
  await rejectsWith('CONFIG_INVALID', () => explained('help nonsense'))
  await rejectsWith('CONFIG_INVALID', () => explained('dis --help'))
})

test('the version is asked for as a command or as a flag', () => {
  for (const line of ['version', '--version', '-v', '-V', 'serve --version']) {
    assert.ok(isVersionAsked(line.split(' ')), line)
  }
  for (const line of ['serve', '--data version', 'disk replace version']) {
    assert.not.ok(isVersionAsked(line.split(' ')), line)
  }
})

test('a word too many is refused', async () => {
  const { command } = chooseCommand(['serve'])
  checkWords(command, [])
  await rejectsWith('CONFIG_INVALID', () => checkWords(command, ['9000']))
  const { message } = await rejectsWith('CONFIG_INVALID', () => checkWords(command, ['disk', 'list']))
  assert.match(message, /the command comes first/)
})

test.run()
