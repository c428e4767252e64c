// The disks of the store as one partition's journal sees them: who is a member, who is there, who is passed over for a
// while because it failed or lagged. All copies of a segment lie in one erasure set, so that the n − m disks of each
// set that a start needs share a disk with the m + 1 that hold any segment.
import type { Clock } from '../base/clock.ts'
import { fault, type MoraineError, unavailable } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { SECOND } from '../base/units.ts'
import type { SegmentDisk } from './segment-disk.ts'

/** One disk of the table of disks. A blank that was not adopted is no member. */
export interface MemberDisk {
  readonly number: DiskNumber
  readonly set: number
  /** Undefined while the disk is out. */
  readonly io: SegmentDisk | undefined
  /** Another one: the disk was opened anew, whether or not anybody saw it out in between. */
  readonly session?: number
  /** On its way out of the store: no segment is begun on it, and its copies are made anew on others. */
  readonly isDraining?: boolean
}

/** How long a disk that failed or lagged is passed over before it is tried again. */
const PASSED_OVER_MS = 30 * SECOND
/** A full disk has room again as soon as something is removed; one whose actor starts anew says when it is there. */
const BRIEFLY_MS = 2 * SECOND

/**
 * Why a disk is passed over. `away`: nobody answered for it, which says nothing about the disk. `lagging`: it works, far
 * slower than its peers, and is taken when there are too few of these.
 */
export type PassOverReason = 'failing' | 'lagging' | 'full' | 'away'

/** Codes of an actor that is out, or that starts anew: when its disk is there again, it says so. */
const AWAY = new Set(['ACTOR_STOPPED', 'THREAD_EXITED', 'TOO_FEW_DISKS'])
/** Codes of an actor with more work than it gets done. */
const BUSY = new Set(['MAILBOX_FULL', 'ASK_TIMEOUT'])

/** Why a disk is passed over that failed with this code. */
export const reasonOf = (code: string): PassOverReason => {
  if (code === 'DISK_FULL' || code === 'ENOSPC') return 'full'
  if (BUSY.has(code)) return 'lagging'
  return AWAY.has(code) ? 'away' : 'failing'
}

export class Members {
  readonly copies: number
  readonly #clock: Clock
  #members: readonly MemberDisk[]
  readonly #passedOver = new Map<DiskNumber, { untilMs: number; reason: PassOverReason }>()

  constructor(members: readonly MemberDisk[], parity: number, clock: Clock) {
    this.#members = members
    this.copies = parity + 1
    this.#clock = clock
  }

  /** Returns those that came: they were not there, or were opened anew. What these were passed over for is forgotten. */
  replace(members: readonly MemberDisk[]): SegmentDisk[] {
    const before = new Map(this.#members.map((member) => [member.number, member]))
    this.#members = members
    const came = members.filter(({ number, io, session }) => {
      const known = before.get(number)
      return io && !(known?.io && known.session === session)
    })
    for (const { number } of came) this.#passedOver.delete(number)
    return came.flatMap(({ io }) => (io ? [io] : []))
  }

  all(): readonly MemberDisk[] {
    return this.#members
  }

  /** Whether the disk is one of the store's, there or not. */
  has(disk: DiskNumber): boolean {
    return this.#members.some(({ number }) => number === disk)
  }

  /** Those that stay, there or not. */
  staying(): readonly MemberDisk[] {
    return this.#members.filter(({ isDraining }) => !isDraining)
  }

  present(): SegmentDisk[] {
    return this.#members.flatMap(({ io }) => (io ? [io] : []))
  }

  io(disk: DiskNumber): SegmentDisk | undefined {
    return this.#members.find(({ number }) => number === disk)?.io
  }

  /** A disk came (back), or went. What it was passed over for is forgotten. */
  setDisk(disk: DiskNumber, io: SegmentDisk | undefined): void {
    this.#passedOver.delete(disk)
    this.#members = this.#members.map((member) => (member.number === disk ? { ...member, io } : member))
  }

  passOver(disk: DiskNumber, reason: PassOverReason): void {
    const forMs = reason === 'failing' || reason === 'lagging' ? PASSED_OVER_MS : BRIEFLY_MS
    this.#passedOver.set(disk, { untilMs: this.#clock.monotonicMs() + forMs, reason })
  }

  isPassedOver(disk: DiskNumber): boolean {
    const entry = this.#passedOver.get(disk)
    if (!entry) return false
    if (this.#clock.monotonicMs() < entry.untilMs) return true
    this.#passedOver.delete(disk)
    return false
  }

  /**
   * The disks of the next segment: m + 1 of one set, those after `last` first so that segments rotate. With `only`,
   * none but these. Disks that lag are among them when it needs them. Rejects with what keeps it from being enough.
   */
  choose(last: readonly DiskNumber[], only?: ReadonlySet<DiskNumber>): SegmentDisk[] {
    const ring = this.#members
    const lastIndex = ring.findIndex(({ number }) => number === last.at(-1))
    const turned = [...ring.slice(lastIndex + 1), ...ring.slice(0, lastIndex + 1)]
    const candidates = turned.filter(
      ({ number, io, isDraining }) => io && !isDraining && (only?.has(number) ?? true),
    )
    const quick = candidates.filter(({ number }) => !this.isPassedOver(number))
    const chosen = this.#inOneSet(quick) ?? this.#inOneSet([...quick, ...this.#lagging(candidates)])
    if (!chosen) throw this.#tooFew()
    return chosen
  }

  /** Whether a segment can be begun without these disks, and without those that are passed over. */
  canDoWithout(disks: Iterable<SegmentDisk>): boolean {
    const left = new Set<DiskNumber>([...disks].map(({ disk }) => disk))
    const quick = this.#members.filter(
      ({ number, io, isDraining }) => io && !isDraining && !left.has(number) && !this.isPassedOver(number),
    )
    return this.#inOneSet(quick) !== undefined
  }

  #inOneSet(usable: readonly MemberDisk[]): SegmentDisk[] | undefined {
    for (const { set } of usable) {
      const disks = usable.flatMap((member) => (member.set === set && member.io ? [member.io] : []))
      if (disks.length >= this.copies) return disks.slice(0, this.copies)
    }
    return undefined
  }

  /** The one that was found lagging longest ago comes first. */
  #lagging(candidates: readonly MemberDisk[]): MemberDisk[] {
    const sinceMs = ({ number }: MemberDisk): number => this.#passedOver.get(number)?.untilMs ?? 0
    return candidates
      .filter(({ number }) => this.isPassedOver(number) && this.#passedOver.get(number)?.reason === 'lagging')
      .sort((a, b) => sinceMs(a) - sinceMs(b))
  }

  #tooFew(): MoraineError {
    const out = this.#members.filter(({ io }) => !io).map(({ number }) => number)
    const passedOver = [...this.#passedOver]
    const full = passedOver.filter(([, { reason }]) => reason === 'full').map(([number]) => number)
    const failing = passedOver
      .filter(([, { reason }]) => reason !== 'full' && reason !== 'lagging')
      .map(([number]) => number)
    const detail = { needed: this.copies, out: out.join(), full: full.join(), failing: failing.join() }
    if (full.length > 0) return fault('DISK_FULL', 'too few disks have room for the journal', detail)
    return unavailable('TOO_FEW_DISKS', 'too few disks for the journal', detail)
  }

  /** A start needs n − m disks of each set of `table`: fewer might not include the newest segment. */
  assertQuorum(
    listed: ReadonlySet<DiskNumber>,
    table: readonly Pick<MemberDisk, 'number' | 'set'>[] = this.#members,
  ): void {
    const sets = new Map<number, Pick<MemberDisk, 'number'>[]>()
    for (const member of table) sets.set(member.set, [...(sets.get(member.set) ?? []), member])
    for (const [set, members] of sets) {
      const missing = members.filter(({ number }) => !listed.has(number)).map(({ number }) => number)
      if (missing.length >= this.copies) {
        throw unavailable('TOO_FEW_DISKS', `erasure set ${set} lacks ${missing.length} disks`, {
          set,
          missing: missing.join(),
        })
      }
    }
  }
}
