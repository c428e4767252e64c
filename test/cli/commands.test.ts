// Which command a line of arguments names.
import { checkWords, chooseCommand } from '../../src/cli/commands.ts'
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

test('what is no command is refused by name', async () => {
  const { message } = await rejectsWith('CONFIG_INVALID', () => chooseCommand(['server', '--port', '1']))
  assert.match(message, /"server"/)
  await rejectsWith('CONFIG_INVALID', () => chooseCommand(['key']))
  await rejectsWith('CONFIG_INVALID', () => chooseCommand(['servex']))
})

test('a word too many is refused', async () => {
  const { command } = chooseCommand(['serve'])
  checkWords(command, [])
  await rejectsWith('CONFIG_INVALID', () => checkWords(command, ['9000']))
})

test.run()
