// The names on a disk, in one place. No name is ever made from anything a client chose.
//
//   disk.json  store.key  session  lock/  journal/P/N.log  volumes/N.vol  volumes/N.free  shards/ab/WRITEID  index/P/
import type { WriteId } from '../base/ids.ts'

export const IDENTITY_NAME = 'disk.json'
export const KEY_NAME = 'store.key'
export const LOCK_NAME = 'lock'
export const SESSION_NAME = 'session'
/** In each of the directories, for the moment that it takes to see whether they can be written to. */
export const PROBE_NAME = 'probe'
export const DIRECTORIES = ['journal', 'volumes', 'shards', 'index'] as const

export const journalPath = (root: string, partition: number): string => `${root}/journal/${partition}`
export const segmentPath = (root: string, partition: number, segment: number): string =>
  `${journalPath(root, partition)}/${segment}.log`
export const volumesPath = (root: string): string => `${root}/volumes`
export const volumePath = (root: string, volume: number): string => `${root}/volumes/${volume}.vol`
/** What of a volume was freed. */
export const freePath = (root: string, volume: number): string => `${root}/volumes/${volume}.free`
export const shardsPath = (root: string): string => `${root}/shards`
/** Write ids are random: their first two digits spread the files over 256 directories. */
export const shardDirectory = (root: string, write: WriteId): string => `${root}/shards/${write.slice(0, 2)}`
export const shardPath = (root: string, write: WriteId): string => `${shardDirectory(root, write)}/${write}`

/** The number in a name like `17.log`; undefined for every other name. */
export const numberOf = (name: string, extension: string): number | undefined => {
  const match = /^(0|[1-9]\d{0,14})\.([a-z]+)$/.exec(name)
  return match !== null && match[2] === extension ? Number(match[1]) : undefined
}

export const isWriteId = (name: string): name is WriteId => /^[0-9a-f]{32}$/.test(name)
/** The LevelDB of a partition, on the two disks that have one. */
export const indexPath = (root: string, partition: number): string => `${root}/index/${partition}`
