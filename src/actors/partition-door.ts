// Whether a partition is served. When its journal cannot be shown whole, because disks are away or copies are damaged, the bucket
// actor is no less alive: it answers 503, says which disks it needs, and tries again when a disk comes or goes. Starting the
// actor again would show nothing new, and would take the other partitions along in the end.
import type { Timer } from '../base/clock.ts'
import { asMoraineError, type MoraineError, unavailable } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { SECOND } from '../base/units.ts'
import type { Context, Handlers } from '../runtime/actor.ts'
import type { BucketProtocol } from './bucket-protocol.ts'
import type { Roster } from './roster.ts'
import { attachServed } from './served-partitions.ts'
import { rootIn } from './slot-roots.ts'
import type { StoreFacts } from './store-facts.ts'

/** A start that fails with one of these has found the disks as they are, and nothing broken in itself. */
const SHUT_CODES: ReadonlySet<string> = new Set(['TOO_FEW_DISKS', 'METADATA_CORRUPT', 'RECORD_VERSION'])
/** A disk that could not be read for a moment says nothing when it can again. */
const RETRY_MS = 10 * SECOND

/** Where the disks are that an error asks for, by their numbers in its detail. */
const needsOf = ({ detail }: MoraineError, facts: StoreFacts, roster: Roster): string => {
  const name = (number: string): string => {
    const root = rootIn(facts, roster.find(Number(number) as DiskNumber)?.slot ?? -1)
    return `disk ${number}${root === undefined ? '' : ` (${root})`}`
  }
  const list = (what: unknown, between: string): string =>
    (String(what ?? '').match(/\d+/g) ?? []).map(name).join(between)
  const needs = list(detail['needs'], ' or ')
  const missing = list(detail['missing'], ', ')
  return needs !== '' ? `: it needs ${needs}` : missing !== '' ? `: missing are ${missing}` : ''
}

export interface PartitionDoor {
  /** Rejects with what is no state of the disks: the supervisor decides then. */
  open(): Promise<void>
  readonly handlers: Handlers<BucketProtocol>
}

export interface PartitionDoorOptions {
  readonly context: Context<BucketProtocol>
  readonly facts: StoreFacts
  readonly roster: Roster
  readonly partition: number
  /** Opens the partition; what it opened on the way it has closed when it rejects. */
  openPartition(): Promise<Handlers<BucketProtocol>>
}

export const createPartitionDoor = (options: PartitionDoorOptions): PartitionDoor => {
  const { context, facts, roster, partition, openPartition } = options
  const { clock, log } = context
  const served = attachServed(facts.served)
  served.set(partition, false)
  let isClosed = false
  let isOpening = false
  /** A disk came or went while it was being opened. */
  let isStale = false
  let timer: Timer | undefined
  let reason: MoraineError | undefined
  let opening: Promise<void> = Promise.resolve()

  const shut = (error: MoraineError): void => {
    const message = `partition ${partition} is not served: ${error.message}${needsOf(error, facts, roster)}`
    if (reason?.message !== message)
      log.error('partition-not-served', { partition, code: error.code, message })
    reason = unavailable('PARTITION_SHUT', message, { partition })
    served.set(partition, false)
    timer = clock.setTimer(RETRY_MS, again)
  }
  const attempt = async (): Promise<void> => {
    isOpening = true
    try {
      do {
        isStale = false
        await tryOnce()
      } while (isStale && reason !== undefined && !isClosed)
    } finally {
      isOpening = false
    }
    // It was opened on the disks as they were when that began.
    if (isStale) context.self.tell('diskChanged', {})
  }
  const tryOnce = async (): Promise<void> => {
    timer?.cancel()
    try {
      current = await openPartition()
      served.set(partition, !isClosed)
      if (reason) log.info('partition-served', { partition })
      reason = undefined
    } catch (thrown) {
      const error = asMoraineError(thrown)
      if (!SHUT_CODES.has(error.code)) throw error
      if (!isClosed) shut(error)
    }
  }
  const again = (): void => {
    if (isOpening) isStale = true
    else if (!isClosed) opening = attempt().catch((error: unknown) => context.fail(error))
  }
  const isShut = (): never => {
    throw reason ?? unavailable('PARTITION_SHUT', `partition ${partition} is not served`, { partition })
  }
  const shutHandlers = handlersWhileShut(isShut, again)
  let current: Handlers<BucketProtocol> = shutHandlers
  context.defer(async () => {
    isClosed = true
    served.set(partition, false)
    timer?.cancel()
    await opening
  })
  return { open: attempt, handlers: following(shutHandlers, () => current) }
}

/** Each handler is that of whoever serves when the message comes. */
const following = (
  names: Handlers<BucketProtocol>,
  current: () => Handlers<BucketProtocol>,
): Handlers<BucketProtocol> => {
  const entries = (Object.keys(names) as (keyof BucketProtocol)[]).map(
    (name) => [name, (message: never) => current()[name](message)] as const,
  )
  return Object.fromEntries(entries) as unknown as Handlers<BucketProtocol>
}

const handlersWhileShut = (isShut: () => never, again: () => void): Handlers<BucketProtocol> => ({
  createBucket: isShut,
  getBucket: isShut,
  listBuckets: isShut,
  deleteBucket: isShut,
  open: isShut,
  close: () => undefined,
  head: isShut,
  put: isShut,
  delete: isShut,
  list: isShut,
  createUpload: isShut,
  getUpload: isShut,
  putPart: isShut,
  completeUpload: isShut,
  abortUpload: isShut,
  listParts: isShut,
  listUploads: isShut,
  partsAt: isShut,
  partRange: isShut,
  readInline: isShut,
  diskChanged: async () => again(),
  readerGone: () => undefined,
  config: isShut,
  rootKeys: isShut,
  putConfig: isShut,
  nextFrees: isShut,
  confirmFrees: isShut,
  giveBackFrees: () => undefined,
  dropSegments: isShut,
  shardsOn: isShut,
  heldData: isShut,
  fatesOf: isShut,
  segments: isShut,
  verifySegment: isShut,
  checkIndexes: isShut,
  recode: isShut,
  dataOfWrite: isShut,
  relocate: isShut,
  waiting: isShut,
  leftOn: isShut,
  repairSegment: isShut,
})
