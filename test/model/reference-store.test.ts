// The specification keeps the engine's contract itself.

import { engineContract } from './engine-contract.ts'
import { createReferenceStore } from './reference-store.ts'

engineContract('reference store', async () => ({
  engine: createReferenceStore(),
  close: async () => undefined,
}))
