// boto3 as it is installed from PyPI: with_boto3.py beside this file does the work, one function a test.
import {
  awsEnvironment,
  BIG_FILE_BYTES,
  CLIENT_LIMIT_MS,
  createClientStage,
  hasBoto3,
  runBoto3,
} from '../support/foreign.ts'
import { deadline, needing, suite } from '../support/uvu.ts'

const test = suite('boto3')
const needsBoto3 = needing(test, 'current boto3', hasBoto3())
const stage = createClientStage('boto3')
test.after(stage.close)

const boto3 = async (...args: string[]): Promise<void> => {
  const server = await stage.server()
  await runBoto3(server.endpoint, args, { cwd: stage.work, environment: awsEnvironment(server) })
}

needsBoto3(
  'odd keys are plain keys, listed in order of their bytes',
  deadline(CLIENT_LIMIT_MS, () => boto3('keys')),
)
needsBoto3(
  'trailing checksums are kept, returned and checked',
  deadline(CLIENT_LIMIT_MS, () => boto3('checksums')),
)
needsBoto3(
  'ranges, conditions, metadata and errors are those of S3',
  deadline(CLIENT_LIMIT_MS, () => boto3('semantics')),
)
needsBoto3(
  'a big file goes in parts, is copied and comes out whole',
  deadline(CLIENT_LIMIT_MS, () => boto3('transfer', String(BIG_FILE_BYTES))),
)

test.run()
