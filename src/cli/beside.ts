// The commands that read or mend the directories of a store without serving it: what they print, and with which code they end.
import type { Clock } from '../base/clock.ts'
import { unavailable } from '../base/errors.ts'
import { SECOND } from '../base/units.ts'
import { formatFinding } from '../offline/findings.ts'
import { inspectObject, parseObject } from '../offline/inspect.ts'
import { formatInspected } from '../offline/inspect-text.ts'
import { exportKey, importKey } from '../offline/key-file.ts'
import { formatRebuilt, rebuildMetadata } from '../offline/rebuild.ts'
import { formatSummary, verifyStore } from '../offline/verify.ts'
import type { CommandName } from './commands.ts'
import { EXIT_FAILED, EXIT_OK, type Terminal } from './serve.ts'
import { invalid, quote } from './values.ts'

export interface BesideRequest {
  readonly roots: readonly string[]
  /** What followed the command's name. */
  readonly words: readonly string[]
  readonly isJson: boolean
  readonly output: Terminal
  /** For what only who waits at a terminal wants to see. */
  readonly progress: Terminal
  readonly clock: Clock
  /** Resolves at the next signal that asks the process to stop; from the first call on they do not end it by themselves. */
  nextSignal(): Promise<string>
}

type Beside = (request: BesideRequest) => Promise<number>

const PROGRESS_MS = SECOND / 2

const lineOf = (value: unknown): string => `${JSON.stringify(value)}\n`

const inspect: Beside = async ({ roots, words: [text = ''], isJson, output }) => {
  const address = parseObject(text)
  if (!address) throw invalid(`${quote(text)} names no object: it must be BUCKET/KEY`)
  const inspected = await inspectObject(roots, address)
  output.write(isJson ? lineOf(inspected) : formatInspected(inspected))
  return EXIT_OK
}

/** Overwrites one line of a terminal, and clears it before anything else is printed there. */
const createProgressLine = ({ progress, clock }: BesideRequest) => {
  let shownMs = Number.NEGATIVE_INFINITY
  let isShown = false
  return {
    show(text: string): void {
      const nowMs = clock.monotonicMs()
      if (!progress.isTerminal || nowMs - shownMs < PROGRESS_MS) return
      shownMs = nowMs
      isShown = true
      progress.write(`\r\u001b[K${text}`)
    },
    clear(): void {
      if (isShown) progress.write('\r\u001b[K')
      isShown = false
    },
  }
}

const verify: Beside = async (request) => {
  const { roots, isJson, output } = request
  const line = createProgressLine(request)
  // What it keeps for the time being is removed, also when somebody will not wait for the end.
  const stop = new AbortController()
  void request.nextSignal().then((name) => {
    stop.abort(unavailable('DRAINING', `stopped by ${name}: the store was not verified to its end`))
  })
  const summary = await verifyStore(roots, {
    signal: stop.signal,
    onFinding(finding) {
      line.clear()
      output.write(isJson ? lineOf({ finding }) : `${formatFinding(finding)}\n`)
    },
    onProgress: ({ objects, bytes }) => line.show(`${objects} objects, ${bytes} bytes of shards verified`),
  }).finally(line.clear)
  output.write(isJson ? lineOf({ summary }) : `${formatSummary(summary)}\n`)
  return summary.result === 'whole' ? EXIT_OK : EXIT_FAILED
}

const exported: Beside = async ({ roots, words: [path = ''], output }) => {
  await exportKey(roots, path)
  output.write(`the store's key is in ${path}: whoever has it can read what the store keeps sealed\n`)
  return EXIT_OK
}

const imported: Beside = async ({ roots, words: [path = ''], output }) => {
  const written = await importKey(roots, path)
  if (written.length === 0) output.write('every disk that is there has its store.key: nothing was written\n')
  for (const root of written) output.write(`${root}/store.key was written\n`)
  return EXIT_OK
}

const rebuild: Beside = async ({ roots, isJson, output }) => {
  const rebuilt = await rebuildMetadata(roots)
  output.write(isJson ? lineOf(rebuilt) : formatRebuilt(rebuilt))
  return EXIT_OK
}

export const BESIDE: Readonly<Partial<Record<CommandName, Beside>>> = {
  inspect,
  verify,
  'key export': exported,
  'key import': imported,
  'metadata rebuild': rebuild,
}
