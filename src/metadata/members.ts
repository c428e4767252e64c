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
}

/** How long a disk that failed or lagged is passed over before it is tried again. */
const PASSED_OVER_MS = 30 * SECOND
/** A full disk has room again as soon as something is removed. */
const FULL_MS = 2 * SECOND

export class Members {
  readonly copies: number
  readonly #clock: Clock
  #members: readonly MemberDisk[]
  readonly #passedOver = new Map<DiskNumber, { untilMs: number; isFull: boolean }>()

  constructor(members: readonly MemberDisk[], parity: number, clock: Clock) {
    this.#members = members
    this.copies = parity + 1
    this.#clock = clock
  }

  replace(members: readonly MemberDisk[]): void {
    this.#members = members
  }

  all(): readonly MemberDisk[] {
    return this.#members
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

  passOver(disk: DiskNumber, isFull: boolean): void {
    this.#passedOver.set(disk, {
      untilMs: this.#clock.monotonicMs() + (isFull ? FULL_MS : PASSED_OVER_MS),
      isFull,
    })
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
   * none but these. Rejects with what keeps it from being enough.
   */
  choose(last: readonly DiskNumber[], only?: ReadonlySet<DiskNumber>): SegmentDisk[] {
    const ring = this.#members
    const lastIndex = ring.findIndex(({ number }) => number === last.at(-1))
    const turned = [...ring.slice(lastIndex + 1), ...ring.slice(0, lastIndex + 1)]
    const usable = turned.filter(
      ({ number, io }) => io && !this.isPassedOver(number) && (only?.has(number) ?? true),
    )
    for (const { set } of usable) {
      const disks = usable.flatMap((member) => (member.set === set && member.io ? [member.io] : []))
      if (disks.length >= this.copies) return disks.slice(0, this.copies)
    }
    throw this.#tooFew()
  }

  #tooFew(): MoraineError {
    const out = this.#members.filter(({ io }) => !io).map(({ number }) => number)
    const full = [...this.#passedOver].filter(([, { isFull }]) => isFull).map(([number]) => number)
    const failing = [...this.#passedOver].filter(([, { isFull }]) => !isFull).map(([number]) => number)
    const detail = { needed: this.copies, out: out.join(), full: full.join(), failing: failing.join() }
    if (full.length > 0) return fault('DISK_FULL', 'too few disks have room for the journal', detail)
    return unavailable('TOO_FEW_DISKS', 'too few disks for the journal', detail)
  }

  /** A start needs n − m disks of each set: fewer might not include the newest segment. */
  assertQuorum(listed: ReadonlySet<DiskNumber>): void {
    const sets = new Map<number, MemberDisk[]>()
    for (const member of this.#members) sets.set(member.set, [...(sets.get(member.set) ?? []), member])
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
