// Pages of keys and common prefixes in UTF-8 byte order. The cost is that of the page: what a common prefix hides is
// passed over with one seek, not read.
import type { Entry } from './entry.ts'
import {
  afterPrefix,
  type BinaryKey,
  CURRENT_KEY_OFFSET,
  currentPrefix,
  fromBinary,
  toBinary,
} from './keys.ts'
import type { Ledger } from './ledger.ts'
import { toListed } from './listed.ts'
import type { ListedVersion } from './records.ts'
import { type BucketAddress, bucketIn, type Room } from './room.ts'

export interface ListVersions extends BucketAddress {
  readonly prefix: string
  /** Empty for none. */
  readonly delimiter: string
  /** Only what comes after it, common prefixes included. Empty: from the start. */
  readonly after: string
  /** Keys and common prefixes together. */
  readonly limit: number
}

export interface VersionPage {
  readonly versions: readonly ListedVersion[]
  readonly prefixes: readonly string[]
  readonly next?: string
}

/** What a page is made from; keys and prefixes are binary and without the space. */
export interface PageRequest {
  readonly prefix: BinaryKey
  readonly delimiter: BinaryKey
  /** Common prefixes that are not after it are left out. */
  readonly after: BinaryKey
  readonly limit: number
  /** The first key of the space to look at, and the end of the prefix in the space. */
  readonly from: BinaryKey
  readonly to: BinaryKey | undefined
  /** The S3 key inside a key of the space. */
  readonly keyOf: (key: BinaryKey) => BinaryKey
  /** The first key of the space whose S3 key is `key` or later. */
  readonly seekTo: (key: BinaryKey) => BinaryKey
}

export interface Page {
  readonly entries: readonly Entry[]
  readonly prefixes: readonly BinaryKey[]
  /** The last thing on the page when more follows. */
  readonly last?: { readonly entry: Entry } | { readonly prefix: BinaryKey }
}

/** Where keys may be hidden little is read at first, and much only behind what was mostly shown. */
const ROWS_MIN = 16

/** One page. Reads the index once; a damaged index is replaced by the other one and the page begun anew. */
export const listPage = async (ledger: Ledger, request: PageRequest): Promise<Page> => {
  if (request.limit === 0) return { entries: [], prefixes: [] }
  try {
    return await readPage(ledger, request)
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'PARTITION_RECOVERING') throw error
    return readPage(ledger, request)
  }
}

const readPage = async (ledger: Ledger, request: PageRequest): Promise<Page> => {
  const scan = ledger.scan(request.from, request.to)
  const page = new PageBuilder(request)
  const mayHide = request.delimiter !== ''
  let rowCount = mayHide ? ROWS_MIN : request.limit + 1
  try {
    for (;;) {
      const { room } = page
      const rows = await scan.next(Math.min(rowCount, room + 1))
      if (rows.length === 0) break
      for (const row of rows) if (!page.take(row)) return page.full()
      rowCount = mayHide ? Math.max(ROWS_MIN, 2 * (room - page.room)) : request.limit + 1
      const next = page.hiddenThrough(rows.at(-1)!)
      if (next !== undefined) scan.seek(next)
    }
    return page.whole()
  } finally {
    await scan.close()
  }
}

class PageBuilder {
  readonly #request: PageRequest
  readonly #entries: Entry[] = []
  readonly #prefixes: BinaryKey[] = []
  /** Keys that begin with it are hidden behind a common prefix that was taken or left out. */
  #hiding: BinaryKey | undefined
  #last: Page['last']

  constructor(request: PageRequest) {
    this.#request = request
  }

  /** Keys and common prefixes that still go on the page. */
  get room(): number {
    return this.#request.limit - this.#entries.length - this.#prefixes.length
  }

  /** False when the page is full and `row` would be the first of the next one. */
  take(row: Entry): boolean {
    const { prefix, delimiter, after, keyOf } = this.#request
    if (delimiter !== '') {
      const key = keyOf(row.key)
      if (this.#hiding !== undefined && key.startsWith(this.#hiding)) return true
      const at = key.indexOf(delimiter, prefix.length)
      if (at !== -1) {
        const common = key.slice(0, at + delimiter.length)
        if (common > after) {
          if (this.room === 0) return false
          this.#prefixes.push(common)
          this.#last = { prefix: common }
        }
        this.#hiding = common
        return true
      }
    }
    if (this.room === 0) return false
    this.#entries.push(row)
    this.#last = { entry: row }
    return true
  }

  /** Where to go on when `row` is hidden: past everything its common prefix hides. */
  hiddenThrough(row: Entry): BinaryKey | undefined {
    const { keyOf, seekTo, to } = this.#request
    if (this.#hiding === undefined || !keyOf(row.key).startsWith(this.#hiding)) return undefined
    const next = afterPrefix(this.#hiding)
    return next === undefined ? to : seekTo(next)
  }

  full(): Page {
    return { entries: this.#entries, prefixes: this.#prefixes, last: this.#last! }
  }

  whole(): Page {
    return { entries: this.#entries, prefixes: this.#prefixes }
  }
}

/** Current versions of a bucket. */
export const listVersions = async (room: Room, request: ListVersions): Promise<VersionPage> => {
  const { ledger } = room
  const { id } = bucketIn(ledger, request)
  const space = currentPrefix(id)
  const prefix = toBinary(request.prefix)
  const after = toBinary(request.after)
  const start = request.after !== '' && `${after}\x00` > prefix ? `${after}\x00` : prefix
  const page = await listPage(ledger, {
    prefix,
    delimiter: toBinary(request.delimiter),
    after,
    limit: request.limit,
    from: space + start,
    to: afterPrefix(space + prefix),
    keyOf: (key) => key.slice(CURRENT_KEY_OFFSET),
    seekTo: (key) => space + key,
  })
  const { last } = page
  return {
    versions: page.entries.map(toListed),
    prefixes: page.prefixes.map(fromBinary),
    ...(last && {
      next: fromBinary('prefix' in last ? last.prefix : last.entry.key.slice(CURRENT_KEY_OFFSET)),
    }),
  }
}
