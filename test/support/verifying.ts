// Verifications of stopped stores, and what they must find: every finding, and no other.
import { join } from 'node:path'
import { type Finding, formatFinding } from '../../src/offline/findings.ts'
import { type InspectedData, inspectObject } from '../../src/offline/inspect.ts'
import { type VerifySummary, verifyStore } from '../../src/offline/verify.ts'
import { assert } from './uvu.ts'

export interface Verified {
  readonly findings: readonly Finding[]
  /** The same as the operator reads them. */
  readonly lines: readonly string[]
  readonly summary: VerifySummary
}

export const verify = async (disks: readonly string[]): Promise<Verified> => {
  const findings: Finding[] = []
  const summary = await verifyStore(disks, { onFinding: (finding) => findings.push(finding) })
  return { findings, lines: findings.map(formatFinding), summary }
}

/** Exactly these findings, in any order, each a line that has the words. */
export const finds = async (
  disks: readonly string[],
  result: VerifySummary['result'],
  ...expected: readonly RegExp[]
): Promise<readonly Finding[]> => {
  const { findings, lines, summary } = await verify(disks)
  assert.is(summary.result, result, lines.join('\n'))
  const unmatched = [...lines]
  for (const pattern of expected) {
    const index = unmatched.findIndex((line) => pattern.test(line))
    assert.ok(index >= 0, `${pattern} is not among\n${lines.join('\n')}`)
    unmatched.splice(index, 1)
  }
  assert.equal(unmatched, [])
  return findings
}

/** Where an object of `bucket` lies. */
export const dataOf = async (disks: readonly string[], key: string): Promise<InspectedData> =>
  (await inspectObject(disks, { bucket: 'bucket', key })).versions[0]!.data

export const inlineOf = async (disks: readonly string[], key: string) => {
  const data = await dataOf(disks, key)
  if (data.kind !== 'inline') throw new Error('not inline')
  return data
}

/** The files of the shards of an object, and where a packed one begins. */
export const shardsOf = async (disks: readonly string[], key: string) => {
  const data = await dataOf(disks, key)
  if (data.kind !== 'shards') throw new Error('no shards')
  return data.shards.map(({ disk, directory, file, offset = 0 }) => {
    return { disk, file, offset, path: join(directory!, file) }
  })
}
