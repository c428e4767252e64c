// All that a client can see of a store, as data that is equal when two stores are: by HEAD, LIST with its pages and markers, and
// the lists of uploads and parts.
import { createHash } from 'node:crypto'
import type { Engine, ListRequest } from '../../src/actors/engine.ts'
import { readBytes } from './engine-contract.ts'
import { CONFIGS, listedView, partView, type Store, versionView } from './operations.ts'

/** Ids of uploads under the names that both sides have for them. */
export type Translate = (upload: string) => string

const START = { prefix: '', delimiter: '', limit: 1000 }

/** How a store is to be looked at. */
export interface ViewOptions {
  readonly translate: Translate
  /** With numbers, times and ids as well, which stay what they are as long as the store lives. */
  readonly isExact?: boolean
}

const uploadsOf = async (engine: Engine, bucket: string, { translate, isExact = false }: ViewOptions) => {
  const { uploads } = await engine.uploads.list({ ...START, bucket, after: { key: '', upload: '' } })
  const found = uploads.map(async ({ id, initiatedMs, ...facts }) => {
    const { parts } = await engine.uploads.listParts(
      { bucket, key: facts.key, upload: id },
      { after: 0, limit: 1000 },
    )
    const partsView = parts.map((part) => ({
      ...partView(part),
      ...(isExact && { modifiedMs: part.modifiedMs }),
    }))
    return { ...facts, id: translate(id), ...(isExact && { initiatedMs }), parts: partsView }
  })
  return Promise.all(found)
}

const versionsOf = async (engine: Engine, bucket: string, { isExact = false }: ViewOptions) => {
  const { versions } = await engine.objects.list({ ...START, bucket, after: '' })
  const found = versions.map(async (listed) => {
    const head = await engine.objects.head({ bucket, key: listed.key })
    const { sequence, modifiedMs } = head
    return {
      listed: listedView(listed),
      head: versionView(head),
      ...(isExact && { sequence, modifiedMs, listedMs: listed.modifiedMs }),
    }
  })
  return Promise.all(found)
}

export type StoreView = Awaited<ReturnType<typeof viewOf>>

export const viewOf = async (store: Store, options: ViewOptions) => {
  const { buckets } = await store.buckets.list({ prefix: '', after: '', limit: 1000 })
  const found = buckets.map(async ({ name, owner, region, id, createdMs }) => ({
    ...{ name, owner, region },
    ...(options.isExact && { id, createdMs }),
    versions: await versionsOf(store, name, options),
    uploads: await uploadsOf(store, name, options),
  }))
  const configs = CONFIGS.map(async (name) => [name, (await store.configs?.get(name)) ?? null] as const)
  return { buckets: await Promise.all(found), configs: await Promise.all(configs) }
}

/** What a view says of one key, of one bucket, or of everything. */
export const partOfView = (view: StoreView, bucket: string, key: string | undefined): unknown => {
  if (bucket === '') return view.configs
  const found = view.buckets.find(({ name }) => name === bucket)
  if (!found || key === undefined) return found
  const versions = found.versions.filter(({ head }) => head.key === key)
  return [versions, found.uploads.filter((upload) => upload.key === key)]
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Every body, whole, and where its parts begin. */
export const bodiesOf = async (engine: Engine, { buckets }: StoreView): Promise<Map<string, unknown>> => {
  const bodies = new Map<string, unknown>()
  for (const { name: bucket, versions } of buckets) {
    for (const { head } of versions) {
      const address = { bucket, key: head.key }
      const reading = await engine.objects.open(address)
      const parts: unknown[] = []
      for (let number = 1; number <= 4; number++) parts.push(await reading.part(number))
      reading.close()
      const digest = digestOf(await readBytes(engine, address))
      bodies.set(`${bucket}/${head.key}`, { digest, parts: JSON.stringify(parts) })
    }
  }
  return bodies
}

/** Every page of a listing, one after another, with what leads from one to the next. */
export const pagesOf = async (
  engine: Engine,
  { bucket, prefix, delimiter, limit }: Omit<ListRequest, 'after'>,
  translate: Translate,
): Promise<unknown[]> => {
  const pages: unknown[] = []
  for (let after: string | undefined = ''; after !== undefined && pages.length < 100; ) {
    const page = await engine.objects.list({ bucket, prefix, delimiter, limit, after })
    pages.push([page.versions.map(listedView), page.prefixes, page.next])
    after = page.next
  }
  for (let after: { key: string; upload: string } | undefined = { key: '', upload: '' }; after; ) {
    const page = await engine.uploads.list({ bucket, prefix, delimiter, limit, after })
    const { next } = page
    const marker = next && [next.key, next.upload && translate(next.upload)]
    pages.push([page.uploads.map(({ id }) => translate(id)), page.prefixes, marker])
    after = pages.length < 300 ? next : undefined
  }
  return pages
}
