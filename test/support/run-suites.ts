// One process of the test run: imports the suites named on the command line and lets uvu run them in order.
import { basename, dirname } from 'node:path'
import { run } from 'uvu/run'

await run(
  process.argv.slice(2).map((file) => ({ file, name: `${basename(dirname(file))}/${basename(file)}` })),
)
