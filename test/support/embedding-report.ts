// What a program that embeds stores tells of them: see embedding.ts.
import type { ProcessState } from './process-state.ts'

export const KINDS = ['memory', 'temporary', 'directories'] as const

export interface Sight {
  readonly what: string
  /** Listeners on `process` while the store ran. */
  readonly during: readonly string[]
  readonly after: ProcessState
  /** What is in the directory for temporary files. */
  readonly files: readonly string[]
}

export interface EmbeddingReport {
  readonly before: ProcessState
  readonly sights: readonly Sight[]
  readonly exitCode: unknown
}
