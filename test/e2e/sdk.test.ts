// The AWS SDK for JavaScript against the built program: real threads, real sockets, real files.
import { sdkContract } from '../support/sdk-contract.ts'
import { startProcess } from '../support/server-process.ts'

sdkContract('the built program', async () => {
  const server = await startProcess()
  return { ...server, close: server.stop }
})
