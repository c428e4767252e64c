// The program's log: one JSON line an event on standard error, written at once, so that nothing is lost when the process ends.
import type { Log, LogFields } from '../base/log.ts'
import { require } from '../base/require.ts'
import type { LogLevel } from '../config.ts'

const { pino } = require('pino') as typeof import('pino')

/** `descriptor` 2 is standard error; standard output belongs to what scripts read. */
export const createLineLog = (level: LogLevel, descriptor = 2): Log => {
  const lines = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    pino.destination({ dest: descriptor, sync: true }),
  )
  const writer =
    (write: 'debug' | 'info' | 'warn' | 'error') =>
    (event: string, fields: LogFields = {}): void =>
      lines[write](fields, event)
  return {
    debug: writer('debug'),
    info: writer('info'),
    warn: writer('warn'),
    error: writer('error'),
  }
}
