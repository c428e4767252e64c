// `moraine serve` with supervisors that put up with more deaths in a minute than any store should live through; else the
// program itself. For tests that kill its threads one after another.
import { systemClock } from '../../src/base/clock.ts'
import { MINUTE } from '../../src/base/units.ts'
import { createLineLog } from '../../src/cli/log.ts'
import { serve } from '../../src/cli/serve.ts'
import { watchSignals } from '../../src/cli/signals.ts'
import { readCommandLine } from '../../src/config.ts'
import { startServer } from '../../src/server.ts'

const patience = {
  intensity: { restartsMax: 1_000_000, periodMs: MINUTE },
  backoff: { minMs: 50, maxMs: 50, jitter: 0 },
}

const { config } = readCommandLine(process.argv.slice(2))
process.exit(
  await serve(config, {
    startServer: (given, { log }) => startServer(given, { log, patience }),
    log: createLineLog(config.logLevel),
    terminal: { isTerminal: false, write: (text) => void process.stdout.write(text) },
    nextSignal: watchSignals(process, systemClock),
    program: 'moraine',
  }),
)
