// The requests of the client's book, and what it takes for an answer. Pre-signed where that will do; the AWS SDK where headers
// have to be signed.
import { createHash } from 'node:crypto'
import { Agent, type IncomingMessage, request } from 'node:http'
import { CopyObjectCommand, DeleteObjectsCommand } from '@aws-sdk/client-s3'
import { createSigner } from '../../bench/load/presign.ts'
import { createS3Client, type Target } from './s3-client.ts'

/** The store answered, and not what it must. */
export class UnexpectedAnswer extends Error {
  readonly status: number

  constructor(what: string, status: number, body: string) {
    super(`${what} was answered ${status}: ${body.slice(0, 300)}`)
    this.status = status
  }
}

interface UploadId {
  readonly key: string
  readonly id: string
}

/** Each resolves when the store has acknowledged; what has an ETag, to it. */
export interface Hand {
  makeBucket(): Promise<void>
  put(key: string, body: Uint8Array, condition?: readonly [string, string]): Promise<string>
  /** A PUT whose condition does not hold. */
  putRefused(key: string, body: Uint8Array, condition: readonly [string, string]): Promise<void>
  copy(from: string, to: string): Promise<string>
  createUpload(key: string): Promise<string>
  putPart(upload: UploadId, number: number, body: Uint8Array): Promise<void>
  completeUpload(upload: UploadId, bodies: readonly Uint8Array[]): Promise<string>
  abortUpload(upload: UploadId): Promise<void>
  remove(key: string): Promise<undefined>
  removeMany(keys: readonly string[]): Promise<void>
  get(key: string): Promise<{ body: Buffer; etag: string } | undefined>
  head(key: string): Promise<{ size: number; etag: string } | undefined>
  /** `KEY SIZE`, in order. */
  list(): Promise<string[]>
  listUploads(): Promise<UploadId[]>
  close(): void
}

interface Answer {
  readonly status: number
  readonly body: Buffer
  readonly headers: IncomingMessage['headers']
}
interface Asking {
  readonly query?: readonly (readonly [string, string])[]
  readonly allowed?: readonly number[]
  readonly body?: Uint8Array | undefined
  readonly headers?: Readonly<Record<string, string>>
}

/** A book of at most forty-eight keys with one upload or two each fits one page. */
const PAGE_MAX = '1000'

export const createLedgerHand = (target: Target, bucket: string): Hand => {
  const signer = createSigner({ ...target, nowMs: Date.now() })
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const { hostname, port } = new URL(target.endpoint)
  const sdk = createS3Client(target)
  const pathOf = (key: string): string => `/${bucket}/${key}`

  const send = (method: string, path: string, { body, headers }: Asking): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const all = { ...headers, ...(body && { 'Content-Length': body.length }) }
      const outgoing = request({ hostname, port, path, method, agent, headers: all }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const { statusCode = 0, headers: its } = response
          resolve({ status: statusCode, body: Buffer.concat(chunks), headers: its })
        })
      })
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  const ask = async (method: string, path: string, asking: Asking = {}): Promise<Answer> => {
    const answer = await send(method, signer.presign(method, path, asking.query), asking)
    if (!(asking.allowed ?? [200]).includes(answer.status)) {
      throw new UnexpectedAnswer(`${method} ${path}`, answer.status, String(answer.body))
    }
    return answer
  }
  const etagOf = ({ headers }: Answer): string => headers.etag ?? ''
  const uploadQuery = ({ id }: UploadId): readonly [string, string] => ['uploadId', id]
  /** What the SDK rejects with, told as the others. */
  const asked = async <T>(what: string, action: Promise<T>): Promise<T> => {
    try {
      return await action
    } catch (error) {
      const { $metadata, message } = error as { $metadata?: { httpStatusCode?: number }; message: string }
      const status = $metadata?.httpStatusCode
      throw status === undefined ? error : new UnexpectedAnswer(what, status, message)
    }
  }

  return {
    async makeBucket() {
      await ask('PUT', `/${bucket}`, { allowed: [200, 409] })
    },
    async put(key, body, condition) {
      return etagOf(
        await ask('PUT', pathOf(key), { body, headers: condition ? { [condition[0]]: condition[1] } : {} }),
      )
    },
    async putRefused(key, body, [name, value]) {
      const allowed = name === 'If-Match' ? [404, 412] : [412]
      await ask('PUT', pathOf(key), { body, headers: { [name]: value }, allowed })
    },
    async copy(from, to) {
      const command = new CopyObjectCommand({ Bucket: bucket, Key: to, CopySource: `${bucket}/${from}` })
      const { CopyObjectResult } = await asked(`COPY ${from} to ${to}`, sdk.send(command))
      return CopyObjectResult?.ETag ?? ''
    },
    async createUpload(key) {
      const { body } = await ask('POST', pathOf(key), { query: [['uploads', '']] })
      return /<UploadId>([^<]+)</.exec(String(body))?.[1] ?? ''
    },
    async putPart(upload, number, body) {
      const query = [['partNumber', String(number)], uploadQuery(upload)] as const
      await ask('PUT', pathOf(upload.key), { query, body })
    },
    async completeUpload(upload, bodies) {
      const parts = bodies.map((body, index) => {
        const etag = createHash('md5').update(body).digest('hex')
        return `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`
      })
      const document = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`
      const body = Buffer.from(document)
      const answer = await ask('POST', pathOf(upload.key), { query: [uploadQuery(upload)], body })
      // A completion that takes long is answered 200 before it is decided; the document has the last word.
      const etag = /<ETag>([^<]+)</.exec(String(answer.body))?.[1]
      if (etag === undefined) {
        const status = /SlowDown|ServiceUnavailable/.test(String(answer.body)) ? 503 : 200
        throw new UnexpectedAnswer(`completing ${upload.key}`, status, String(answer.body))
      }
      return etag.replaceAll('&quot;', '"')
    },
    async abortUpload(upload) {
      await ask('DELETE', pathOf(upload.key), { query: [uploadQuery(upload)], allowed: [204] })
    },
    async remove(key) {
      await ask('DELETE', pathOf(key), { allowed: [204] })
      return undefined
    },
    async removeMany(keys) {
      const Delete = { Objects: keys.map((Key) => ({ Key })) }
      const { Errors = [] } = await asked(
        'DeleteObjects',
        sdk.send(new DeleteObjectsCommand({ Bucket: bucket, Delete })),
      )
      if (Errors.length === 0) return
      const isLater = Errors.every(({ Code }) => /SlowDown|ServiceUnavailable/.test(Code ?? ''))
      throw new UnexpectedAnswer('DeleteObjects', isLater ? 503 : 200, JSON.stringify(Errors))
    },
    async get(key) {
      const answer = await ask('GET', pathOf(key), { allowed: [200, 404] })
      return answer.status === 200 ? { body: answer.body, etag: etagOf(answer) } : undefined
    },
    async head(key) {
      const answer = await ask('HEAD', pathOf(key), { allowed: [200, 404] })
      if (answer.status === 404) return undefined
      return { size: Number(answer.headers['content-length']), etag: etagOf(answer) }
    },
    async list() {
      const { body } = await ask('GET', `/${bucket}`, { query: [['list-type', '2']] })
      const contents = [...String(body).matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, one = '']) => one)
      return contents.map((one) => `${/<Key>([^<]*)</.exec(one)?.[1]} ${/<Size>(\d+)</.exec(one)?.[1]}`)
    },
    async listUploads() {
      const query = [
        ['uploads', ''],
        ['max-uploads', PAGE_MAX],
      ] as const
      const { body } = await ask('GET', `/${bucket}`, { query })
      const uploads = [...String(body).matchAll(/<Upload>(.*?)<\/Upload>/gs)].map(([, one = '']) => one)
      return uploads.map((one) => ({
        key: /<Key>([^<]*)</.exec(one)?.[1] ?? '',
        id: /<UploadId>([^<]*)</.exec(one)?.[1] ?? '',
      }))
    },
    close() {
      agent.destroy()
      sdk.destroy()
    },
  }
}
