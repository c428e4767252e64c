// The root identity's keys, read from the journal beside the store: whoever can read the disks can read the key.
import { ROOT_KEYS } from '../actors/bucket-protocol.ts'
import { type KeyPair, openKeyPair } from '../auth/root.ts'
import { systemClock } from '../base/clock.ts'
import { fault } from '../base/errors.ts'
import { peekConfig } from '../metadata/peek.ts'
import type { DiskTable } from '../storage/identity-file.ts'
import { readableMembers, readStore } from './known-store.ts'

/** The sealed root keys as the first partition that can be read has them. Rejects with why the first cannot when none has any. */
const peekAny = async (
  members: Parameters<typeof peekConfig>[0],
  { m: parity, partitions }: DiskTable,
): Promise<unknown> => {
  const failures: unknown[] = []
  for (let partition = 0; partition < partitions; partition++) {
    try {
      const sealed = await peekConfig(members, { parity, partition, name: ROOT_KEYS, clock: systemClock })
      if (sealed !== undefined) return sealed
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
  return undefined
}

/** The key pair that is kept with the store in these directories. Rejects with a fault for the operator when there is none. */
export const readRootKeys = async (roots: readonly string[]): Promise<KeyPair> => {
  const store = await readStore(roots)
  const sealed = await peekAny(readableMembers(store), store.table)
  if (typeof sealed !== 'string') {
    throw fault(
      'CONFIG_INVALID',
      'the store keeps no root keys: it was always started with MORAINE_ROOT_ACCESS_KEY',
    )
  }
  return openKeyPair(store.key, Buffer.from(sealed, 'base64'))
}
