// Records as a later release might write them: what they are today with a higher version, under checksums that hold. Only so is
// it the version that is looked at, and not damage.
import { crc32 } from 'node:zlib'
import { ClassicLevel } from 'classic-level'
import { encodeFrame } from '../../src/metadata/frame.ts'
import { walkSegment } from './journal-walk.ts'

/** A file or header whose version is at 4, its length at 6, its CRC-32 at its end (docs/format.md). */
export const newerHeader = (bytes: Buffer): Buffer => {
  const newer = Buffer.from(bytes)
  newer.writeUInt16LE(newer.readUInt16LE(4) + 1, 4)
  const end = newer.readUInt16LE(6) - 4
  newer.writeUInt32LE(crc32(newer.subarray(0, end)), end)
  return newer
}

export const newerIdentity = (bytes: Buffer): Buffer => {
  const { checksum: _, ...content } = JSON.parse(String(bytes)) as { checksum: string; format: number }
  const newer = { ...content, format: content.format + 1 }
  const checksum = crc32(JSON.stringify(newer)).toString(16).padStart(8, '0')
  return Buffer.from(`${JSON.stringify({ ...newer, checksum }, undefined, 2)}\n`)
}

/** Its fixed part has 64 bytes, and the frames go on from its checksum: none of them is whole any more, nor need be. */
export const newerSegment = (bytes: Buffer): Buffer => {
  const newer = Buffer.from(bytes)
  newer.writeUInt16LE(newer.readUInt16LE(4) + 1, 4)
  newer.writeUInt32LE(crc32(newer.subarray(0, 60)), 60)
  return newer
}

/** The header of the last frame. */
export const newerFrame = (bytes: Buffer): Buffer => {
  const newer = Buffer.from(bytes)
  const { offset } = walkSegment(bytes)!.frames.at(-1)!
  newer.writeUInt16LE(newer.readUInt16LE(offset + 4) + 1, offset + 4)
  newer.writeUInt32LE(crc32(newer.subarray(offset, offset + 60)), offset + 60)
  return newer
}

interface Change {
  readonly version?: number
  readonly payload?: Buffer
}

/** Every entry under a key of `space` as `change` has it; the frames are written anew, in one chain. Undefined: there is none. */
const changeEntries = (
  bytes: Buffer,
  space: string,
  change: (payload: Buffer) => Change,
): Buffer | undefined => {
  const { header, frames } = walkSegment(bytes)!
  const { partition, segment, id: segmentId } = header
  const pieces: Uint8Array[] = [bytes.subarray(0, header.length)]
  let previous = header.checksum
  let isChanged = false
  for (const [index, { content }] of frames.entries()) {
    for (const entry of [...content.commits.flat(), ...content.counters]) {
      if (!entry.key.startsWith(space) || !entry.payload) continue
      const { version, payload } = change(Buffer.from(entry.payload))
      Object.assign(entry, {
        recordVersion: version ?? entry.recordVersion,
        payload: payload ?? entry.payload,
      })
      isChanged = true
    }
    const frame = encodeFrame({ partition, segment, segmentId, previous, index }, content)
    pieces.push(...frame.pieces)
    previous = frame.checksum
  }
  return isChanged ? Buffer.concat(pieces) : undefined
}

export const newerEntries = (bytes: Buffer, space: string): Buffer | undefined =>
  changeEntries(bytes, space, () => ({ version: 2 }))

/** The sealed root keys, a byte of which is their version. */
export const newerRootKeys = (bytes: Buffer): Buffer | undefined =>
  changeEntries(bytes, 'groot-keys', (payload) => {
    const record = JSON.parse(String(payload)) as { value: string }
    const sealed = Buffer.from(record.value, 'base64')
    sealed[0] = 2
    return { payload: Buffer.from(JSON.stringify({ ...record, value: sealed.toString('base64') })) }
  })

/** In the index at `directory` each value under a key of `space` with the byte at `at` (0 the envelope's, 1 the record's version) one higher. */
export const makeIndexNewer = async (directory: string, space: string, at: 0 | 1): Promise<void> => {
  const options = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
  const level = new ClassicLevel<Buffer, Buffer>(directory, options)
  for await (const [key, value] of level.iterator()) {
    if (String.fromCharCode(key[0]!) !== space) continue
    value[at] = value[at]! + 1
    const checksum = crc32(value.subarray(8), crc32(value.subarray(0, 4), crc32(key)))
    value.writeUInt32LE(checksum, 4)
    await level.put(key, value, { sync: true })
  }
  await level.close()
}

/** The header of every unit in a volume or a shard file; each begins at a multiple of 64. */
export const newerUnits = (bytes: Buffer): Buffer => {
  const newer = Buffer.from(bytes)
  for (let at = 0; at + 64 <= newer.length; at += 64) {
    if (newer.toString('latin1', at, at + 4) !== 'MRUT') continue
    newerHeader(newer.subarray(at)).copy(newer, at)
  }
  return newer
}
