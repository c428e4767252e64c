// Which actor runs on which thread. The tree names no thread; a table does, by an actor's path or by the name of its place,
// and what the table does not mention runs on the main thread. An empty table puts the whole tree on one thread.
import { assert } from '../base/errors.ts'
import type { ActorSpec, SupervisorSpec } from './actor.ts'

/** Path or place -> thread. A path counts more than a place, an actor's own more than its supervisor's. */
export type Placement = Readonly<Record<string, string>>

export const MAIN_THREAD = 'main'

export interface Placed {
  readonly path: string
  readonly spec: ActorSpec
  readonly thread: string
}

/** Every actor of the tree with its thread, in the order of the tree. */
export const planPlacement = (spec: SupervisorSpec, placement: Placement): readonly Placed[] => {
  const placed: Placed[] = []
  const visit = (node: SupervisorSpec, path: string, inherited: string): void => {
    for (const child of node.children) {
      const at = `${path}/${child.name}`
      assert(/^[^/]+$/.test(child.name), `'${child.name}' is no segment of a path`)
      assert(!placed.some((other) => other.path === at), `two actors are named ${at}`)
      const place = child.place === undefined ? undefined : placement[child.place]
      const thread = placement[at] ?? place ?? inherited
      if ('children' in child) visit(child, at, thread)
      else {
        const canMove = thread === MAIN_THREAD || child.behavior.origin !== undefined
        assert(canMove, `${at} cannot run on ${thread}: its behaviour was not declared with behavior()`)
        placed.push({ path: at, spec: child, thread })
      }
    }
  }
  const rootPlace = spec.place === undefined ? undefined : placement[spec.place]
  visit(spec, spec.name, placement[spec.name] ?? rootPlace ?? MAIN_THREAD)
  return placed
}
