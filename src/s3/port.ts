// Whether a port can be had, asked before any disk is touched: a server that could not listen must leave no trace.
import { createServer } from 'node:net'
import { codeOf, fault, type MoraineError } from '../base/errors.ts'

/** Takes the port and lets it go. Rejects with a sentence for the operator when it cannot be taken: 0, too, on an address of others. */
export const checkPort = (host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', (error) => reject(describe(host, port, error)))
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()))
  })

const describe = (host: string, port: number, error: Error): MoraineError => {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return fault(
        'PORT_IN_USE',
        `port ${port} of ${host} is in use by another program; --port chooses another`,
      )
    case 'EACCES':
      return fault('CONFIG_INVALID', `this user may not listen on port ${port}; --port chooses another`)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return fault('CONFIG_INVALID', `${host} is no address of this machine; --host chooses another`)
    default:
      return fault('CONFIG_INVALID', `listening on port ${port} of ${host} failed: ${error.message}`)
  }
}
