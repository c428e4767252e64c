// The load generator for machines without wrk: `node node-generator.js ENDPOINT CONNECTIONS SECONDS`, with the same
// environment and the same line of JSON at the end as wrk.lua.
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'

const [endpoint = '', connections = '1', seconds = '1'] = process.argv.slice(2)
const { hostname, port } = new URL(endpoint)
const urls = readFileSync(process.env['URLS'] ?? '', 'utf8')
  .trim()
  .split('\n')
const body = process.env['BODY'] ? readFileSync(process.env['BODY']) : undefined
const method = process.env['METHOD'] ?? 'GET'
const isListing = process.env['LIST'] === '1'
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections) })

const latencies: number[] = []
let index = 0
let refused = 0
let errors = 0
let keys = 0
const endMs = performance.now() + Number(seconds) * 1000

/** Resolves when the answer's last byte is here. */
const one = (path: string): Promise<void> =>
  new Promise((resolve) => {
    const startMs = performance.now()
    const failed = (): void => {
      errors++
      resolve()
    }
    const outgoing = request(
      { hostname, port, path, method, agent, headers: body ? { 'Content-Length': body.length } : {} },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => {
          if (isListing) chunks.push(chunk)
        })
        response.on('error', failed)
        response.on('end', () => {
          latencies.push(performance.now() - startMs)
          if ((response.statusCode ?? 0) >= 300) refused++
          if (isListing) keys += Buffer.concat(chunks).toString('latin1').split('<Key>').length - 1
          resolve()
        })
      },
    )
    outgoing.on('error', failed)
    outgoing.end(body)
  })

const startMs = performance.now()
const lane = async (): Promise<void> => {
  while (performance.now() < endMs) await one(urls[index++ % urls.length] ?? '/')
}
await Promise.all(Array.from({ length: Number(connections) }, lane))
const spentSeconds = (performance.now() - startMs) / 1000
agent.destroy()
latencies.sort((a, b) => a - b)
const percentile = (share: number): number => latencies[Math.floor((latencies.length - 1) * share)] ?? 0
console.log(
  `RESULT ${JSON.stringify({
    requests: latencies.length,
    seconds: spentSeconds,
    p50Ms: percentile(0.5),
    p95Ms: percentile(0.95),
    p99Ms: percentile(0.99),
    refused,
    errors,
    keys,
  })}`,
)
