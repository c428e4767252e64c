// Which disks of the store are there, and whether each says who it is: disk.json, store.key, its session and its directories.
import { whyOut } from '../storage/directory-role.ts'
import type { PlannedDisk } from '../storage/identity.ts'
import type { TableDisk } from '../storage/identity-file.ts'
import { DIRECTORIES, IDENTITY_NAME, KEY_NAME, SESSION_NAME } from '../storage/layout.ts'
import { slotsOfMissing } from '../storage/missing-slots.ts'
import { inspectSession } from '../storage/session-file.ts'
import type { Finding } from './findings.ts'
import { ofDisk, type Verification } from './verification.ts'

const verifyDisk = async (
  verification: Verification,
  { root, identity, isStale }: PlannedDisk & { readonly isStale: boolean },
): Promise<void> => {
  const { store, files, findings } = verification
  const { diskId, number } = identity
  const damaged = (file: string, reason: string): void =>
    findings.add({ severity: 'damaged', what: 'identity', ...ofDisk(verification, number), file, reason })
  const content = store.states.get(root)?.content
  if (content?.kind !== 'disk') damaged(IDENTITY_NAME, 'it is missing or damaged; a start writes it anew')
  else if (isStale && content.key)
    damaged(IDENTITY_NAME, 'it is older than that of other disks; a start renews it')
  const key = content?.kind === 'disk' || content?.kind === 'bare' ? content.key : undefined
  if (!key) damaged(KEY_NAME, 'it is missing or damaged; a start writes it anew')
  else if (Buffer.compare(key.key, store.key) !== 0 || key.diskId !== diskId || key.number !== number) {
    damaged(KEY_NAME, 'it is not the key of this disk')
  }
  const session = await inspectSession(files, root, diskId)
  if (session.isDamaged) damaged(SESSION_NAME, 'it is damaged; a start looks over all that is on the disk')
  const names = await files.list(root)
  for (const name of DIRECTORIES) if (!names.includes(name)) damaged(name, 'the directory is missing')
}

const whyMissing = ({ store }: Verification, { number }: TableDisk): string => {
  const states = [...store.states.values()]
  const held = new Set(store.plan.disks.map(({ root }) => root))
  const isTaken = (slot: number): boolean => held.has(states[slot]?.root ?? '')
  const slot = slotsOfMissing(store.plan.missing, states.length, isTaken).get(number)
  const state = slot === undefined ? undefined : states[slot]
  return !state ? '' : `: ${whyOut(state, store.storeId)}`
}

export const verifyIdentities = async (verification: Verification): Promise<void> => {
  const { store, findings } = verification
  for (const disk of store.plan.disks) await verifyDisk(verification, disk)
  for (const { root, identity } of store.plan.change?.joined ?? []) {
    const reason = `it would take the place of a missing disk at the next start, as number ${identity.number}`
    findings.add({ severity: 'note', what: 'disk', directory: root, reason })
  }
  for (const { root, reason } of store.plan.out) {
    findings.add({ severity: 'note', what: 'disk', directory: root, reason })
  }
}

/** Last: what should be on them is known then. */
export const reportMissing = (verification: Verification): void => {
  const { store, findings, absent } = verification
  const found: Finding[] = store.plan.missing.map((disk) => {
    const shards = `${absent.get(disk.number) ?? 0} shards should be on it`
    const reason = `the disk at position ${disk.position + 1} is missing, ${shards}${whyMissing(verification, disk)}`
    return { severity: 'damaged', what: 'disk', disk: disk.number, reason }
  })
  const members = new Set(store.table.disks.map(({ number }) => number))
  for (const [disk, count] of absent) {
    if (members.has(disk)) continue
    const reason = `${count} shards should be on this disk, which left the store: they wait to be repaired`
    found.push({ severity: 'damaged', what: 'disk', disk, reason })
  }
  for (const finding of found) findings.add(finding)
}

/**
 * Whether the disks are the ones that the metadata saw last, and no older copies of them. That a disk was copied is nothing wrong by
 * itself: what it lacks is found here as a start would find it.
 */
export const verifySessions = async (verification: Verification): Promise<void> => {
  const { store, files, findings, sessions } = verification
  for (const { root, identity } of store.plan.disks) {
    const { session, isDamaged } = await inspectSession(files, root, identity.diskId)
    const seen = sessions.get(String(identity.number)) ?? 0
    if (isDamaged || session >= seen) continue
    findings.add({
      severity: 'damaged',
      what: 'identity',
      ...ofDisk(verification, identity.number),
      file: SESSION_NAME,
      reason:
        session === 0
          ? 'it is missing; a start looks over all that is on the disk'
          : `it says session ${session}, the metadata ${seen}: the disk is an older copy of itself`,
    })
  }
}
