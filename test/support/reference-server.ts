// The real protocol over the reference store: gateway, signatures and handlers as they are served, and behind them the
// specification instead of disks. What fails here is not the engine's fault.
import type { Engine } from '../../src/actors/engine.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/prng.ts'
import { authorizeRequest } from '../../src/s3/authorization.ts'
import { createDispatch } from '../../src/s3/dispatch.ts'
import { errorResponse } from '../../src/s3/errors.ts'
import { createGateway } from '../../src/s3/gateway.ts'
import type { Patience } from '../../src/s3/handler.ts'
import { createReferenceStore } from '../model/reference-store.ts'
import type { StoreUnderTest } from './sdk-contract.ts'
import { createCredentials } from './server-process.ts'

export interface ReferenceServerOptions {
  /** Of what handlers see, in place of the reference store itself. */
  readonly engineOf?: (store: Engine) => Engine
  readonly patience?: Patience
}

export const startReferenceServer = async (
  credentials = createCredentials(),
  { engineOf = (store) => store, patience }: ReferenceServerOptions = {},
): Promise<StoreUnderTest> => {
  const region = 'us-east-1'
  const { accessKeyId } = credentials
  const identity = { kind: 'root', canonicalId: '7'.repeat(64), displayName: 'root', accessKeyId } as const
  const gateway = createGateway({
    dispatch: createDispatch({
      engine: engineOf(createReferenceStore(() => systemClock.nowMs())),
      region,
      ...(patience && { patience }),
    }),
    errorResponse,
    authorize: authorizeRequest,
    findCredential: (asked) => (asked === accessKeyId ? { ...credentials, identity } : undefined),
    region,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  })
  const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 })
  return {
    endpoint: `http://127.0.0.1:${port}`,
    region,
    credentials,
    close: () => gateway.close({ drainMs: 1000 }),
  }
}
