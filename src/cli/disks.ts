// `moraine disk list|replace|add|drain`. The last two are changes that the journal has to know of: a running store is asked for them, and
// a stopped one is started for as long as it takes to commit them; whoever starts it next goes on with it.
import { resolve } from 'node:path'
import type { AddAnswer } from '../actors/adding.ts'
import type { DrainAnswer, DrainTarget } from '../actors/draining.ts'
import type { Clock } from '../base/clock.ts'
import { codeOf, fault } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { silentLog } from '../base/log.ts'
import { formatMiB } from '../base/units.ts'
import { type Config, parseDirectories } from '../config.ts'
import { formatDisk, listDisks, replaceDisk } from '../offline/disks.ts'
import { readStore } from '../offline/known-store.ts'
import { type Server, startServer } from '../server.ts'
import type { CommandName } from './commands.ts'
import { askRunning } from './running.ts'
import { EXIT_OK, type Terminal } from './serve.ts'

export interface DisksRequest {
  readonly config: Config
  /** What followed the command's name. */
  readonly words: readonly string[]
  readonly output: Terminal
  readonly clock: Clock
}

type DisksCommand = (request: DisksRequest) => Promise<number>

const list: DisksCommand = async ({ config, output }) => {
  for (const disk of await listDisks(config.disks)) output.write(`${formatDisk(disk)}\n`)
  return EXIT_OK
}

const replace: DisksCommand = async ({ config, words: [directory = ''], output }) => {
  const position = await replaceDisk(config.disks, directory)
  output.write(
    `${directory} takes the place of the disk at position ${position}: at once when the store runs\n`,
  )
  return EXIT_OK
}

const targetOf = (word: string): DrainTarget =>
  /^\d{1,9}$/.test(word) ? { disk: Number(word) as DiskNumber } : { directory: resolve(word) }

const geometry = (disks: number, m: number): string => `${disks} disks with ${disks - m}+${m}`

const formatDrain = (answer: Exclude<DrainAnswer, { kind: 'refused' }>, isRunning: boolean): string => {
  const { number, directory, disks, parity, shards, bytes } = answer
  const disk = `disk ${number}${directory === null ? '' : ` (${directory})`}`
  const known = answer.kind === 'known' ? 'is being drained already' : 'is being drained'
  const moved = `${shards} shards with ${formatMiB(bytes)} are left on it`
  const next = isRunning
    ? "they are moved while the store runs; 'moraine disk list' shows how many are left"
    : 'the store is stopped: they are moved when it is started'
  return `${disk} ${known}: ${geometry(disks, parity)} become ${geometry(disks - 1, parity)}; ${moved}; ${next}\n`
}

/** By the store itself, started for it; undefined when it runs. */
const changeStopped = async <T>(
  config: Config,
  change: (server: Server) => Promise<T>,
): Promise<T | undefined> => {
  try {
    const here = { ...config, host: '127.0.0.1', port: 0, scrub: { ...config.scrub, periodMs: 0 } }
    const server = await startServer(here, { log: silentLog })
    try {
      return await change(server)
    } finally {
      await server.close()
    }
  } catch (error) {
    if (codeOf(error) === 'STORE_IN_USE') return undefined
    throw error
  }
}

type Refused = { readonly kind: 'refused'; readonly message: string }

const changeRunning = async <T extends { readonly kind: string }>(
  { config, clock }: DisksRequest,
  page: string,
  parameters: readonly (readonly [name: string, value: string])[],
): Promise<T | Refused> => {
  const { status, content } = await askRunning(config, page, parameters, clock)
  if (status === 202) return content as T
  const { error = `the server answers ${status}` } = content as { error?: string }
  return { kind: 'refused', message: error }
}

const drain: DisksCommand = async (request) => {
  const { config, words, output } = request
  // A start would make a store where there is none.
  await readStore(config.disks)
  const target = targetOf(words[0] ?? '')
  const stopped = await changeStopped(config, (server) => server.drainDisk(target))
  const [name, value] = 'disk' in target ? ['disk', `${target.disk}`] : ['directory', target.directory]
  const answer = stopped ?? (await changeRunning<DrainAnswer>(request, 'disks/drain', [[name, value]]))
  if (answer.kind === 'refused') throw fault('CONFIG_INVALID', answer.message)
  output.write(formatDrain(answer, stopped === undefined))
  return EXIT_OK
}

const formatAdd = ({ disks, size, parity, directories }: Extract<AddAnswer, { kind: 'added' }>): string => {
  const added = disks.map(({ number, directory }) => `disk ${number} (${directory})`).join(', ')
  return (
    `${added} ${disks.length === 1 ? 'was' : 'were'} added: what is written from now on goes to ${geometry(size, parity)}\n` +
    `a start with --data finds what is named as its next (d7 …); any other is to be given --disks ${directories.join(',')}\n`
  )
}

const add: DisksCommand = async (request) => {
  const { config, words, output } = request
  await readStore(config.disks)
  const directories = parseDirectories('disk add', words[0] ?? '')
  const stopped = await changeStopped(config, (server) => server.addDisks(directories))
  const parameters = directories.map((directory) => ['directory', directory] as const)
  const answer = stopped ?? (await changeRunning<AddAnswer>(request, 'disks/add', parameters))
  if (answer.kind === 'refused') throw fault('CONFIG_INVALID', answer.message)
  output.write(formatAdd(answer))
  return EXIT_OK
}

export const DISKS: Readonly<Partial<Record<CommandName, DisksCommand>>> = {
  'disk list': list,
  'disk replace': replace,
  'disk add': add,
  'disk drain': drain,
}
