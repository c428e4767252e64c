// What the compiler refuses. Each line below is a mistake; if one of them compiled, the build would fail.
import { type ActorRef, type Behavior, child } from '../../src/runtime/actor.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('actor')

interface Greeter {
  greet(message: { name: string }): Promise<string>
  forget(message: { name: string }): void
}
const bounds = { messagesMax: 1, bytesMax: 1 }

const mistakes = (ref: ActorRef<Greeter>): unknown[] => [
  // @ts-expect-error a message the protocol does not know
  ref.tell('salute', { name: 'a' }),
  // @ts-expect-error a field is missing
  ref.tell('greet', {}),
  // @ts-expect-error a field of the wrong type
  ref.tell('greet', { name: 1 }),
  // @ts-expect-error an ask without a deadline
  ref.ask('greet', { name: 'a' }),
  // @ts-expect-error the reply is a string
  ref.ask('greet', { name: 'a' }, { withinMs: 1 }) satisfies Promise<number>,
  // @ts-expect-error a handler is missing
  { mailbox: bounds, setup: () => ({ greet: () => 'hello' }) } satisfies Behavior<Greeter, object>,
  // @ts-expect-error a handler answers something else
  { mailbox: bounds, setup: () => ({ greet: () => 1, forget: () => undefined }) } satisfies Behavior<
    Greeter,
    object
  >,
  // @ts-expect-error a mailbox without a bound
  { mailbox: { messagesMax: 1 }, setup: () => handlers } satisfies Behavior<Greeter, object>,
]
const handlers = { greet: ({ name }: { name: string }) => `hello ${name}`, forget: () => undefined }
const greeter: Behavior<Greeter, { polite: boolean }> = { mailbox: bounds, setup: () => handlers }
// @ts-expect-error arguments of the wrong type
const wrongArgs = () => child(greeter, 'greeter', { polite: 'very' })

test('the mistakes above are errors of the compiler', () => {
  assert.is(typeof mistakes, 'function')
  assert.is(typeof wrongArgs, 'function')
  assert.equal(child(greeter, 'greeter', { polite: true }).args, { polite: true })
})

test.run()
