// The head of an answer as bytes on the wire. Whatever a name or a value holds that could end a line, or that a byte
// cannot carry, is refused here, behind everybody who might have let it through.
import { createMemo } from '../base/memo.ts'
import { SECOND } from '../base/units.ts'
import { isFieldName, isFieldValue, NAMES_MAX } from './fields.ts'

/** Names with their values, one after another: `[name, value, name, value, …]`. */
export type Fields = readonly string[]

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  204: 'No Content',
  206: 'Partial Content',
  301: 'Moved Permanently',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  411: 'Length Required',
  412: 'Precondition Failed',
  416: 'Range Not Satisfiable',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  507: 'Insufficient Storage',
}

const statusLine = createMemo(128, (status: number) => {
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new RangeError(`${status} is no status`)
  return `HTTP/1.1 ${status} ${REASONS[status] ?? ''}\r\n`
})

/** With its colon. Throws `TypeError` for what is no name. */
const nameText = createMemo(NAMES_MAX, (name: string) => {
  if (!isFieldName(name)) throw new TypeError(`${JSON.stringify(name)} is no header name`)
  return `${name}: `
})

const dateLine = createMemo(1, (second: number) => `Date: ${new Date(second * SECOND).toUTCString()}\r\n`)

/** One character per byte. Throws `TypeError` for a name or a value that no header can have, `RangeError` for a status. */
export const answerHead = (status: number, fields: Fields, nowMs: number, closing: string): string => {
  let head = statusLine(status)
  for (let i = 0; i < fields.length; i += 2) {
    const value = fields[i + 1]!
    if (!isFieldValue(value))
      throw new TypeError(`${JSON.stringify(value.slice(0, 256))} cannot be the value of ${fields[i]}`)
    head += `${nameText(fields[i]!)}${value}\r\n`
  }
  return head + dateLine(Math.floor(nowMs / SECOND)) + closing
}
