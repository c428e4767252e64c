// What a verification finds, one thing a line. Nothing is kept but numbers: a store may have millions of objects, and a disk that
// was wiped as many findings.
import type { DiskNumber } from '../base/ids.ts'

/**
 * `lost`: bytes or records that nothing is left of. `damaged`: something is wrong, and what is left makes up for it. `note`: nothing
 * that counts, garbage above all.
 */
export type Severity = 'lost' | 'damaged' | 'note'

export interface Finding {
  readonly severity: Severity
  readonly what:
    | 'disk'
    | 'identity'
    | 'segment'
    | 'index'
    | 'record'
    | 'counter'
    | 'shard'
    | 'object'
    | 'orphan'
    | 'stray'
  readonly disk?: DiskNumber
  readonly directory?: string
  /** In the directory. */
  readonly file?: string
  readonly offset?: number
  readonly bytes?: number
  readonly reason: string
}

export class Findings {
  readonly counts: Record<Severity, number> = { lost: 0, damaged: 0, note: 0 }
  /** Of shards that nobody refers to. */
  readonly orphans = { count: 0, bytes: 0 }
  readonly #onFinding: (finding: Finding) => void

  constructor(onFinding: (finding: Finding) => void) {
    this.#onFinding = onFinding
  }

  add(finding: Finding): void {
    this.counts[finding.severity]++
    if (finding.what === 'orphan') {
      this.orphans.count++
      this.orphans.bytes += finding.bytes ?? 0
    }
    this.#onFinding(finding)
  }
}

/** One line for the operator. */
export const formatFinding = ({
  severity,
  what,
  disk,
  directory,
  file,
  offset,
  bytes,
  reason,
}: Finding): string =>
  [
    `${severity} ${what}`,
    ...(disk === undefined ? [] : [`disk ${disk}`]),
    ...(directory === undefined && file === undefined
      ? []
      : [[directory, file].filter((name) => name !== undefined).join('/')]),
    ...(offset === undefined ? [] : [`at ${offset}`]),
    ...(bytes === undefined ? [] : [`${bytes} bytes`]),
    reason,
  ].join('  ')
