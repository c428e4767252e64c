// Bytes of the wire as messages again: the other half of wire-writer.ts, which says what they are. A reader must see every
// record of its direction, in order, because names are written once.
import { assert } from '../base/errors.ts'
import type { Slab } from './arena.ts'
import { decodeError, type EncodedError } from './wire-error.ts'
import {
  ARRAY,
  ASCII,
  ATTACHED,
  BIGINT,
  BYTES,
  DOUBLE,
  ERROR,
  FALSE,
  INTEGER,
  MAP,
  NEW_SHAPE,
  NULL,
  REF,
  SET,
  SHAPED,
  SLAB,
  SPELLED,
  TRUE,
  UNDEFINED,
  UTF8,
  UTF16,
} from './wire-tags.ts'

/** What a reader needs besides the bytes. */
export interface WireContext {
  ref(path: string): unknown
  /** The slab whose handle came in the record at hand. */
  slab(handle: number): Slab
  /** The bytes that travelled beside the record at hand. */
  attached(): readonly Uint8Array[]
}

export class WireReader {
  bytes: Uint8Array
  position = 0
  /** Of the record at hand: slabs found in it, held for us. */
  readonly slabs: Slab[] = []
  #attached: readonly Uint8Array[] | undefined
  #view: DataView
  #buffer: Buffer
  readonly #names: string[] = ['']
  readonly #shapes: (readonly string[])[] = []
  readonly #context: WireContext

  constructor(context: WireContext, bytes: Uint8Array) {
    this.#context = context
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset)
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Another memory to read from. */
  use(bytes: Uint8Array): void {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset)
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Begins the record whose length stands at `position`. */
  begin(): void {
    this.position += 4
    this.slabs.length = 0
    this.#attached = undefined
  }

  byte(): number {
    return this.bytes[this.position++]!
  }

  count(): number {
    const { bytes } = this
    let byte = bytes[this.position++]!
    if (byte < 128) return byte
    let value = byte & 127
    let scale = 128
    do {
      byte = bytes[this.position++]!
      value += (byte & 127) * scale
      scale *= 128
    } while (byte >= 128)
    return value
  }

  name(): string {
    const id = this.count()
    if (id === 0) return this.text()
    if (id === this.#names.length) this.#names.push(this.text())
    return this.#names[id]!
  }

  text(): string {
    return this.#text(this.byte())
  }

  #text(tag: number): string {
    const { bytes } = this
    const length = this.count()
    const start = this.position
    if (tag === ASCII) {
      let text = ''
      for (let i = start; i < start + length; i++) text += String.fromCharCode(bytes[i]!)
      this.position += length
      return text
    }
    if (tag === UTF8) {
      this.position += length
      return this.#buffer.toString('utf8', start, start + length)
    }
    const units = new Uint16Array(length)
    for (let i = 0; i < length; i++) units[i] = this.#view.getUint16(start + 2 * i, true)
    this.position += 2 * length
    return String.fromCharCode(...units)
  }

  value(): unknown {
    const tag = this.byte()
    switch (tag) {
      case UNDEFINED:
        return undefined
      case NULL:
        return null
      case TRUE:
        return true
      case FALSE:
        return false
      case INTEGER:
        return this.count()
      case DOUBLE:
        this.position += 8
        return this.#view.getFloat64(this.position - 8, true)
      case ASCII:
      case UTF8:
      case UTF16:
        return this.#text(tag)
      case BYTES: {
        const length = this.count()
        this.position += length
        return this.bytes.slice(this.position - length, this.position)
      }
      case ATTACHED:
        this.#attached ??= this.#context.attached()
        return this.#attached[this.count()]
      case ARRAY:
        return this.#list()
      case SHAPED:
        return this.#plain(this.#shapes[this.count()]!)
      case NEW_SHAPE: {
        const keys = this.#keys()
        this.#shapes.push(keys)
        return this.#plain(keys)
      }
      case SPELLED:
        return this.#plain(this.#keys())
      case MAP: {
        const flat = this.#list()
        const map = new Map<unknown, unknown>()
        for (let i = 0; i < flat.length; i += 2) map.set(flat[i], flat[i + 1])
        return map
      }
      case SET:
        return new Set(this.#list())
      case REF:
        return this.#context.ref(this.text())
      case SLAB: {
        const slab = this.#context.slab(this.count())
        this.slabs.push(slab)
        return slab
      }
      case ERROR:
        return decodeError(this.value() as EncodedError)
      case BIGINT:
        return BigInt(this.text())
      default:
        return assert(false, `unknown tag ${tag} on the wire`)
    }
  }

  #list(): unknown[] {
    const items = new Array<unknown>(this.count())
    for (let i = 0; i < items.length; i++) items[i] = this.value()
    return items
  }

  #keys(): string[] {
    const keys = new Array<string>(this.count())
    for (let i = 0; i < keys.length; i++) keys[i] = this.text()
    return keys
  }

  #plain(keys: readonly string[]): Record<string, unknown> {
    const plain: Record<string, unknown> = {}
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!
      // An own property of this name is data like any other; assigning it would change the prototype.
      if (key !== '__proto__') plain[key] = this.value()
      else {
        Object.defineProperty(plain, key, {
          value: this.value(),
          enumerable: true,
          writable: true,
          configurable: true,
        })
      }
    }
    return plain
  }
}
