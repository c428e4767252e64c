// The floor below a large PUT at 4+2: four objects of 64 MiB at a time written as six files of 16 MiB each, with O_DIRECT,
// synced with their directories, and nothing else done. Prints MB/s of objects. Started with a pool of 24 threads.
import { constants } from 'node:fs'
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MiB } from '../../src/base/units.ts'
import { createSharedMemory, WASM_PAGE_BYTES } from '../../src/base/wasm.ts'

const [scratch = '.', seconds = '3'] = process.argv.slice(2)
const DATA_SHARDS = 4
const DISKS = 6
const OBJECTS_AT_A_TIME = 4
const UNITS = 16
// Memory of WebAssembly begins at a page, which O_DIRECT needs and a Buffer does not promise.
const pages = MiB / WASM_PAGE_BYTES
const bytes = new Uint8Array(createSharedMemory(pages, pages).buffer).fill(7)
const root = join(scratch, 'shard-files')

const writeShard = async (disk: number, name: string): Promise<void> => {
  const directory = join(root, String(disk))
  const file = await open(join(directory, name), constants.O_WRONLY | constants.O_CREAT | constants.O_DIRECT)
  for (let unit = 0; unit < UNITS; unit++) await file.write(bytes, 0, MiB, unit * MiB)
  await file.datasync()
  await file.close()
  const opened = await open(directory)
  await opened.sync()
  await opened.close()
}

for (let disk = 0; disk < DISKS; disk++) await mkdir(join(root, String(disk)), { recursive: true })
const startMs = performance.now()
let objects = 0
const writeObjects = async (lane: number): Promise<void> => {
  for (let i = 0; performance.now() - startMs < Number(seconds) * 1000; i++) {
    await Promise.all(Array.from({ length: DISKS }, (_, disk) => writeShard(disk, `${lane}-${i}`)))
    objects++
  }
}
try {
  await Promise.all(Array.from({ length: OBJECTS_AT_A_TIME }, (_, lane) => writeObjects(lane)))
  console.log((objects * DATA_SHARDS * UNITS * MiB) / 1e3 / (performance.now() - startMs))
} finally {
  await rm(root, { recursive: true, force: true })
}
