// The AWS SDK for JavaScript against the library in memory: the same actors, codec, storage and protocol without a disk.
import { createStore } from '../../src/index.ts'
import { sdkContract } from '../support/sdk-contract.ts'

sdkContract('a store in memory', () => createStore({ disks: 'memory' }))
