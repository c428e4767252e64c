// What a failing file system call means for its disk: the system's code becomes one of our faults.

import { type FaultCode, fault, MoraineError, unavailable } from '../base/errors.ts'
import { FileError } from '../base/files.ts'

const CODES: Readonly<Record<string, FaultCode>> = {
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  EROFS: 'DISK_READ_ONLY',
  ENODEV: 'DISK_GONE',
  ENXIO: 'DISK_GONE',
  ESTALE: 'DISK_GONE',
  ENOTCONN: 'DISK_GONE',
}

/** The process has no descriptor left, or the machine none: no disk is the worse for it, and each would say the same. */
const TOO_MANY_OPEN = new Set(['EMFILE', 'ENFILE'])

export const isTooManyOpen = (error: unknown): boolean =>
  error instanceof FileError && TOO_MANY_OPEN.has(error.code)

/** Whether the file system says that it has no room for what was to be written. */
export const isNoRoom = (error: unknown): boolean =>
  error instanceof FileError && CODES[error.code] === 'DISK_FULL'

/** A fault of disk `disk`, or unavailable for want of descriptors; our own errors and bugs pass unchanged. */
export const diskFault = (disk: number, error: unknown): unknown => {
  if (error instanceof MoraineError || !(error instanceof FileError)) return error
  if (isTooManyOpen(error)) {
    const message = 'too many files and connections are open at once'
    return unavailable('MAILBOX_FULL', message, { disk, system: error.code }, error)
  }
  const code = CODES[error.code] ?? 'DISK_IO'
  return fault(
    code,
    `disk ${disk}: ${error.message}`,
    { disk, system: error.code, operation: error.operation },
    error,
  )
}
