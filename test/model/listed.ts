import type { ListedVersion, VersionRecord } from '../../src/metadata/records.ts'

/** What a listing shows of a version. */
export const listedOf = (version: VersionRecord): ListedVersion => {
  const { key, size, etag, modifiedMs, owner, storageClass, checksum } = version
  return {
    ...{ key, size, etag, modifiedMs, owner, storageClass },
    ...(checksum && { checksum: { algorithm: checksum.algorithm, type: checksum.type } }),
  }
}
