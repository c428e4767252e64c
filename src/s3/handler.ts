// What every handler is: one exchange, on an engine. And the few readings of a request that many of them share.
import type { Engine } from '../actors/engine.ts'
import type { Clock } from '../base/clock.ts'
import { type MoraineError, refusal } from '../base/errors.ts'
import type { S3Request, S3Response } from './exchange.ts'

/** How long a client is left without a byte. */
export interface Patience {
  readonly clock: Clock
  readonly waitMs: number
}

export interface HandlerContext {
  readonly engine: Engine
  /** Of every bucket here. */
  readonly region: string
  /** Told of every error that is answered as part of a success, as DeleteObjects does and a late answer, so that none goes unseen. */
  readonly onError: (error: unknown) => void
  /** With clients that wait for a long operation; without it they wait in silence. */
  readonly patience?: Patience | undefined
}

/** Rejects with a MoraineError; nothing of the answer is written before it resolves. */
export type Handler = (request: S3Request, context: HandlerContext) => Promise<S3Response>

/** The first value of a query parameter; '' when it has none, undefined when it is not there. */
export const queryOf = ({ query }: S3Request, name: string): string | undefined =>
  query.find((pair) => pair[0] === name)?.[1]

export const invalidArgument = (name: string, value: string, message: string): MoraineError =>
  refusal('InvalidArgument', message, { ArgumentName: name, ArgumentValue: value.slice(0, 1_024) })

/** A whole number from a parameter; `undefined` when it is not there. Throws `InvalidArgument` outside of `min` … `max`. */
export const wholeNumberOf = (
  request: S3Request,
  name: string,
  { min, max }: { min: number; max: number },
): number | undefined => {
  const text = queryOf(request, name)
  if (text === undefined || text === '') return undefined
  if (!/^\d{1,10}$/.test(text)) {
    throw invalidArgument(name, text, `Provided ${name} not an integer or within integer range`)
  }
  const value = Number(text)
  if (value >= min && value <= max) return value
  throw invalidArgument(name, text, `Argument ${name} must be an integer between ${min} and ${max}`)
}

const PART_NUMBER_MAX = 10_000

/** `1` … `10000` as plain digits: `01`, `1.0` and `1e3` are no part numbers. */
export const parsePartNumber = (text: string): number => {
  const value = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0
  if (value >= 1 && value <= PART_NUMBER_MAX) return value
  throw invalidArgument(
    'partNumber',
    text,
    `Part number must be an integer between 1 and ${PART_NUMBER_MAX}, inclusive`,
  )
}
