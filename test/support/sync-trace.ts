// Reads what strace saw of a server and says, for each answer that went out, what was not yet safe at that moment: files
// written and not synced since, directories that got an entry and were not synced since.
//
// A sync counts for a write only when it began after the write had ended, and for an answer only when it had ended before
// the answer's first byte went out: between those moments another thread may be anywhere.
import { dirname } from 'node:path'

/** `-D`: the server stays the child of whoever started it, and gets its signals. */
export const stracePrefix = (output: string): readonly string[] => [
  'strace',
  '-D',
  '-f',
  '-y',
  '-s',
  '200',
  '-o',
  output,
  '-e',
  'trace=openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,write,writev,pwrite64,pwritev,pwritev2,ftruncate,fallocate,fdatasync,fsync,sync_file_range,sendto,sendmsg',
]

interface Call {
  readonly name: string
  /** Everything between the brackets. */
  readonly input: string
  readonly result: string
  /** Lines of the trace: an interrupted call begins on one and ends on a later one. */
  readonly begin: number
  readonly end: number
}

export interface Sync {
  readonly path: string
  /** Which call of the trace it is; pass it as `without` to leave it out. */
  readonly begin: number
}

export interface Answered {
  /** `HTTP/1.1 200 OK`. */
  readonly statusLine: string
  /** Paths that were not safe when it went out; empty is right. */
  readonly unsafe: readonly string[]
  /** The syncs since the answer before, of paths that were in need of one. */
  readonly syncs: readonly Sync[]
  readonly written: readonly string[]
}

export const parseTrace = (text: string): readonly Call[] => {
  const open = new Map<string, { head: string; begin: number }>()
  const calls: Call[] = []
  for (const [line, content] of text.split('\n').entries()) {
    const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/s.exec(content) ?? []
    if (rest.endsWith('<unfinished ...>')) {
      open.set(thread, { head: rest.slice(0, -'<unfinished ...>'.length).trimEnd(), begin: line })
      continue
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/s.exec(rest)
    const started = resumed ? open.get(thread) : undefined
    if (resumed && !started) continue
    const whole = started ? started.head + (resumed?.[1] ?? '') : rest
    const [, name, input, result] = /^(\w+)\((.*)\)\s+= (.*)$/s.exec(whole) ?? []
    if (name === undefined || input === undefined || result === undefined) continue
    calls.push({ name, input, result, begin: started?.begin ?? line, end: line })
  }
  return calls.sort((a, b) => a.end - b.end)
}

const WRITES = new Set(['write', 'writev', 'pwrite64', 'pwritev', 'pwritev2', 'ftruncate', 'fallocate'])
const SENDS = new Set(['write', 'writev', 'sendto', 'sendmsg'])
const SYNCS = new Set(['fdatasync', 'fsync'])
const ENTRIES = new Set(['mkdir', 'mkdirat', 'rename', 'renameat', 'renameat2', 'link', 'linkat'])

/**
 * The answers in order. Only paths that `isRelevant` count. `without`: as if the sync that begins on that line had not been.
 */
export const examine = (
  calls: readonly Call[],
  isRelevant: (path: string) => boolean,
  without?: number,
): readonly Answered[] => {
  /** When the last write of a path ended; a path is safe when a sync of it began later. */
  const dirtySince = new Map<string, number>()
  const alwaysSynced = new Set<string>()
  const answers: Answered[] = []
  let syncs: Sync[] = []
  let written = new Set<string>()
  const soil = (path: string, end: number): void => {
    if (!isRelevant(path)) return
    dirtySince.set(path, end)
    written.add(path)
  }
  // An answer counts from its begin, everything else from its end.
  const timeOf = (call: Call): number => (statusLineOf(call) === undefined ? call.end : call.begin)
  for (const call of [...calls].sort((a, b) => timeOf(a) - timeOf(b))) {
    const statusLine = statusLineOf(call)
    if (statusLine !== undefined) {
      answers.push({ statusLine, unsafe: [...dirtySince.keys()].sort(), syncs, written: [...written].sort() })
      syncs = []
      written = new Set()
    } else if (isFailed(call)) {
      // A failed write may have written; a failed sync has synced nothing.
      if (WRITES.has(call.name)) soil(pathOf(call.input), call.end)
    } else if (SYNCS.has(call.name)) {
      const path = pathOf(call.input)
      const since = dirtySince.get(path)
      if (since === undefined || call.begin <= since || call.begin === without) continue
      dirtySince.delete(path)
      syncs.push({ path, begin: call.begin })
    } else if (WRITES.has(call.name)) {
      const path = pathOf(call.input)
      if (!alwaysSynced.has(path)) soil(path, call.end)
    } else if (ENTRIES.has(call.name)) {
      soil(dirname(lastString(call.input)), call.end)
    } else if (/O_CREAT/.test(call.input)) {
      const path = lastString(call.input)
      if (/O_D?SYNC/.test(call.input)) alwaysSynced.add(path)
      soil(dirname(path), call.end)
    }
  }
  return answers
}

const isFailed = ({ result }: Call): boolean => result.startsWith('-1')

/** Informational answers, such as 100 Continue, promise nothing. */
const statusLineOf = ({ name, input }: Call): string | undefined =>
  SENDS.has(name) ? /"(HTTP\/1\.1 [2-5][^\\"]*)/.exec(input)?.[1] : undefined

/** `23</data/d1/x>, …` */
const pathOf = (input: string): string => /^\d+<([^>]*)>/.exec(input)?.[1] ?? ''

/** The last path among the arguments: of a rename, where it goes. */
const lastString = (input: string): string => [...input.matchAll(/"([^"]*)"/g)].at(-1)?.[1] ?? ''
