// The bytes of files that are many times nearly the same: what a file holds never changes, a write makes another content that
// shares all pages but those it touched. So a file of some megabytes is torn in a hundred ways for the price of the torn pages,
// and what was reckoned from a content, its digest above all, holds for as long as the content lives.
import { createHash } from 'node:crypto'

const PAGE_BYTES = 4096
const ZERO_PAGE = new Uint8Array(PAGE_BYTES)

export interface Content {
  readonly size: number
  /** Whole pages, zeros behind the end; undefined for one that holds nothing but zeros and was never written. */
  readonly pages: readonly (Uint8Array | undefined)[]
}

export const EMPTY: Content = { size: 0, pages: [] }

/** Sixteen bytes as a string of one-byte characters. */
export const digestOf = (bytes: Uint8Array | string): string =>
  createHash('md5')
    .update(bytes as Uint8Array)
    .digest('binary')

const pageDigests = new WeakMap<Uint8Array, string>()
const digestOfPage = (page: Uint8Array): string => {
  const known = pageDigests.get(page)
  if (known !== undefined) return known
  const digest = digestOf(page)
  pageDigests.set(page, digest)
  return digest
}

const contentDigests = new WeakMap<Content, string>()
/** Of all bytes and the length. */
export const contentDigest = (content: Content): string => {
  const known = contentDigests.get(content)
  if (known !== undefined) return known
  const pages = content.pages.map((page) => digestOfPage(page ?? ZERO_PAGE)).join('')
  const digest = digestOf(Buffer.from(`${content.size} ${pages}`, 'latin1'))
  contentDigests.set(content, digest)
  return digest
}

/** The whole pages of bytes that are written again and again, as views that are always the same. */
const viewsOf = new WeakMap<Uint8Array, Map<number, Uint8Array>>()
const viewAt = (bytes: Uint8Array, start: number): Uint8Array => {
  let views = viewsOf.get(bytes)
  if (!views) {
    views = new Map()
    viewsOf.set(bytes, views)
  }
  const known = views.get(start)
  if (known) return known
  const view = bytes.subarray(start, start + PAGE_BYTES)
  views.set(start, view)
  return view
}

/** Puts `bytes[start … stop − 1]` where the write of `bytes` at `position` puts them; pages that are not whole are in `own` then. */
const putRange = (
  pages: (Uint8Array | undefined)[],
  own: Set<number>,
  { position, bytes, start, stop }: { position: number; bytes: Uint8Array; start: number; stop: number },
): void => {
  const end = position + stop
  while (pages.length < Math.ceil(end / PAGE_BYTES)) pages.push(undefined)
  for (let at = position + start; at < end; ) {
    const index = Math.floor(at / PAGE_BYTES)
    const from = at - index * PAGE_BYTES
    const step = Math.min(PAGE_BYTES - from, end - at)
    if (step === PAGE_BYTES) pages[index] = viewAt(bytes, at - position)
    else {
      if (!own.has(index)) pages[index] = Uint8Array.from(pages[index] ?? ZERO_PAGE)
      own.add(index)
      pages[index]!.set(bytes.subarray(at - position, at - position + step), from)
    }
    at += step
  }
}

/** What a write leaves. The bytes must stay as they are. */
export const withBytes = (content: Content, position: number, bytes: Uint8Array): Content => {
  if (bytes.length === 0) return content
  const pages = [...content.pages]
  putRange(pages, new Set(), { position, bytes, start: 0, stop: bytes.length })
  return { size: Math.max(content.size, position + bytes.length), pages }
}

export interface Tear {
  readonly unit: 512 | 4096
  keeps(sector: number): boolean
}

/** As `withBytes`, but only those sectors of the file arrive that the tear keeps. */
export const withTorn = (content: Content, position: number, bytes: Uint8Array, tear: Tear): Content => {
  const { unit } = tear
  const pages = [...content.pages]
  const own = new Set<number>()
  const end = position + bytes.length
  let { size } = content
  // Neighbours that are kept are put together.
  let start: number | undefined
  const put = (stop: number): void => {
    if (start === undefined) return
    putRange(pages, own, { position, bytes, start, stop })
    size = Math.max(size, position + stop)
    start = undefined
  }
  for (let sector = Math.floor(position / unit); sector * unit < end; sector++) {
    const from = Math.max(position, sector * unit) - position
    if (tear.keeps(sector)) start ??= from
    else put(from)
  }
  put(bytes.length)
  return { size, pages }
}

export const withSize = (content: Content, size: number): Content => {
  if (size >= content.size) {
    const pages = [...content.pages]
    while (pages.length < Math.ceil(size / PAGE_BYTES)) pages.push(undefined)
    return { size, pages }
  }
  const pages = content.pages.slice(0, Math.ceil(size / PAGE_BYTES))
  const kept = size % PAGE_BYTES
  const last = pages.at(-1)
  if (kept > 0 && last) {
    const page = Uint8Array.from(last)
    page.fill(0, kept)
    pages[pages.length - 1] = page
  }
  return { size, pages }
}

/** As a read of a file does: how many bytes there were. */
export const readContent = ({ size, pages }: Content, into: Uint8Array, position: number): number => {
  const count = Math.max(0, Math.min(into.length, size - position))
  for (let done = 0; done < count; ) {
    const at = (position + done) % PAGE_BYTES
    const step = Math.min(count - done, PAGE_BYTES - at)
    const page = pages[Math.floor((position + done) / PAGE_BYTES)]
    if (page) into.set(step === PAGE_BYTES ? page : page.subarray(at, at + step), done)
    else into.fill(0, done, done + step)
    done += step
  }
  return count
}
