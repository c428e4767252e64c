// Every scenario there is, by name.
import { type NamedScenario, OBJECT_SCENARIOS } from './object-scenarios.ts'
import type { Scenario } from './scenario.ts'
import { UPKEEP_SCENARIOS } from './upkeep-scenarios.ts'

export const SCENARIOS: readonly NamedScenario[] = [...OBJECT_SCENARIOS, ...UPKEEP_SCENARIOS]

export const scenarioNamed = (name: string): Scenario => {
  const found = SCENARIOS.find((scenario) => scenario.name === name)
  if (!found) throw new Error(`no scenario is named ${name}`)
  return found.make()
}
