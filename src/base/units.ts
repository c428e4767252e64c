// Units by name, so that a bound reads as what it is: `64 * MiB`, `30 * SECOND`. Times are milliseconds, sizes bytes.

export const KiB = 1024
export const MiB = 1024 * KiB
export const GiB = 1024 * MiB

/** For an operator: `1.5 MiB`. */
export const formatMiB = (bytes: number): string => `${(bytes / MiB).toFixed(1)} MiB`

export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR
