// Operations that may take longer than clients wait in silence: copies of gigabytes, and a completed upload of thousands of parts.
// As S3 does, the head goes out before the work is done, then white space now and then, which XML allows before its root; the
// document comes last. What fails by then is an `<Error>` in a 200, which SDKs look for in exactly these operations' answers.
//
// Whatever is known within the wait is answered as it always was, with the status that it has.
import { assert } from '../base/errors.ts'
import { errorResponse } from './errors.ts'
import type { S3Response } from './exchange.ts'
import type { Handler, Patience } from './handler.ts'
import { XML_DECLARATION, XML_TYPE } from './xml-write.ts'

/** Whether the work settles in time. */
const settlesInTime = (work: Promise<unknown>, { clock, waitMs }: Patience): Promise<boolean> =>
  new Promise((resolve) => {
    const timer = clock.setTimer(waitMs, () => resolve(false))
    const onSettled = (): void => {
      timer.cancel()
      resolve(true)
    }
    work.then(onSettled, onSettled)
  })

/** The document of an answer, without the declaration that has gone out before it. */
const documentOf = ({ body }: S3Response): string => {
  assert(
    typeof body === 'string' && body.startsWith(XML_DECLARATION),
    'an answer that comes late is a document',
  )
  return body.slice(XML_DECLARATION.length)
}

async function* piecesOf(document: Promise<string>, patience: Patience): AsyncGenerator<string> {
  yield `${XML_DECLARATION} `
  while (!(await settlesInTime(document, patience))) yield ' '
  yield await document
}

/** The handler, and an answer that begins without it when it takes long. Its own answers are XML documents. */
export const patiently =
  (handler: Handler): Handler =>
  async (request, context) => {
    const work = handler(request, context)
    const { patience } = context
    if (patience === undefined || (await settlesInTime(work, patience))) return work
    const { id, hostId, method, bucket, key } = request
    const document = work.then(documentOf).catch((error: unknown) => {
      context.onError(error)
      return documentOf(
        errorResponse(error, { requestId: id, hostId, method, resource: `/${bucket}/${key}` }),
      )
    })
    return {
      status: 200,
      headers: [['content-type', XML_TYPE]],
      body: { pieces: piecesOf(document, patience) },
    }
  }
