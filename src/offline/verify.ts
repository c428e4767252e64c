// `moraine verify`: a stopped store, end to end. Its disks and who they say they are, every copy of the journal, the indexes against
// what the journal yields, every record and every shard, and what nobody refers to. Nothing is written to the store but its
// locks, which a start is refused by meanwhile.
//
// What the store may have millions of is kept in databases of their own in a temporary directory: the index that the journal
// yields, and what its records refer to. That takes about as much room as an index does, and as much again for a copy of one
// that has to be brought up.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asMoraineError } from '../base/errors.ts'
import type { FileSystem } from '../base/files.ts'
import { nodeFiles } from '../storage/files-node.ts'
import { openLevelIndex } from '../storage/level-index.ts'
import { makeIndex } from './expected-index.ts'
import { type Finding, Findings } from './findings.ts'
import { type HeldStore, withHeldStore } from './held-store.ts'
import { findJournalOf } from './journals.ts'
import { withDisks } from './open-disks.ts'
import { References } from './references.ts'
import type { Verification, VerifyProgress } from './verification.ts'
import { reportMissing, verifyIdentities, verifySessions } from './verify-identity.ts'
import { verifyIndexes } from './verify-index.ts'
import { verifyRecords } from './verify-records.ts'
import { verifySegments } from './verify-segments.ts'
import { verifyStrays } from './verify-strays.ts'

export interface VerifyOptions {
  onFinding(finding: Finding): void
  onProgress?(progress: VerifyProgress): void
  /** Ends the verification early, with its reason; nothing is left of it. */
  readonly signal?: AbortSignal
  readonly files?: FileSystem
  /** Where there is room for what does not fit into memory; the system's directory for temporary files by default. */
  readonly temporary?: string
}

export interface VerifySummary {
  readonly storeId: string
  /** `whole`: nothing is wrong. `reduced`: something is, and nothing is lost. */
  readonly result: 'whole' | 'reduced' | 'lost'
  readonly objects: number
  /** Of shards that were read and verified. */
  readonly bytes: number
  readonly lost: number
  readonly damaged: number
  readonly notes: number
  readonly orphans: { readonly count: number; readonly bytes: number }
}

const verifyPartition = async (verification: Verification, partition: number): Promise<void> => {
  const { store, files, temporary } = verification
  const brokenSegments = await verifySegments(verification, partition)
  const journal = await findJournalOf(store, partition, files)
  const expected = await makeIndex(journal, join(temporary, `expected-${partition}`), { partition })
  try {
    await verifyIndexes(verification, journal, partition, expected.slot)
    await verifyRecords(verification, journal, expected.slot, brokenSegments)
  } finally {
    await expected.store.close()
  }
}

/** What keeps a start from serving a partition is what is wrong with it; that a later release wrote it is not. */
const verifyOrSay = async (verification: Verification, partition: number): Promise<void> => {
  try {
    await verifyPartition(verification, partition)
  } catch (error) {
    const { code, message, detail } = asMoraineError(error)
    if (!['TOO_FEW_DISKS', 'METADATA_CORRUPT', 'QUORUM_READ'].includes(code)) throw error
    const needs = detail['needs'] === undefined ? '' : `; it needs disk ${detail['needs']}`
    verification.isComplete = false
    verification.findings.add({
      severity: 'lost',
      what: 'segment',
      reason: `partition ${partition} cannot be read: ${message}${needs}`,
    })
  }
}

const summaryOf = ({ store, findings, progress }: Verification): VerifySummary => {
  const { lost, damaged, note } = findings.counts
  return {
    storeId: store.storeId,
    result: lost > 0 ? 'lost' : damaged > 0 ? 'reduced' : 'whole',
    ...progress,
    ...{ lost, damaged, notes: note, orphans: { ...findings.orphans } },
  }
}

const verifyHeld = async (
  store: HeldStore,
  options: VerifyOptions,
  temporary: string,
): Promise<VerifySummary> => {
  const { onFinding, onProgress = () => undefined, files = nodeFiles } = options
  const { signal = new AbortController().signal } = options
  const kept = await openLevelIndex(join(temporary, 'references'))
  try {
    return await withDisks(store, files, async (disks) => {
      const verification: Verification = {
        ...{ store, files, disks, temporary, onProgress, signal },
        ...{ findings: new Findings(onFinding), references: new References(kept) },
        ...{ absent: new Map(), sessions: new Map(), progress: { objects: 0, bytes: 0 }, isComplete: true },
      }
      await verifyIdentities(verification)
      for (let partition = 0; partition < store.table.partitions; partition++) {
        await verifyOrSay(verification, partition)
      }
      await verifySessions(verification)
      await verifyStrays(verification)
      reportMissing(verification)
      return summaryOf(verification)
    })
  } finally {
    await kept.close()
  }
}

/**
 * Findings are told as they are met. Rejects as a start would: STORE_IN_USE while the store runs, DISK_FORMAT, RECORD_VERSION, and
 * TOO_FEW_DISKS when more than m disks of a set are away.
 */
export const verifyStore = (roots: readonly string[], options: VerifyOptions): Promise<VerifySummary> =>
  withHeldStore(
    roots,
    async (store) => {
      const temporary = await mkdtemp(join(options.temporary ?? tmpdir(), 'moraine-verify-'))
      try {
        return await verifyHeld(store, options, temporary)
      } finally {
        await rm(temporary, { recursive: true, force: true })
      }
    },
    options.files,
  )

const WORDS = {
  whole: 'everything is whole',
  reduced: 'nothing is lost, but redundancy is reduced',
  lost: 'DATA IS LOST',
} as const

/** The closing line. */
export const formatSummary = ({
  result,
  objects,
  bytes,
  lost,
  damaged,
  notes,
  orphans,
}: VerifySummary): string => {
  const found = `${lost} lost, ${damaged} damaged, ${notes} notes`
  const garbage = orphans.count === 0 ? '' : `; ${orphans.count} orphans with ${orphans.bytes} bytes`
  return `${WORDS[result]}: ${objects} objects, ${bytes} bytes of shards verified; ${found}${garbage}`
}
