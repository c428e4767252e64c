// Disks that are copies of themselves, and older (see disk-sessions.ts), as long as they are looked over: the operator sees a note, the
// repairer looks through what they should have, and then they are of the running session.
import type { DiskNumber } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { ActorRef } from '../runtime/actor.ts'
import type { DiskSessions, SeenDisk } from './disk-sessions.ts'
import type { RepairerProtocol } from './repairer.ts'
import type { Roster, RosterRow } from './roster.ts'
import type { SlotNotes } from './slot-notes.ts'

export interface OlderCopiesOptions {
  readonly sessions: DiskSessions
  readonly roster: Roster
  readonly notes: SlotNotes
  readonly repairer: ActorRef<RepairerProtocol>
  readonly log: Log
  /** The disk of a row, when it is there and a member. */
  seen(row: RosterRow): SeenDisk[]
  /** Has `recordLate` called in a while. */
  again(): void
}

export class OlderCopies {
  readonly #options: OlderCopiesOptions
  readonly #sessions: DiskSessions
  /** The sessions of the disks are not recorded yet. */
  #isToRecord = false
  /** They are not looked over yet. */
  readonly #suspects = new Set<DiskNumber>()

  constructor(options: OlderCopiesOptions) {
    this.#options = options
    this.#sessions = options.sessions
  }

  /** Before anything is served, and for each disk that comes. An older copy of a disk is looked over, and says so until then. */
  async record(rows: readonly RosterRow[]): Promise<void> {
    const recorded = await this.#sessions.record(rows.flatMap((row) => this.#options.seen(row)))
    if (!recorded?.isWhole) {
      this.#isToRecord = true
      this.#options.again()
    }
    if (!recorded) return
    for (const { disk, kind } of recorded.copies) {
      const what = kind === 'older' ? 'an older copy' : 'a copy'
      this.#options.notes.set(
        disk.slot,
        `${disk.root} holds ${what} of its disk: what it lacks is being made anew`,
      )
      this.#suspects.add(disk.number)
    }
    this.tell()
  }

  /**
   * What no partition could be asked for is asked again: until then nobody writes, for the same reason. A disk that could not be
   * written to is tried again: as long as it is not recorded, a copy of it cannot be told from it.
   */
  async recordLate(): Promise<void> {
    if (!this.#isToRecord) return
    this.#isToRecord = false
    await this.record(this.#options.roster.rows())
  }

  /** The repairer looks them over; it forgets them when it begins anew. */
  tell(): void {
    for (const disk of this.#suspects) this.#options.repairer.tell('suspect', { disk })
  }

  /** All that should be on it was looked at, and is there. */
  async verified(number: DiskNumber): Promise<void> {
    const row = this.#options.roster.find(number)
    for (const disk of row ? this.#options.seen(row) : []) {
      if (!(await this.#sessions.confirm(disk))) {
        // Nobody can be told: it stays a suspect, and is looked over again.
        this.tell()
        return
      }
      this.#options.notes.delete(disk.slot)
      this.#options.log.info('disk-verified', { slot: disk.slot, disk: number })
    }
    this.#suspects.delete(number)
  }
}
