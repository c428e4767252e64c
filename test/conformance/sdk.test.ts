// The AWS SDK for JavaScript over the reference store: the same suite that the built program has to pass.
import { startReferenceServer } from '../support/reference-server.ts'
import { sdkContract } from '../support/sdk-contract.ts'

sdkContract('the reference store', () => startReferenceServer())
