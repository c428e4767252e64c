// `npm run nines -- --disks 12 --parity 4 --afr 1.4%`: how likely a store loses something, by formula and by Monte Carlo. The
// model and its sources are in model.ts, what it is for in docs/durability.md. Exit code 2 and one sentence for what cannot be.
import { MoraineError } from '../../src/base/errors.ts'
import { createPrng } from '../../src/base/prng.ts'
import { formatHelp, type Question, readQuestion } from './arguments.ts'
import { type Assessment, assess } from './assess.ts'
import { formatAssessment, formatAssumptions, formatFloor } from './page.ts'

const readOrExit = (): Question | undefined => {
  try {
    return readQuestion(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof MoraineError) || error.code !== 'CONFIG_INVALID') throw error
    console.error(`nines: ${error.message}`)
    process.exit(2)
  }
}

const answer = (question: Question): void => {
  const { hostLoss, seed, eventsMax, isJson } = question
  if (!isJson) console.log(formatAssumptions(question))
  const assessments: Assessment[] = []
  for (const store of question.stores) {
    // Each geometry has a stream of its own: it says the same alone and in the table.
    const assessment = assess(store, { hostLoss, random: createPrng(seed), eventsMax })
    assessments.push(assessment)
    if (!isJson) console.log(formatAssessment(assessment))
  }
  if (isJson) console.log(JSON.stringify({ hostLoss, seed, assessments }, null, 2))
  else process.stdout.write(formatFloor(question, assessments))
}

const question = readOrExit()
if (question) answer(question)
else process.stdout.write(formatHelp())
