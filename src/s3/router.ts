// From a request's head to the operation it asks for, and to what a policy must allow for it. After this nobody looks at
// method or sub-resource again.
//
// A query parameter that names a sub-resource of S3 decides, wherever it stands; parameters nobody knows are ignored,
// as S3 does. Two sub-resources in one request: the first in the order of the table, whatever the order on the wire.
import { refusal } from '../base/errors.ts'
import type { Pairs } from '../metadata/records.ts'
import { parseCopySource } from './copy-source.ts'
import { checkBucketName, checkKey } from './names.ts'
import { OPERATIONS, type Operation, type Scope, WRITE_GET_OBJECT_RESPONSE } from './operations.ts'

/** The part of a request that is known before its body. */
export interface RequestHead {
  readonly method: string
  readonly bucket: string
  readonly key: string
  readonly query: Pairs
  readonly headers: ReadonlyMap<string, string>
}

/** What a policy must allow. */
export interface NeededAccess {
  readonly action: string
  readonly bucket: string
  readonly key: string
}

/** Rows of one scope by sub-resource, in the table's order. */
const TABLE: Readonly<Record<Scope, ReadonlyMap<string, readonly Operation[]>>> = (() => {
  const table = { service: new Map(), bucket: new Map(), object: new Map() } satisfies Record<
    Scope,
    Map<string, Operation[]>
  >
  for (const operation of OPERATIONS) {
    if (operation === WRITE_GET_OBJECT_RESPONSE) continue
    const rows = (table[operation.scope] as Map<string, Operation[]>).get(operation.query) ?? []
    rows.push(operation)
    ;(table[operation.scope] as Map<string, Operation[]>).set(operation.query, rows)
  }
  return table
})()

const ORDER: Readonly<Record<Scope, readonly string[]>> = {
  service: [...TABLE.service.keys()],
  bucket: [...TABLE.bucket.keys()],
  object: [...TABLE.object.keys()],
}

const hasQuery = (query: Pairs, wanted: string): boolean => {
  const [name, value] = wanted.split('=')
  return query.some((pair) => pair[0] === name && (value === undefined || pair[1] === value))
}

const matchesAlso = (operation: Operation, { query, headers }: RequestHead): boolean => {
  const { also } = operation
  if (also === undefined) return true
  return also.startsWith('?') ? hasQuery(query, also.slice(1)) : headers.has(also)
}

const subResourceOf = (scope: Scope, query: Pairs): string => {
  let found = ''
  let rank = Number.POSITIVE_INFINITY
  for (const [name] of query) {
    if (name === '' || !TABLE[scope].has(name)) continue
    const at = ORDER[scope].indexOf(name)
    if (at < rank) {
      rank = at
      found = name
    }
  }
  return found
}

/** `list-type` alone does not choose an operation: any value but 2 is the first version of the listing. */
const rowsFor = (scope: Scope, head: RequestHead): readonly Operation[] => {
  const subResource = subResourceOf(scope, head.query)
  const rows = TABLE[scope].get(subResource) ?? []
  if (subResource !== 'list-type') return rows
  const plain = TABLE[scope].get('') ?? []
  return hasQuery(head.query, 'list-type=2') ? [...rows, ...plain] : plain
}

/** Throws `MethodNotAllowed`, `InvalidBucketName`, `KeyTooLongError`; an operation without handler is returned as it is. */
export const route = (head: RequestHead): Operation => {
  const { method, bucket, key } = head
  if (bucket === WRITE_GET_OBJECT_RESPONSE.name && method === 'POST') return WRITE_GET_OBJECT_RESPONSE
  const scope: Scope = bucket === '' ? 'service' : key === '' ? 'bucket' : 'object'
  if (scope !== 'service') checkBucketName(bucket)
  if (scope === 'object') checkKey(key)
  for (const operation of rowsFor(scope, head)) {
    if (operation.method === method && matchesAlso(operation, head)) return operation
  }
  const allowed = rowsFor(scope, head).filter(({ handler }) => handler)
  throw refusal('MethodNotAllowed', 'The specified method is not allowed against this resource.', {
    Method: method.slice(0, 32),
    ResourceType: scope.toUpperCase(),
    allow: [...new Set(allowed.map((operation) => operation.method))].join(', '),
  })
}

/**
 * Everything a policy must allow before the body is read; a copy needs its source as well. Throws what is wrong with
 * the copy source.
 */
export const neededAccess = (operation: Operation, head: RequestHead): readonly NeededAccess[] => {
  const own: NeededAccess = { action: operation.action, bucket: head.bucket, key: head.key }
  if (operation.also !== 'x-amz-copy-source') return [own]
  const source = parseCopySource(head.headers.get('x-amz-copy-source') ?? '')
  const action = source.versionId === undefined ? 's3:GetObject' : 's3:GetObjectVersion'
  return [own, { action, bucket: source.bucket, key: source.key }]
}
