// The stores of earlier releases that every later one opens: where they lie and what must be found in them. They are made
// once, by test/fixtures/make.ts of that release, and never again.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTemporaryDirectory, REPOSITORY } from './server-process.ts'
import { type Tree, unpackTree, writeTree } from './store-archive.ts'

export const FIXTURES = join(REPOSITORY, 'test', 'fixtures')

export interface FixtureObject {
  readonly key: string
  readonly size: number
  readonly sha256: string
  readonly etag: string
  readonly contentType: string
  readonly metadata: Readonly<Record<string, string>>
  /** As HEAD with `x-amz-checksum-mode` shows them. */
  readonly checksums: Readonly<Record<string, string>>
}

export interface FixtureUpload {
  readonly key: string
  readonly uploadId: string
  /** Number, ETag and size of each part. */
  readonly parts: readonly { readonly number: number; readonly etag: string; readonly size: number }[]
  /** Of the bytes of all parts, in order. */
  readonly sha256: string
}

export interface FixtureBucket {
  readonly name: string
  readonly objects: readonly FixtureObject[]
  readonly uploads: readonly FixtureUpload[]
}

export interface FixtureManifest {
  /** What is in this one that is in no other. */
  readonly holds: string
  /** Names of the directories, in the order in which a start is given them. */
  readonly disks: readonly string[]
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  readonly buckets: readonly FixtureBucket[]
}

export const readManifest = (version: string, name: string): FixtureManifest =>
  JSON.parse(readFileSync(join(FIXTURES, version, `${name}.json`), 'utf8')) as FixtureManifest

export const readFixture = (version: string, name: string): Tree =>
  unpackTree(readFileSync(join(FIXTURES, version, `${name}.br`)))

/** A copy of its own in a new directory; the disks are directories in it. */
export const copyFixture = (tree: Tree): string => {
  const directory = join(createTemporaryDirectory('fixture'), 'store')
  writeTree(tree, directory)
  return directory
}
