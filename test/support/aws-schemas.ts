// The AWS SDK's own description of S3's requests, read from the installed package: which members an operation's input
// has, and where on the wire each of them goes. Tables that must be complete are checked against it.
import * as sdk from '@aws-sdk/client-s3'

type Traits = Readonly<Record<string, unknown>>
type Reference = unknown

export interface Member {
  /** `ChecksumMode`, or the path to an element: `Delete.Objects[].Key`. */
  readonly path: string
  readonly name: string
  readonly place: 'header' | 'prefix-headers' | 'query' | 'element' | 'body' | 'label'
  /** Header, query parameter or element, as it is on the wire. */
  readonly wireName: string
  readonly isRequired: boolean
}

export interface SdkOperation {
  readonly name: string
  readonly method: string
  /** `/`, `/{Key+}` … without query. */
  readonly path: string
  /** Constant query parameters. */
  readonly query: readonly (readonly [string, string])[]
  readonly members: readonly Member[]
}

// A schema is an array: kind, namespace, name, traits, … ; a structure (3) has member names, member schemas and the
// number of required ones, an operation (9) its input and output.
type Schema = readonly unknown[]
const STRUCTURE = 3
const LIST = 1
const OPERATION = 9

const resolve = (reference: Reference): unknown =>
  typeof reference === 'function' ? (reference as () => unknown)() : reference

const split = (member: Reference): { target: unknown; traits: Traits } => {
  if (!Array.isArray(member) || typeof member[0] === 'string') return { target: resolve(member), traits: {} }
  const traits = typeof member[1] === 'object' && member[1] !== null ? (member[1] as Traits) : {}
  return { target: resolve(member[0]), traits }
}

const isSchema = (value: unknown, kind: number): value is Schema => Array.isArray(value) && value[0] === kind

const elementsOf = (schema: unknown, path: string): Member[] => {
  if (isSchema(schema, LIST)) {
    const { target } = split(schema[4])
    return elementsOf(target, `${path}[]`)
  }
  if (!isSchema(schema, STRUCTURE)) return []
  return (schema[4] as string[]).flatMap((name, i) => {
    const { target, traits } = split((schema[5] as unknown[])[i])
    const inner = elementsOf(target, `${path}.${name}`)
    const wireName = String(traits['xmlName'] ?? name)
    if (inner.length > 0) return inner
    return [{ path: `${path}.${name}`, name, place: 'element', wireName, isRequired: false } as const]
  })
}

const membersOf = (input: Schema): Member[] =>
  (input[4] as string[]).flatMap((name, i): Member[] => {
    const { target, traits } = split((input[5] as unknown[])[i])
    const isRequired = i < Number(input[6] ?? 0)
    const member = { path: name, name, isRequired }
    if (traits['httpHeader'] !== undefined) {
      return [{ ...member, place: 'header', wireName: String(traits['httpHeader']).toLowerCase() }]
    }
    if (traits['httpPrefixHeaders'] !== undefined) {
      return [{ ...member, place: 'prefix-headers', wireName: String(traits['httpPrefixHeaders']) }]
    }
    if (traits['httpQuery'] !== undefined) {
      return [{ ...member, place: 'query', wireName: String(traits['httpQuery']) }]
    }
    const elements = elementsOf(target, name)
    if (elements.length > 0) return elements
    return [{ ...member, place: name === 'Body' ? 'body' : 'label', wireName: name }]
  })

/** Every operation the SDK exports. */
export const sdkOperations = (): readonly SdkOperation[] =>
  Object.values(sdk)
    .filter((value): value is Schema & never => isSchema(value, OPERATION))
    .map((schema: Schema) => {
      const traits = schema[3] as { http: [string, string, number] }
      const [method, uri] = traits.http
      const [path = '', query = ''] = uri.split('?')
      return {
        name: String(schema[2]),
        method,
        path,
        query: query
          .split('&')
          .filter((pair) => pair !== '')
          .map((pair) => [pair.split('=')[0] ?? '', pair.split('=')[1] ?? ''] as const),
        members: membersOf(resolve(schema[4]) as Schema),
      }
    })
