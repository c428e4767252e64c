// What the scrub keeps in the metadata, so that a restart goes on where it was: how far the tour is, when the next is due,
// and whether the operator stopped it.

/** Name of the configuration entry; of the first partition. */
export const SCRUB_ENTRY = 'scrub'

/**
 * In this order: every shard where a record says it lies, every copy of a segment, the indexes, and what lies on disks that
 * nobody knows.
 */
export const PHASES = ['shards', 'segments', 'indexes', 'strays'] as const
export type Phase = (typeof PHASES)[number]

export interface Position {
  readonly phase: Phase
  /** The partition, or the slot of the disk. */
  readonly at: number
  /** Of a page of records; empty elsewhere. */
  readonly cursor: string
}

export interface Findings {
  /** Bytes that were read and verified, on all disks. */
  bytes: number
  /** Shards that were not where a record says. */
  missing: number
  /** Shards that did not verify, and files that say who a disk is. */
  corrupt: number
  /** Copies of segments that did not verify. */
  segments: number
  /** Rows of indexes that were not what was committed. */
  indexes: number
  /** What nobody knew, and was removed. */
  orphans: number
  /** Shards, segments, disks and partitions that could not be looked at. */
  skipped: number
}

export interface Tour {
  readonly number: number
  /** Wall clock. */
  readonly startedMs: number
  position: Position
  readonly findings: Findings
}

export interface FinishedTour {
  readonly number: number
  readonly startedMs: number
  readonly finishedMs: number
  readonly findings: Readonly<Findings>
}

export interface ScrubState {
  readonly format: 1
  isPaused: boolean
  /** When the next tour begins, by the wall clock. */
  dueMs: number
  tour?: Tour
  last?: FinishedTour
}

export const noFindings = (): Findings => ({
  ...{ bytes: 0, missing: 0, corrupt: 0, segments: 0, indexes: 0, orphans: 0, skipped: 0 },
})

export const START: Position = { phase: 'shards', at: 0, cursor: '' }

/** A store that was never scrubbed has its first tour a period from now. */
export const newScrubState = (nowMs: number, periodMs: number): ScrubState => ({
  format: 1,
  isPaused: false,
  dueMs: nowMs + periodMs,
})

export const beginTour = (state: ScrubState, nowMs: number): Tour => {
  const number = (state.last?.number ?? 0) + 1
  state.tour = { number, startedMs: nowMs, position: START, findings: noFindings() }
  return state.tour
}

export const endTour = (state: ScrubState, nowMs: number, periodMs: number): FinishedTour | undefined => {
  const { tour } = state
  if (!tour) return undefined
  const { number, startedMs, findings } = tour
  state.last = { number, startedMs, finishedMs: nowMs, findings }
  delete state.tour
  // One tour a period, as long as it takes less.
  state.dueMs = Math.max(startedMs + periodMs, nowMs)
  return state.last
}

/** The entry as it was committed. A clock that went back, or a shorter period, must not put the next tour off for longer. */
export const reviveScrubState = (value: unknown, nowMs: number, periodMs: number): ScrubState => {
  const known = value as ScrubState | undefined
  if (known?.format !== 1) return newScrubState(nowMs, periodMs)
  const state: ScrubState = { ...known, dueMs: Math.min(known.dueMs, nowMs + periodMs) }
  // Which orphans were seen once is in no record: they are looked for again.
  if (state.tour?.position.phase === 'strays') state.tour.position = { phase: 'strays', at: 0, cursor: '' }
  return state
}
