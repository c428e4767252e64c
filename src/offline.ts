// What the command line reads from a store's directories without opening the store, running or not: whoever can read the
// disks can read the key.
import { ROOT_KEYS } from './actors/bucket.ts'
import { type KeyPair, openKeyPair } from './auth/root.ts'
import { systemClock } from './base/clock.ts'
import { fault } from './base/errors.ts'
import { peekConfig } from './metadata/peek.ts'
import { nodeFiles } from './storage/files-node.ts'
import { type DirectoryState, inspectDirectory } from './storage/inspect.ts'
import { readSegmentFiles } from './storage/segment-files.ts'

const diskIn = ({ root, content }: DirectoryState) =>
  content.kind === 'disk' && content.identity.phase === 'member'
    ? [{ root, identity: content.identity, key: content.key }]
    : []

/** The key pair that is kept with the store in these directories. Rejects with a fault for the operator when there is none. */
export const readRootKeys = async (roots: readonly string[]): Promise<KeyPair> => {
  const found = (await Promise.all(roots.map((root) => inspectDirectory(nodeFiles, root)))).flatMap(diskIn)
  const storeKey = found.find(({ key }) => key)?.key
  if (!storeKey) throw fault('DISK_FORMAT', `no disk of a store can be read in ${roots.join(', ')}`)
  const { table } = found.reduce((a, b) =>
    b.identity.table.version > a.identity.table.version ? b : a,
  ).identity
  const rootOf = new Map(found.map(({ root, identity }) => [identity.number, root]))
  const members = table.disks.map(({ number, set }) => {
    const root = rootOf.get(number)
    return { number, set, io: root === undefined ? undefined : readSegmentFiles(nodeFiles, root, number) }
  })
  const where = { parity: table.m, partition: 0, name: ROOT_KEYS, clock: systemClock }
  const sealed = await peekConfig(members, where)
  if (typeof sealed !== 'string') {
    throw fault(
      'CONFIG_INVALID',
      'the store keeps no root keys: it was always started with MORAINE_ROOT_ACCESS_KEY',
    )
  }
  return openKeyPair(storeKey.key, Buffer.from(sealed, 'base64'))
}
