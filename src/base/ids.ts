// Branded names for things that must not be mixed up. A brand costs nothing at run time.

type Brand<T, Name extends string> = T & { readonly __brand: Name }

/** 32 hex digits, new for every encoding of anything: a block never passes for one of another write. */
export type WriteId = Brand<string, 'WriteId'>
/** A small whole number, given to a disk once when it joins the store and never again: a replaced disk gets a new one. */
export type DiskNumber = Brand<number, 'DiskNumber'>
/** 16 hex digits: one incarnation of a bucket name. A bucket deleted and made again has another. */
export type BucketId = Brand<string, 'BucketId'>
/** What the client sees as UploadId; opaque, unguessable, safe in a URL. */
export type UploadId = Brand<string, 'UploadId'>
