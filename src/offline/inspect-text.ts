// What `moraine inspect` prints for people. Scripts ask for --json.

import { quoteName } from '../base/quoting.ts'
import type { DiskPlace, InspectedData, InspectedObject, InspectedPart, InspectedVersion } from './inspect.ts'
import type { DamagedUnit } from './shard-check.ts'

const MEANING = {
  whole: 'whole',
  reduced: 'can be read, with less redundancy than it should have',
  lost: 'LOST: too little of it is left',
} as const

const formatPlace = ({ disk, position, directory }: DiskPlace): string =>
  `disk ${disk}${position === null ? ' (no longer of this store)' : ` at position ${position}`}  ${directory ?? '-'}`

const formatDamage = ({ stripe, offset, reason, blocks }: DamagedUnit): string =>
  `stripe ${stripe} at ${offset}: ${reason} (blocks ${blocks.join(', ')})`

const formatData = (data: InspectedData, indent: string): string[] => {
  if (data.kind === 'inline') {
    const { segment, offset, length, copies } = data
    if (length === 0) return [`${indent}no bytes`]
    return [
      `${indent}inline: ${length} bytes at ${offset} of segment ${segment}`,
      ...copies.map((copy) => `${indent}  ${formatPlace(copy)}  ${copy.file}  ${copy.state}`),
    ]
  }
  if (data.kind === 'parts') {
    return [
      `${indent}parts of upload ${data.upload}:`,
      ...data.parts.flatMap((part) => formatPart(part, indent)),
    ]
  }
  const { write, set, k, m, size, shards } = data
  return [
    `${indent}shards: ${k}+${m} of ${size} bytes, set ${set}, write ${write}`,
    ...shards.flatMap((shard) => {
      const { index, file, offset, bytes, state, damage } = shard
      const where = offset === undefined ? file : `${file} at ${offset}`
      return [
        `${indent}  shard ${index}  ${formatPlace(shard)}  ${where}  ${bytes} bytes  ${state}`,
        ...damage.map((unit) => `${indent}    ${formatDamage(unit)}`),
      ]
    }),
  ]
}

const formatPart = ({ partNumber, size, redundancy, data }: InspectedPart, indent: string): string[] => [
  `${indent}  part ${partNumber}: ${size} bytes, ${MEANING[redundancy]}`,
  ...(data ? formatData(data, `${indent}    `) : [`${indent}    its record is missing`]),
]

const formatVersion = (version: InspectedVersion): string[] => {
  const { versionId, isCurrent, sequence, modifiedMs, size, etag, redundancy, data } = version
  return [
    `version ${versionId}${isCurrent ? ' (current)' : ''}: ${MEANING[redundancy]}`,
    `  size ${size}  etag ${etag}  sequence ${sequence}  modified ${new Date(modifiedMs).toISOString()}`,
    ...formatData(data, '  '),
  ]
}

const RUNNING = {
  true: 'the store is running: this is a snapshot of its journal, and what it moves meanwhile may seem damaged',
  false: 'the store is stopped',
  null: 'whether the store is running cannot be told: this is a snapshot of its journal',
} as const

export const formatInspected = ({ bucket, key, isRunning, partition, versions }: InspectedObject): string =>
  [
    `${quoteName(`${bucket}/${key}`)}  partition ${partition}`,
    RUNNING[`${isRunning}`],
    ...versions.flatMap(formatVersion),
    '',
  ].join('\n')
