// What the steps of a verification share.
import type { FileSystem } from '../base/files.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { Finding, Findings } from './findings.ts'
import type { HeldStore } from './held-store.ts'
import type { References } from './references.ts'
import type { DisksByNumber } from './shard-check.ts'

export interface VerifyProgress {
  readonly objects: number
  /** Of shards, on all disks. */
  readonly bytes: number
}

export interface Verification {
  readonly store: HeldStore
  readonly files: FileSystem
  readonly disks: DisksByNumber
  readonly findings: Findings
  /** For what does not fit into memory; goes with the verification. */
  readonly temporary: string
  /** What records refer to: see references.ts. */
  readonly references: References
  /** Shards whose disk is not there, by the disk. */
  readonly absent: Map<DiskNumber, number>
  /** The newest session of each disk that a partition has recorded, by its number. */
  readonly sessions: Map<string, number>
  readonly progress: { objects: number; bytes: number }
  /** Whether every record that may refer to something was seen: else what nobody refers to is not known. */
  isComplete: boolean
  /** Looked at between one thing and the next: whoever waits for the end may not want to any more. */
  readonly signal: AbortSignal
  onProgress(progress: VerifyProgress): void
}

/** Of a disk that is there: its number and its directory. */
export const ofDisk = ({ store }: Verification, disk: DiskNumber): Pick<Finding, 'disk' | 'directory'> => {
  const directory = store.rootOf.get(disk)
  return { disk, ...(directory !== undefined && { directory }) }
}
