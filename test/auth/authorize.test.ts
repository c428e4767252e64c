import { ANONYMOUS } from '../../src/auth/authenticate.ts'
import { authorize, mayAccess } from '../../src/auth/authorize.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('authorize')
const root = { kind: 'root', canonicalId: 'a'.repeat(64), displayName: 'root', accessKeyId: 'key' } as const
const access = { action: 's3:GetObject', bucket: 'bucket', key: 'key' }

test('root may everything, nobody may nothing', async () => {
  assert.ok(mayAccess({ ...access, identity: root }))
  assert.not(mayAccess({ ...access, identity: ANONYMOUS }))
  authorize({ ...access, identity: root })
  await rejectsWith('AccessDenied', () => authorize({ ...access, identity: ANONYMOUS }))
})

test.run()
