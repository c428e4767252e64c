// The program's log: one JSON line an event on standard error, written at once, so that nothing is lost when the process ends.
import type { Log, LogFields } from '../base/log.ts'
import { require } from '../base/require.ts'
import type { LogLevel } from '../config.ts'

const { pino } = require('pino') as typeof import('pino')

/** What waits for a log that cannot be written, on a full disk for example; what comes then is lost, not the store. */
const WAITING_CHARS_MAX = 1024 * 1024

/** `descriptor` 2 is standard error; standard output belongs to what scripts read. */
export const createLineLog = (level: LogLevel, descriptor = 2): Log => {
  const destination = pino.destination({ dest: descriptor, sync: true, maxLength: WAITING_CHARS_MAX })
  destination.on('error', () => undefined)
  const lines = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    destination,
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
