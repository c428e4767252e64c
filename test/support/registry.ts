// Whether npm's registry answers: what installs packages needs it.
import { spawnSync } from 'node:child_process'

/** Known once somebody has asked. */
let answer: boolean | undefined

export const hasRegistry = (): boolean => {
  // A mirror need not answer `npm ping`, but must know what is installed from it.
  const args = ['view', 'uvu', 'version', '--fetch-retries=1', '--fetch-retry-mintimeout=500']
  answer ??= spawnSync('npm', args, { stdio: 'ignore' }).status === 0
  return answer
}
