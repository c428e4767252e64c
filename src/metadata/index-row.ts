// What a scan finds in an index: verified at once, taken apart only where somebody looks. A listing passes over thousands of
// rows and shows little of each, so it never pays for the rest of their records.
import {
  checkEnvelopeVersions,
  decodeRecord,
  ENVELOPE_BYTES,
  type Entry,
  isEnvelopeIntact,
  readBodyPlace,
  readSegment,
  readSequence,
} from './entry.ts'
import type { BinaryKey } from './keys.ts'

export class IndexRow implements Entry {
  readonly #rawKey: Buffer
  readonly #bytes: Buffer
  readonly payload: Buffer
  #key: BinaryKey | undefined
  #record: unknown

  /** Of an envelope that was verified: see `decodeRow`. */
  constructor(rawKey: Buffer, bytes: Buffer, payload: Buffer) {
    this.#rawKey = rawKey
    this.#bytes = bytes
    this.payload = payload
  }

  get key(): BinaryKey {
    this.#key ??= this.#rawKey.toString('latin1')
    return this.#key
  }

  /** The key's bytes from `offset` on, as the text they are. */
  keyText(offset: number): string {
    return this.#rawKey.toString('utf8', offset)
  }

  get record(): unknown {
    this.#record ??= decodeRecord(this.key, this.recordVersion, this.payload)
    return this.#record
  }

  get recordVersion(): number {
    return this.#bytes[1]!
  }

  get sequence(): number {
    return readSequence(this.#bytes)
  }

  get segment(): number {
    return readSegment(this.#bytes)
  }

  get body(): Entry['body'] {
    return readBodyPlace(this.#bytes)
  }
}

/** Undefined when the value does not verify. `RECORD_VERSION` when a later release wrote it. */
export const decodeRow = (rawKey: Buffer, bytes: Buffer): IndexRow | undefined => {
  if (bytes.length < ENVELOPE_BYTES) return undefined
  const payload = bytes.subarray(ENVELOPE_BYTES)
  if (!isEnvelopeIntact(rawKey, bytes, payload)) return undefined
  checkEnvelopeVersions(String.fromCharCode(rawKey[0]!), bytes)
  return new IndexRow(rawKey, bytes, payload)
}
