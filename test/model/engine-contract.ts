// What every engine promises, as one suite: run for the reference store here and for the real engine where it is built.
// Each test starts with an empty engine. Nothing here looks at how an engine keeps what it keeps.
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { Body, Engine, ListRequest, UploadAddress } from '../../src/actors/engine.ts'
import { refusal } from '../../src/base/errors.ts'
import type { UploadId } from '../../src/base/ids.ts'
import { MiB } from '../../src/base/units.ts'
import type { ChecksumAlgorithm, ChecksumType, PartRecord } from '../../src/metadata/records.ts'
import { createSeal } from '../../src/s3/checksums.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

export interface EngineUnderTest {
  readonly engine: Engine
  close(): Promise<void>
}

export interface ContractOptions {
  /** Of one test. */
  readonly limitMs?: number
  /** Bodies of every way a store may keep them. */
  readonly sizes?: readonly number[]
}

const OWNER = 'a'.repeat(64)
const PART_BYTES = 5 * MiB

/** A body in pieces of an odd length, digested with MD5 and the algorithm asked for. */
export const bodyOf = (content: string | Uint8Array, algorithm?: ChecksumAlgorithm): Body => {
  const bytes = Buffer.from(content as string)
  return {
    size: bytes.length,
    chunks: (async function* () {
      for (let at = 0; at < bytes.length; at += 65_537) yield bytes.subarray(at, at + 65_537)
    })(),
    ...createSeal(algorithm),
  }
}

/** All bytes from `start` on, each chunk released. */
export const readBytes = async (
  engine: Engine,
  address: { bucket: string; key: string },
  range?: { start: number; length: number },
): Promise<Uint8Array> => {
  const reading = await engine.objects.open(address)
  const pieces: Uint8Array[] = []
  try {
    for await (const chunk of reading.read(range ?? { start: 0, length: reading.version.size })) {
      pieces.push(Uint8Array.from(chunk.bytes))
      chunk.release()
    }
  } finally {
    reading.close()
  }
  return Buffer.concat(pieces)
}

const md5 = (bytes: string | Uint8Array): string => createHash('md5').update(bytes).digest('hex')

/** Bytes that differ everywhere, so that no two blocks can be taken for each other. */
const bytesOf = (size: number): Uint8Array => {
  const bytes = new Uint8Array(size)
  for (let i = 0; i < size; i++) bytes[i] = (Math.imul(i, 2654435761) >>> 13) & 0xff
  return bytes
}

type Register = (name: string, body: (engine: Engine) => Promise<void>) => void

const put = (engine: Engine, key: string, content: string | Uint8Array = key, bucket = 'bucket') =>
  engine.objects.put({ bucket, key, owner: OWNER, headers: [], metadata: [] }, bodyOf(content))

const createBucket = (engine: Engine, name = 'bucket') =>
  engine.buckets.create(name, { owner: OWNER, region: 'us-east-1' })

const bucketTests = (it: Register): void => {
  it('a bucket is there once it is created and gone once it is deleted', async (engine) => {
    const made = await createBucket(engine)
    assert.equal(await engine.buckets.get('bucket'), made)
    assert.is(made.owner, OWNER)
    await engine.buckets.delete('bucket')
    await rejectsWith('NoSuchBucket', () => engine.buckets.get('bucket'))
    await rejectsWith('NoSuchBucket', () => engine.buckets.delete('bucket'))
    const again = await createBucket(engine)
    assert.is.not(again.id, made.id, 'made again it is another bucket')
  })

  it('a name is taken, by its owner or by another', async (engine) => {
    await createBucket(engine)
    await rejectsWith('BucketAlreadyOwnedByYou', () => createBucket(engine))
    await rejectsWith('BucketAlreadyExists', () =>
      engine.buckets.create('bucket', { owner: 'b'.repeat(64), region: 'us-east-1' }),
    )
  })

  it('buckets are listed by name, page by page', async (engine) => {
    for (const name of ['b-3', 'a-1', 'b-1', 'b-2']) await createBucket(engine, name)
    const first = await engine.buckets.list({ prefix: 'b-', after: '', limit: 2 })
    assert.equal(
      first.buckets.map(({ name }) => name),
      ['b-1', 'b-2'],
    )
    const second = await engine.buckets.list({ prefix: 'b-', after: first.next ?? '', limit: 2 })
    assert.equal(
      second.buckets.map(({ name }) => name),
      ['b-3'],
    )
    assert.is(second.next, undefined)
  })

  it('a bucket with a version or an open upload is not deleted', async (engine) => {
    await createBucket(engine)
    await put(engine, 'k')
    await rejectsWith('BucketNotEmpty', () => engine.buckets.delete('bucket'))
    await engine.objects.delete({ bucket: 'bucket', key: 'k' })
    const upload = await begin(engine, 'k')
    await rejectsWith('BucketNotEmpty', () => engine.buckets.delete('bucket'))
    await engine.uploads.abort(upload)
    await engine.buckets.delete('bucket')
  })
}

const objectTests = (it: Register, sizes: readonly number[]): void => {
  for (const size of sizes) {
    it(`${size} bytes come back as they were put, whole and in ranges`, async (engine) => {
      await createBucket(engine)
      const bytes = bytesOf(size)
      const version = await put(engine, 'k', bytes)
      assert.is(version.size, size)
      assert.is(version.etag, md5(bytes))
      assert.is(md5(await readBytes(engine, { bucket: 'bucket', key: 'k' })), md5(bytes))
      for (const [start, length] of [
        [0, Math.min(size, 1)],
        [size >> 1, size - (size >> 1)],
        [size >> 2, Math.min(65_537, size - (size >> 2))],
      ] as const) {
        if (length === 0) continue
        const got = await readBytes(engine, { bucket: 'bucket', key: 'k' }, { start, length })
        assert.is(md5(got), md5(bytes.subarray(start, start + length)), `${start}+${length}`)
      }
    })
  }

  it('everything that is said of a version is kept', async (engine) => {
    await createBucket(engine)
    const headers = [['content-type', 'text/plain']] as const
    const metadata = [
      ['__proto__', 'x'],
      ['farbe', 'grün'],
    ] as const
    const request = { bucket: 'bucket', key: 'k', owner: OWNER, headers, metadata }
    const version = await engine.objects.put(request, bodyOf('hello', 'SHA1'))
    assert.equal(await engine.objects.head({ bucket: 'bucket', key: 'k' }), version)
    assert.equal(version.headers, headers)
    assert.equal(version.metadata, metadata)
    assert.is(version.versionId, 'null')
    assert.is(version.owner, OWNER)
    assert.equal(version.checksum, {
      algorithm: 'SHA1',
      type: 'FULL_OBJECT',
      value: createHash('sha1').update('hello').digest('base64'),
    })
  })

  it('a later PUT wins, and its number is higher', async (engine) => {
    await createBucket(engine)
    const first = await put(engine, 'k', 'one')
    const second = await put(engine, 'k', 'two')
    assert.ok(second.sequence > first.sequence)
    assert.is(String(await readBytes(engine, { bucket: 'bucket', key: 'k' })), 'two')
  })

  it('a reading goes on after its version is overwritten or deleted', async (engine) => {
    await createBucket(engine)
    const bytes = bytesOf(300_000)
    await put(engine, 'k', bytes)
    const reading = await engine.objects.open({ bucket: 'bucket', key: 'k' })
    await put(engine, 'k', 'other')
    await engine.objects.delete({ bucket: 'bucket', key: 'k' })
    const pieces: Uint8Array[] = []
    for await (const chunk of reading.read({ start: 0, length: bytes.length })) {
      pieces.push(Uint8Array.from(chunk.bytes))
      chunk.release()
    }
    reading.close()
    reading.close()
    assert.is(md5(Buffer.concat(pieces)), md5(bytes))
  })

  it('what is not there has a name for it', async (engine) => {
    await rejectsWith('NoSuchBucket', () => put(engine, 'k'))
    await rejectsWith('NoSuchBucket', () => engine.objects.delete({ bucket: 'bucket', key: 'k' }))
    await createBucket(engine)
    await rejectsWith('NoSuchKey', () => engine.objects.head({ bucket: 'bucket', key: 'k' }))
    await rejectsWith('NoSuchKey', () => engine.objects.open({ bucket: 'bucket', key: 'k' }))
    await put(engine, 'k')
    await rejectsWith('NoSuchVersion', () =>
      engine.objects.head({ bucket: 'bucket', key: 'k', versionId: 'x' }),
    )
    await rejectsWith('NoSuchVersion', () =>
      engine.objects.delete({ bucket: 'bucket', key: 'k', versionId: 'x' }),
    )
    assert.is((await engine.objects.head({ bucket: 'bucket', key: 'k', versionId: 'null' })).key, 'k')
    await engine.objects.delete({ bucket: 'bucket', key: 'k' })
    await engine.objects.delete({ bucket: 'bucket', key: 'k' })
    await rejectsWith('NoSuchKey', () => engine.objects.head({ bucket: 'bucket', key: 'k' }))
  })

  it('a body that fails leaves nothing behind', async (engine) => {
    await createBucket(engine)
    const broken: Body = {
      ...bodyOf('hello'),
      seal() {
        throw refusal('BadDigest', 'not what was sent')
      },
    }
    const request = { bucket: 'bucket', key: 'k', owner: OWNER, headers: [], metadata: [] }
    await rejectsWith('BadDigest', () => engine.objects.put(request, broken))
    const cut: Body = {
      ...bodyOf('hello'),
      // biome-ignore lint/correctness/useYield: it ends before its first byte
      chunks: (async function* (): AsyncGenerator<Uint8Array> {
        throw refusal('IncompleteBody', 'cut')
      })(),
    }
    await rejectsWith('IncompleteBody', () => engine.objects.put(request, cut))
    await rejectsWith('NoSuchKey', () => engine.objects.head(request))
  })

  it('keys are opaque: none is another, whatever they look like', async (engine) => {
    await createBucket(engine)
    const keys = [
      'a',
      'a/',
      'a/b',
      '../x',
      '..',
      '.',
      '/x',
      '//',
      'a//b',
      '\\',
      ' ',
      '%2F',
      'ä',
      'a\u0308',
      '\u{10FFFF}',
    ]
    keys.push('k'.repeat(1024), '/'.repeat(500), 'CON', '.sys/', '\u0001', '__proto__', 'constructor')
    for (const key of keys) await put(engine, key, `of ${key}`)
    for (const key of keys) assert.is(String(await readBytes(engine, { bucket: 'bucket', key })), `of ${key}`)
    const page = await engine.objects.list({
      bucket: 'bucket',
      prefix: '',
      delimiter: '',
      after: '',
      limit: 1000,
    })
    const sorted = keys.sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
    assert.equal(
      page.versions.map(({ key }) => key),
      sorted,
    )
    for (const key of keys) await engine.objects.delete({ bucket: 'bucket', key })
    await engine.buckets.delete('bucket')
  })
}

const conditionTests = (it: Register): void => {
  const request = { bucket: 'bucket', key: 'k', owner: OWNER, headers: [], metadata: [] }

  it('If-None-Match: * makes a key once', async (engine) => {
    await createBucket(engine)
    const once = { ...request, conditions: { ifNoneMatch: ['*'] } }
    await engine.objects.put(once, bodyOf('one'))
    await rejectsWith('PreconditionFailed', () => engine.objects.put(once, bodyOf('two')))
    await engine.objects.delete(request)
    await engine.objects.put(once, bodyOf('three'))
    assert.is(String(await readBytes(engine, request)), 'three')
  })

  it('of many at once that make a key once, one does', async (engine) => {
    await createBucket(engine)
    const once = { ...request, conditions: { ifNoneMatch: ['*'] } }
    const all = Array.from({ length: 20 }, (_, i) => engine.objects.put(once, bodyOf(`body ${i}`)))
    const settled = await Promise.allSettled(all)
    const won = settled.flatMap((one, i) => (one.status === 'fulfilled' ? [i] : []))
    assert.is(won.length, 1)
    for (const one of settled) {
      if (one.status === 'rejected') {
        const { code } = one.reason as { code: string }
        assert.ok(['PreconditionFailed', 'ConditionalRequestConflict'].includes(code), code)
      }
    }
    assert.is(String(await readBytes(engine, request)), `body ${won[0]}`)
  })

  it('If-Match overwrites and deletes exactly what it names', async (engine) => {
    await createBucket(engine)
    const only = (etag: string) => ({ conditions: { ifMatch: [etag] } })
    await rejectsWith('NoSuchKey', () => engine.objects.put({ ...request, ...only('*') }, bodyOf('x')))
    const { etag } = await engine.objects.put(request, bodyOf('one'))
    await rejectsWith('PreconditionFailed', () =>
      engine.objects.put({ ...request, ...only('0') }, bodyOf('x')),
    )
    await engine.objects.put({ ...request, ...only(etag) }, bodyOf('two'))
    await engine.objects.put({ ...request, ...only('*') }, bodyOf('three'))
    await rejectsWith('PreconditionFailed', () => engine.objects.delete(request, { ifMatch: [etag] }))
    await engine.objects.delete(request, { ifMatch: [md5('three')] })
    await rejectsWith('NoSuchKey', () => engine.objects.head(request))
  })
}

const listTests = (it: Register): void => {
  const fill = async (engine: Engine): Promise<void> => {
    await createBucket(engine)
    for (const key of ['a', 'b/1', 'b/2', 'b/c/3', 'b0', 'd', 'é', '\uFF5E', '\u{1F600}'])
      await put(engine, key)
  }
  const list = async (engine: Engine, request: Partial<ListRequest>) => {
    const page = await engine.objects.list({
      bucket: 'bucket',
      prefix: '',
      delimiter: '',
      after: '',
      limit: 1000,
      ...request,
    })
    return { keys: page.versions.map(({ key }) => key), prefixes: page.prefixes, next: page.next }
  }

  it('keys are listed in the order of their bytes', async (engine) => {
    await fill(engine)
    const all = ['a', 'b/1', 'b/2', 'b/c/3', 'b0', 'd', 'é', '\uFF5E', '\u{1F600}']
    assert.equal(await list(engine, {}), { keys: all, prefixes: [], next: undefined })
    assert.equal((await list(engine, { after: 'b/2' })).keys, all.slice(3))
    assert.equal((await list(engine, { after: 'b/20' })).keys, all.slice(3))
    assert.equal((await list(engine, { prefix: 'b/' })).keys, ['b/1', 'b/2', 'b/c/3'])
    assert.equal((await list(engine, { prefix: 'x' })).keys, [])
    assert.equal(await list(engine, { limit: 0 }), { keys: [], prefixes: [], next: undefined })
    await rejectsWith('NoSuchBucket', () => list(engine, { bucket: 'none' }))
  })

  it('a delimiter rolls up what lies below it', async (engine) => {
    await fill(engine)
    const top = await list(engine, { delimiter: '/', limit: 5 })
    assert.equal(top, { keys: ['a', 'b0', 'd', 'é'], prefixes: ['b/'], next: 'é' })
    assert.equal(await list(engine, { delimiter: '/', prefix: 'b/' }), {
      keys: ['b/1', 'b/2'],
      prefixes: ['b/c/'],
      next: undefined,
    })
    assert.equal((await list(engine, { delimiter: '/c/' })).prefixes, ['b/c/'])
    assert.equal((await list(engine, { delimiter: '/', after: 'b/' })).prefixes, [])
    assert.equal((await list(engine, { delimiter: '/', after: 'b/' })).keys.at(0), 'b0')
  })

  it('pages put together are the whole, whatever their size', async (engine) => {
    await fill(engine)
    for (const delimiter of ['', '/']) {
      const whole = await list(engine, { delimiter })
      for (let limit = 1; limit < 11; limit++) {
        const keys: string[] = []
        const prefixes: string[] = []
        let after: string | undefined = ''
        for (let pages = 0; after !== undefined; pages++) {
          assert.ok(pages < 20, 'a listing comes to its end')
          const page = await list(engine, { delimiter, after, limit })
          assert.ok(page.keys.length + page.prefixes.length <= limit)
          keys.push(...page.keys)
          prefixes.push(...page.prefixes)
          after = page.next
        }
        assert.equal({ keys, prefixes }, { keys: whole.keys, prefixes: whole.prefixes })
      }
    }
  })
}

const begin = async (
  engine: Engine,
  key: string,
  checksum?: { checksumAlgorithm: ChecksumAlgorithm; checksumType: ChecksumType },
): Promise<UploadAddress> => {
  const request = { bucket: 'bucket', key, owner: OWNER, headers: [], metadata: [], ...checksum }
  const { id } = await engine.uploads.create(request)
  return { bucket: 'bucket', key, upload: id }
}

const listed = (...parts: readonly PartRecord[]) =>
  parts.map(({ partNumber, etag }) => ({ partNumber, etag }))

const uploadTests = (it: Register): void => {
  it('parts become one object, in order, and the upload is gone', async (engine) => {
    await createBucket(engine)
    const upload = await begin(engine, 'k')
    const bytes = bytesOf(PART_BYTES + 1000)
    const last = await engine.uploads.putPart(upload, 2, bodyOf(bytes.subarray(PART_BYTES)))
    const first = await engine.uploads.putPart(upload, 1, bodyOf(bytes.subarray(0, PART_BYTES)))
    await rejectsWith('NoSuchKey', () => engine.objects.head(upload))
    const version = await engine.uploads.complete({
      ...upload,
      parts: listed(first, last),
      size: bytes.length,
    })
    const etags = Buffer.concat([Buffer.from(first.etag, 'hex'), Buffer.from(last.etag, 'hex')])
    assert.is(version.etag, `${md5(etags)}-2`)
    assert.is(version.size, bytes.length)
    assert.is(version.partCount, 2)
    assert.is(md5(await readBytes(engine, upload)), md5(bytes))
    const across = { start: PART_BYTES - 10, length: 20 }
    assert.equal(
      Buffer.from(await readBytes(engine, upload, across)),
      Buffer.from(bytes.subarray(across.start, across.start + 20)),
    )
    const reading = await engine.objects.open(upload)
    assert.equal(await reading.part(2), { start: PART_BYTES, length: 1000 })
    assert.is(await reading.part(3), undefined)
    reading.close()
    await rejectsWith('NoSuchUpload', () => engine.uploads.get(upload))
    const again = await engine.uploads.complete({ ...upload, parts: listed(first, last) })
    assert.is(again.sequence, version.sequence, 'completing again answers what was completed')
    const swapped = [{ ...listed(first)[0]!, etag: last.etag }, ...listed(last)]
    for (const parts of [listed(first), listed(last), listed(last, first), swapped]) {
      await rejectsWith('NoSuchUpload', () => engine.uploads.complete({ ...upload, parts }))
    }
    await put(engine, 'k')
    await rejectsWith('NoSuchUpload', () =>
      engine.uploads.complete({ ...upload, parts: listed(first, last) }),
    )
  })

  it('a part that comes again replaces the first', async (engine) => {
    await createBucket(engine)
    const upload = await begin(engine, 'k')
    const old = await engine.uploads.putPart(upload, 1, bodyOf('old'))
    const part = await engine.uploads.putPart(upload, 1, bodyOf('new'))
    await rejectsWith('InvalidPart', () => engine.uploads.complete({ ...upload, parts: listed(old) }))
    await engine.uploads.complete({ ...upload, parts: listed(part) })
    assert.is(String(await readBytes(engine, upload)), 'new')
  })

  it('a list of parts that does not hold is refused, and the upload stays', async (engine) => {
    await createBucket(engine)
    const upload = await begin(engine, 'k')
    const one = await engine.uploads.putPart(upload, 1, bodyOf('one'))
    const two = await engine.uploads.putPart(upload, 2, bodyOf('two'))
    const complete = (parts: ReturnType<typeof listed>, more: object = {}) =>
      engine.uploads.complete({ ...upload, parts, ...more })
    await rejectsWith('InvalidPartOrder', () => complete(listed(two, one)))
    await rejectsWith('InvalidPartOrder', () => complete(listed(one, one)))
    await rejectsWith('EntityTooSmall', () => complete(listed(one, two)))
    await rejectsWith('InvalidPart', () => complete([{ partNumber: 3, etag: one.etag }]))
    await rejectsWith('InvalidPart', () => complete([{ partNumber: 1, etag: two.etag }]))
    await rejectsWith('InvalidRequest', () => complete(listed(two), { size: 4 }))
    await rejectsWith('NoSuchKey', () => complete(listed(two), { conditions: { ifMatch: ['*'] } }))
    await put(engine, 'k')
    await rejectsWith('PreconditionFailed', () =>
      complete(listed(two), { conditions: { ifNoneMatch: ['*'] } }),
    )
    await complete(listed(two))
    assert.is(String(await readBytes(engine, upload)), 'two')
  })

  it('an upload that was aborted, or never begun, takes nothing', async (engine) => {
    await createBucket(engine)
    const upload = await begin(engine, 'k')
    const part = await engine.uploads.putPart(upload, 1, bodyOf('one'))
    await engine.uploads.abort(upload)
    const unknown = { ...upload, upload: '../../etc' as UploadId }
    const otherKey = { ...(await begin(engine, 'k')), key: 'other' }
    for (const address of [upload, unknown, otherKey]) {
      await rejectsWith('NoSuchUpload', () => engine.uploads.putPart(address, 1, bodyOf('one')))
      await rejectsWith('NoSuchUpload', () => engine.uploads.complete({ ...address, parts: listed(part) }))
      await rejectsWith('NoSuchUpload', () => engine.uploads.abort(address))
      await rejectsWith('NoSuchUpload', () => engine.uploads.get(address))
      await rejectsWith('NoSuchUpload', () => engine.uploads.listParts(address, { after: 0, limit: 1 }))
    }
  })

  it('of an abort and a complete at once one happens, and a part that comes meanwhile is of neither', async (engine) => {
    await createBucket(engine)
    for (let round = 0; round < 10; round++) {
      const upload = await begin(engine, 'k')
      const part = await engine.uploads.putPart(upload, 1, bodyOf(`round ${round}`))
      const parts = listed(part)
      const complete = () => engine.uploads.complete({ ...upload, parts })
      const abort = () => engine.uploads.abort(upload)
      const late = engine.uploads.putPart(upload, 2, bodyOf('late')).catch((error: unknown) => error)
      const settled = await Promise.allSettled(
        round % 2 === 0 ? [abort(), complete()] : [complete(), abort()],
      )
      const won = settled.map(({ status }) => status === 'fulfilled')
      assert.is(won.filter(Boolean).length, 1, `round ${round}: ${won}`)
      const lost = settled.find((one) => one.status === 'rejected')?.reason as { code: string }
      assert.is(lost.code, 'NoSuchUpload')
      await late
      const isCompleted = won[round % 2 === 0 ? 1 : 0]
      if (isCompleted) assert.is(String(await readBytes(engine, upload)), `round ${round}`)
      else await rejectsWith('NoSuchUpload', complete)
      await rejectsWith('NoSuchUpload', () => engine.uploads.listParts(upload, { after: 0, limit: 1 }))
    }
  })

  for (const [checksumAlgorithm, checksumType] of [
    ['CRC32', 'FULL_OBJECT'],
    ['CRC32', 'COMPOSITE'],
    ['CRC32C', 'FULL_OBJECT'],
    ['CRC64NVME', 'FULL_OBJECT'],
    ['SHA256', 'COMPOSITE'],
  ] as const) {
    it(`a ${checksumType} ${checksumAlgorithm} of two parts is what it should be`, async (engine) => {
      await createBucket(engine)
      const upload = await begin(engine, 'k', { checksumAlgorithm, checksumType })
      const bytes = bytesOf(PART_BYTES + 77)
      const bodies = [bytes.subarray(0, PART_BYTES), bytes.subarray(PART_BYTES)] as const
      const one = await engine.uploads.putPart(upload, 1, bodyOf(bodies[0], checksumAlgorithm))
      const two = await engine.uploads.putPart(upload, 2, bodyOf(bodies[1], checksumAlgorithm))
      const ofParts = Buffer.concat([one, two].map(({ checksum }) => Buffer.from(checksum!.value, 'base64')))
      const whole = await put(engine, 'whole', checksumType === 'COMPOSITE' ? ofParts : bytes)
      const reference = await engine.objects.put(
        { bucket: 'bucket', key: 'reference', owner: OWNER, headers: [], metadata: [] },
        bodyOf(checksumType === 'COMPOSITE' ? ofParts : bytes, checksumAlgorithm),
      )
      assert.is(whole.etag, reference.etag)
      const value = reference.checksum!.value + (checksumType === 'COMPOSITE' ? '-2' : '')
      const parts = [one, two].map(({ partNumber, etag, checksum }) => ({
        partNumber,
        etag,
        checksum: { algorithm: checksumAlgorithm, value: checksum!.value },
      }))
      const complete = (claimed: string) =>
        engine.uploads.complete({
          ...upload,
          parts,
          checksum: { algorithm: checksumAlgorithm, value: claimed },
          checksumType,
        })
      await rejectsWith('BadDigest', () => complete(one.checksum!.value))
      const version = await complete(value)
      assert.equal(version.checksum, { algorithm: checksumAlgorithm, type: checksumType, value })
    })
  }

  it('what is made of checksums of parts takes a list that names them', async (engine) => {
    await createBucket(engine)
    for (const [checksumType, isNeeded] of [
      ['COMPOSITE', true],
      ['FULL_OBJECT', false],
    ] as const) {
      const upload = await begin(engine, 'k', { checksumAlgorithm: 'CRC32', checksumType })
      const part = await engine.uploads.putPart(upload, 4, bodyOf('one', 'CRC32'))
      const complete = (checksum?: { algorithm: ChecksumAlgorithm; value: string }) => {
        const parts = listed(part).map((named) => ({ ...named, ...(checksum && { checksum }) }))
        return engine.uploads.complete({ ...upload, parts })
      }
      const { value } = part.checksum!
      if (isNeeded) await rejectsWith('InvalidRequest', () => complete())
      await rejectsWith(isNeeded ? 'InvalidRequest' : 'InvalidPart', () =>
        complete({ algorithm: 'CRC32C', value }),
      )
      await rejectsWith('InvalidPart', () => complete({ algorithm: 'CRC32', value: 'AAAAAA==' }))
      const version = await complete(isNeeded ? { algorithm: 'CRC32', value } : undefined)
      assert.is(version.checksum?.type, checksumType)
    }
  })

  it('parts and uploads are listed page by page', async (engine) => {
    await createBucket(engine)
    const upload = await begin(engine, 'k')
    for (const partNumber of [7, 1, 10_000]) await engine.uploads.putPart(upload, partNumber, bodyOf('x'))
    const numbers = async (after: number, limit: number) => {
      const page = await engine.uploads.listParts(upload, { after, limit })
      return { numbers: page.parts.map(({ partNumber }) => partNumber), next: page.next }
    }
    assert.equal(await numbers(0, 2), { numbers: [1, 7], next: 7 })
    assert.equal(await numbers(7, 2), { numbers: [10_000], next: undefined })
    await engine.uploads.abort(upload)

    const begun: UploadAddress[] = []
    for (const key of ['a/1', 'b', 'b', 'c']) begun.push(await begin(engine, key))
    const page = async (after: { key: string; upload: string }, limit: number, delimiter = '') => {
      const found = await engine.uploads.list({ bucket: 'bucket', prefix: '', delimiter, after, limit })
      return { ids: found.uploads.map(({ id }) => id), prefixes: found.prefixes, next: found.next }
    }
    const ids = begun.map((address) => address.upload)
    const start = { key: '', upload: '' }
    assert.equal(await page(start, 10), { ids, prefixes: [], next: undefined })
    const first = await page(start, 2)
    assert.equal(first, { ids: ids.slice(0, 2), prefixes: [], next: { key: 'b', upload: ids[1] } })
    assert.equal((await page(first.next!, 10)).ids, ids.slice(2))
    assert.equal((await page({ key: 'b', upload: '' }, 10)).ids, ids.slice(3))
    const rolled = await page(start, 1, '/')
    assert.equal(rolled.prefixes, ['a/'])
    assert.equal((await page(rolled.next!, 10, '/')).ids, ids.slice(1))
  })
}

/** Registers and runs the contract's suite for what `make` makes. */
export const engineContract = (
  name: string,
  make: () => Promise<EngineUnderTest>,
  { limitMs = 10_000, sizes = [0, 1, 16_384, 16_385, 200_000, 1_048_576, 5_000_001] }: ContractOptions = {},
): void => {
  const test = suite(`engine contract: ${name}`)
  const it: Register = (title, body) => {
    test(
      title,
      deadline(limitMs, async () => {
        const { engine, close } = await make()
        try {
          await body(engine)
        } finally {
          await close()
        }
      }),
    )
  }
  bucketTests(it)
  objectTests(it, sizes)
  conditionTests(it)
  listTests(it)
  uploadTests(it)
  test.run()
}
