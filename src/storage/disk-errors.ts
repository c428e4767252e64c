// What a failing file system call means for its disk: the system's code becomes one of our faults.

import { type FaultCode, fault, MoraineError } from '../base/errors.ts'
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

/** Whether the file system says that it has no room for what was to be written. */
export const isNoRoom = (error: unknown): boolean =>
  error instanceof FileError && CODES[error.code] === 'DISK_FULL'

/** A fault of disk `disk`; our own errors and bugs pass unchanged. */
export const diskFault = (disk: number, error: unknown): unknown => {
  if (error instanceof MoraineError || !(error instanceof FileError)) return error
  const code = CODES[error.code] ?? 'DISK_IO'
  return fault(
    code,
    `disk ${disk}: ${error.message}`,
    { disk, system: error.code, operation: error.operation },
    error,
  )
}
