// What a test process has started ends with it, whatever way that goes. `process.on('exit')` is not called when it is killed;
// a process beside it, which waits for the end of a pipe, notices that, too. Whole process groups are ended: of `npm start`
// the server is the grandchild.
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'

/** Reads `+ GROUP` and `- GROUP`; at the end of its input it kills the groups that are left. */
const WATCHER = `
groups=
while read -r sign group; do
  others=
  for other in $groups; do [ "$other" = "$group" ] || others="$others $other"; done
  groups=$others
  [ "$sign" = + ] && groups="$groups $group"
done
for group in $groups; do kill -s KILL -- "-$group"; done
`

let watcher: ChildProcess | undefined

const say = (sign: '+' | '-', group: number): void => {
  if (!watcher) {
    // In a group of its own: what a terminal sends to all of ours must not end it first.
    watcher = spawn('sh', ['-c', WATCHER], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    watcher.unref()
    ;(watcher.stdin as Socket).unref()
  }
  watcher.stdin?.write(`${sign} ${group}\n`)
}

const ours = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of ours) killGroup(child)
})

/** From now on the group that `child`, spawned `detached`, leads ends with this process. */
export const endWithUs = (child: ChildProcess): void => {
  const { pid } = child
  if (pid === undefined) return
  ours.add(child)
  say('+', pid)
  child.once('close', () => {
    ours.delete(child)
    say('-', pid)
  })
}

/** Whoever else is in the group of a process that was spawned `detached` ends with it. */
export const killGroup = ({ pid }: ChildProcess): void => {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
