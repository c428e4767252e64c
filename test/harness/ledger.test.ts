// The book that the kill test keeps, tested on the reference store: it accepts what is right and finds what is not.
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { createLedger } from '../support/ledger.ts'
import { startReferenceServer } from '../support/reference-server.ts'
import { createS3Client } from '../support/s3-client.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('ledger')

test(
  'a store that keeps what it acknowledged reads right; a lost, changed or invented object is found',
  seeded(20_000, async (random) => {
    const store = await startReferenceServer()
    const client = createS3Client(store)
    try {
      const ledger = createLedger(random)
      let left = 60
      assert.ok((await ledger.load(store, () => left-- <= 0)) >= 50)
      await ledger.verify(store)
      const key = { Bucket: 'ledger', Key: 'invented' }
      const mustFail = async (words: RegExp): Promise<void> => {
        const failure = await ledger.verify(store).then(
          () => 'nothing',
          (error: Error) => error.message,
        )
        assert.match(failure, words)
      }
      await client.send(new PutObjectCommand({ ...key, Body: '' }))
      await mustFail(/the listing shows/)
      await client.send(new DeleteObjectCommand(key))
      await ledger.verify(store)
      for (let lane = 0; lane < 6; lane++) {
        for (let number = 0; number < 8; number++) {
          const Key = `lane-${lane}/${number}`
          await client.send(new PutObjectCommand({ Bucket: 'ledger', Key, Body: 'not what was written' }))
        }
      }
      await mustFail(/is 20 bytes .* but must be/)
    } finally {
      client.destroy()
      await store.close()
    }
  }),
)

test.run()
