// Stopped stores on real directories, with an object of each kind in them: made once, copied for each test that damages one.
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { systemClock } from '../../src/base/clock.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { silentLog } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/prng.ts'
import { createStore } from '../../src/index.ts'
import { Ledger } from '../../src/metadata/ledger.ts'
import type { MemberDisk } from '../../src/metadata/members.ts'
import { readStore } from '../../src/offline/known-store.ts'
import { Disk } from '../../src/storage/disk.ts'
import { nodeFiles } from '../../src/storage/files-node.ts'
import { createIndexStore } from './partitions.ts'
import { bodyOf, createS3Client } from './s3-client.ts'

const DISKS = 6
const MiB = 2 ** 20

export const disksIn = (parent: string): string[] =>
  Array.from({ length: DISKS }, (_, slot) => join(parent, `d${slot + 1}`))

/** What is in the store, by its key in `bucket`. */
export const OBJECTS = {
  empty: bodyOf(1, 0),
  inline: bodyOf(2, 1000),
  packed: bodyOf(3, 200_000),
  'a/large': bodyOf(4, 4 * MiB + 300_000),
} as const
export const PARTS = [bodyOf(5, 5 * MiB), bodyOf(6, 900)]

const putParts = async (client: S3Client): Promise<void> => {
  const address = { Bucket: 'bucket', Key: 'parts' }
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(address))
  const Parts: { PartNumber: number; ETag: string | undefined }[] = []
  for (const [i, Body] of PARTS.entries()) {
    const part = { ...address, UploadId, PartNumber: i + 1, Body }
    const { ETag } = await client.send(new UploadPartCommand(part))
    Parts.push({ PartNumber: i + 1, ETag })
  }
  await client.send(new CompleteMultipartUploadCommand({ ...address, UploadId, MultipartUpload: { Parts } }))
}

const fill = async (disks: readonly string[]): Promise<void> => {
  const store = await createStore({ disks })
  const client = createS3Client(store)
  await client.send(new CreateBucketCommand({ Bucket: 'bucket' }))
  for (const [Key, Body] of Object.entries(OBJECTS)) {
    await client.send(new PutObjectCommand({ Bucket: 'bucket', Key, Body }))
  }
  await putParts(client)
  await client.send(new CreateMultipartUploadCommand({ Bucket: 'bucket', Key: 'open' }))
  await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'gone', Body: bodyOf(7, 100_000) }))
  await client.send(new DeleteObjectCommand({ Bucket: 'bucket', Key: 'gone' }))
  client.destroy()
  await store.close()
}

let template: string | undefined

const makeTemplate = async (): Promise<string> => {
  const parent = mkdtempSync(join(tmpdir(), 'moraine-stopped-'))
  process.on('exit', () => rmSync(parent, { recursive: true, force: true }))
  await fill(disksIn(parent))
  // Once more: then there is a sealed segment beside the newest, and the indexes have tables.
  await (await createStore({ disks: disksIn(parent) })).close()
  return parent
}

export interface StoppedStore {
  readonly parent: string
  readonly disks: readonly string[]
}

/** A copy of its own, to be removed by the test. */
export const copyStoppedStore = async (): Promise<StoppedStore> => {
  template ??= await makeTemplate()
  const parent = mkdtempSync(join(tmpdir(), 'moraine-copy-'))
  cpSync(template, parent, { recursive: true })
  return { parent, disks: disksIn(parent) }
}

/** Names in a directory of a disk that match, in order. */
export const namesIn = (disk: string, directory: string, pattern: RegExp): string[] =>
  readdirSync(join(disk, directory))
    .filter((name) => pattern.test(name))
    .sort()

/** The journal of partition 0 of a stopped store, to commit to it sense or nonsense. */
export const withLedger = async (
  disks: readonly string[],
  action: (ledger: Ledger) => Promise<void>,
): Promise<void> => {
  const { storeId, table, rootOf } = await readStore(disks)
  const opened: Disk[] = []
  const members: MemberDisk[] = []
  for (const { number, id, set } of table.disks) {
    const root = rootOf.get(number as DiskNumber)
    if (root === undefined) continue
    const disk = await Disk.open({ storeId, diskId: id, number, root, files: nodeFiles, log: silentLog })
    opened.push(disk)
    members.push({ number, set, io: disk.segments })
  }
  const ledger = await Ledger.open({
    ...{ partition: 0, members, parity: table.m, indexes: [createIndexStore(), createIndexStore()] },
    ...{ clock: systemClock, random: systemRandom, log: silentLog },
  })
  await action(ledger)
  await ledger.close()
  for (const disk of opened) await disk.close()
}

type Change = Parameters<Ledger['decide']>[0]

export const commitTo = (disks: readonly string[], change: Change): Promise<void> =>
  withLedger(disks, async (ledger) => void (await ledger.decide(change)))
