// A walk through an index, row by row.
import { decodeRow, type IndexRow } from '../metadata/index-row.ts'
import type { IndexSlot } from '../metadata/index-slot.ts'
import type { BinaryKey } from '../metadata/keys.ts'

export interface WalkedRow {
  readonly key: BinaryKey
  /** Undefined when what is there does not verify. */
  readonly row: IndexRow | undefined
  readonly bytes: Buffer
}

const ROWS = 256

/** Those with keys in [from, to), in order. */
export async function* rowsOf(
  slot: IndexSlot,
  from: BinaryKey,
  to: BinaryKey | undefined,
): AsyncGenerator<WalkedRow> {
  const iterator = slot.iterator(from, to)
  try {
    for (let rows = await iterator.nextv(ROWS); rows.length > 0; rows = await iterator.nextv(ROWS)) {
      for (const [key, bytes] of rows) {
        yield { key: key.toString('latin1'), row: decodeRow(key, bytes), bytes }
      }
    }
  } finally {
    await iterator.close()
  }
}
