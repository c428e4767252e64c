// A copy that what is there refuses costs a look-up, not a copy.
import type { Engine } from '../../src/actors/engine.ts'
import { createDispatch } from '../../src/s3/dispatch.ts'
import { createExchange, readAnswer, requestOf } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('s3: copy object')

const ETAG = '"5d41402abc4b2a76b9719d911017c592"'

test(
  'conditions on the target are looked at before the source is read',
  deadline(5_000, async () => {
    const { store, send } = await createExchange()
    await send('PUT /bucket/source', { body: 'hello' })
    await send('PUT /bucket/target', { body: 'hello' })
    let writes = 0
    const put: Engine['objects']['put'] = (...args) => {
      writes++
      return store.objects.put(...args)
    }
    const engine = { ...store, objects: { ...store.objects, put } }
    const dispatch = createDispatch({ engine, region: 'us-east-1', onError: () => undefined })
    const copy = async (target: string, headers: Record<string, string>): Promise<string> => {
      const sent = { headers: { 'x-amz-copy-source': 'bucket/source', ...headers } }
      const { status, code } = await readAnswer(await dispatch(requestOf(`PUT /bucket/${target}`, sent)))
      assert.is(store.leases(), 0)
      return `${status} ${code}`
    }
    assert.is(await copy('target', { 'if-none-match': '*' }), '412 PreconditionFailed')
    assert.is(await copy('target', { 'if-match': '"other"' }), '412 PreconditionFailed')
    assert.is(await copy('nothing', { 'if-match': ETAG }), '404 NoSuchKey')
    assert.is(writes, 0)
    assert.is(await copy('new', { 'if-none-match': '*' }), '200 ')
    assert.is(await copy('target', { 'if-match': ETAG }), '200 ')
    assert.is(writes, 2)
  }),
)

test(
  'what comes between the look and the commit is refused by the commit',
  deadline(5_000, async () => {
    const { store, send } = await createExchange()
    await send('PUT /bucket/source', { body: 'hello' })
    const put: Engine['objects']['put'] = async (...args) => {
      await send('PUT /bucket/target', { body: 'first' })
      return store.objects.put(...args)
    }
    const engine = { ...store, objects: { ...store.objects, put } }
    const dispatch = createDispatch({ engine, region: 'us-east-1', onError: () => undefined })
    const headers = { 'x-amz-copy-source': 'bucket/source', 'if-none-match': '*' }
    const { code } = await readAnswer(await dispatch(requestOf('PUT /bucket/target', { headers })))
    assert.is(code, 'PreconditionFailed')
    assert.is((await send('GET /bucket/target')).text, 'first')
  }),
)

test.run()
