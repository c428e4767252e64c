// A message as bytes: what crosses between threads. Plain data, bytes, refs (by path), slabs (by handle) and errors (by kind
// and code) go across; anything else is a bug of the sender's, found before a byte is sent. Names of messages and fields
// are written once per direction and are numbers from then on, so both ends must see every record, in order.
//
// Layout, ADR 0003: a tag of one byte, then what the tag says. Whole numbers are varints, other numbers 8 bytes. Bytes
// above ATTACHED_BYTES_MIN are copied once and travel beside the record.
//
// Invariant: decode(encode(value)) equals value; an encode that throws leaves the writer as it was.
import { assert } from '../base/errors.ts'
import { KiB } from '../base/units.ts'
import { Slab } from './arena.ts'
import { isPlain } from './payload.ts'
import { Ref } from './ref.ts'
import { encodeError } from './wire-error.ts'
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

/** Above this, one copy that is handed over is cheaper than copying into the ring and out of it. */
const ATTACHED_BYTES_MIN = 32 * KiB
/** Names that each end remembers; beyond it they are spelled out. Protocols and records together use a few hundred. */
const NAMES_MAX = 4096
const SHAPES_MAX = 1024
const KEYS_MAX = 64
const DEPTH_MAX = 32

/** Where a node of the tree of key lists leads to: the number of the list that ends here, and longer ones. */
interface ShapeNode {
  id: number
  readonly next: Map<string, ShapeNode>
}

/** Up to here a loop beats the engine's own conversion. */
const SHORT_TEXT = 48
const LONE_SURROGATE = /\p{Surrogate}/u

export class WireWriter {
  /** Records written and not yet taken: `bytes[0 … length)`. */
  bytes = new Uint8Array(64 * KiB)
  length = 0
  /** Of the record at hand: slabs in it, and bytes that travel beside it. */
  readonly slabs: Slab[] = []
  readonly attached: Uint8Array[] = []
  #view = new DataView(this.bytes.buffer)
  #buffer = Buffer.from(this.bytes.buffer)
  readonly #names = new Map<string, number>()
  readonly #shapes: ShapeNode = { id: -1, next: new Map() }
  #shapeCount = 0
  /** Undo list of the record at hand: names and shapes it introduced. */
  readonly #newNames: string[] = []
  readonly #newShapes: ShapeNode[] = []
  #start = 0

  /** Begins a record; `finish` or `abandon` ends it. */
  begin(): void {
    this.#start = this.length
    this.slabs.length = 0
    this.attached.length = 0
    this.#newNames.length = 0
    this.#newShapes.length = 0
    this.#room(4)
    this.length += 4
  }

  /** Pads the record to whole words and writes its length in front. */
  finish(): void {
    this.#room(4)
    while (this.length & 3) this.bytes[this.length++] = 0
    this.#view.setUint32(this.#start, this.length - this.#start, true)
  }

  /** The record at hand never was. */
  abandon(): void {
    this.length = this.#start
    for (const name of this.#newNames) this.#names.delete(name)
    for (const shape of this.#newShapes) shape.id = -1
    this.#shapeCount -= this.#newShapes.length
  }

  byte(value: number): void {
    this.#room(1)
    this.bytes[this.length++] = value
  }

  /** A whole number, 0 … 2^53 - 1. */
  count(value: number): void {
    this.#room(8)
    const { bytes } = this
    let rest = value
    while (rest >= 128) {
      bytes[this.length++] = (rest & 127) | 128
      rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 128)
    }
    bytes[this.length++] = rest
  }

  /** A word that comes again and again: its number, with its text the first time. 0 announces a text without a number. */
  name(text: string): void {
    const known = this.#names.get(text)
    if (known !== undefined) {
      this.count(known)
      return
    }
    if (this.#names.size >= NAMES_MAX) {
      this.spelled(text)
      return
    }
    const id = this.#names.size + 1
    this.#names.set(text, id)
    this.#newNames.push(text)
    this.count(id)
    this.text(text)
  }

  /** A word that will not come again; read as a `name`. */
  spelled(text: string): void {
    this.count(0)
    this.text(text)
  }

  text(text: string): void {
    const { length } = text
    this.#room(3 * length + 10)
    const { bytes } = this
    if (length <= SHORT_TEXT) {
      const start = this.length
      let at = start
      bytes[at++] = ASCII
      bytes[at++] = length
      for (let i = 0; i < length; i++) {
        const code = text.charCodeAt(i)
        if (code > 127) {
          this.#longText(text)
          return
        }
        bytes[at++] = code
      }
      this.length = at
      return
    }
    this.#longText(text)
  }

  #longText(text: string): void {
    // Lone halves of pairs are legal in a string and not in UTF-8.
    if (!LONE_SURROGATE.test(text)) {
      this.byte(UTF8)
      const encoded = Buffer.byteLength(text)
      this.count(encoded)
      this.length += this.#buffer.write(text, this.length)
      return
    }
    this.byte(UTF16)
    this.count(text.length)
    for (let i = 0; i < text.length; i++) {
      this.#view.setUint16(this.length, text.charCodeAt(i), true)
      this.length += 2
    }
  }

  /** Any value that may cross; throws a bug for one that may not. */
  value(value: unknown, depth = DEPTH_MAX): void {
    switch (typeof value) {
      case 'string':
        this.text(value)
        return
      case 'number':
        this.#number(value)
        return
      case 'boolean':
        this.byte(value ? TRUE : FALSE)
        return
      case 'undefined':
        this.byte(UNDEFINED)
        return
      case 'bigint':
        this.byte(BIGINT)
        this.text(String(value))
        return
      case 'object':
        value === null ? this.byte(NULL) : this.#object(value, depth)
        return
      default:
        assert(false, `a ${typeof value} cannot leave its thread`)
        return
    }
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)) {
      this.byte(INTEGER)
      this.count(value)
      return
    }
    this.byte(DOUBLE)
    this.#room(8)
    this.#view.setFloat64(this.length, value, true)
    this.length += 8
  }

  #object(value: object, depth: number): void {
    assert(depth > 0, 'a message is nested too deeply, or in itself')
    if (value instanceof Uint8Array) this.#bytes(value)
    else if (Array.isArray(value)) this.#list(ARRAY, value, depth)
    else if (isPlain(value)) this.#plain(value, depth)
    else if (value instanceof Slab) {
      this.slabs.push(value)
      this.byte(SLAB)
      this.count(value.handle)
    } else if (value instanceof Ref) {
      this.byte(REF)
      this.text(value.path)
    } else if (value instanceof Map) this.#list(MAP, [...value].flat(1), depth)
    else if (value instanceof Set) this.#list(SET, [...value], depth)
    else {
      assert(value instanceof Error, `a ${value.constructor?.name} cannot leave its thread`)
      this.error(value, depth)
    }
  }

  #list(tag: number, items: readonly unknown[], depth: number): void {
    this.byte(tag)
    this.count(items.length)
    for (const item of items) this.value(item, depth - 1)
  }

  #bytes(value: Uint8Array): void {
    const { length } = value
    if (length > ATTACHED_BYTES_MIN) {
      this.byte(ATTACHED)
      this.count(this.attached.length)
      // One copy, which is then moved. Moving the sender's own would make it matter where the receiver runs: a frame goes
      // to several disks, and the second would find it gone.
      this.attached.push(new Uint8Array(value))
      return
    }
    this.byte(BYTES)
    this.count(length)
    this.#room(length)
    this.bytes.set(value, this.length)
    this.length += length
  }

  #plain(value: Record<string, unknown>, depth: number): void {
    const keys = Object.keys(value)
    let node: ShapeNode | undefined = this.#shapes
    for (let i = 0; i < keys.length && node; i++) node = node.next.get(keys[i]!)
    if (node && node.id >= 0) {
      this.byte(SHAPED)
      this.count(node.id)
    } else if (this.#shapeCount < SHAPES_MAX && keys.length <= KEYS_MAX) {
      this.byte(NEW_SHAPE)
      this.#introduce(keys)
    } else {
      this.byte(SPELLED)
      this.count(keys.length)
      for (const key of keys) this.text(key)
    }
    for (let i = 0; i < keys.length; i++) this.value(value[keys[i]!], depth - 1)
  }

  #introduce(keys: readonly string[]): void {
    let node = this.#shapes
    this.count(keys.length)
    for (const key of keys) {
      this.text(key)
      let next = node.next.get(key)
      if (!next) {
        next = { id: -1, next: new Map() }
        node.next.set(key, next)
      }
      node = next
    }
    node.id = this.#shapeCount++
    this.#newShapes.push(node)
  }

  error(thrown: unknown, depth = DEPTH_MAX): void {
    this.byte(ERROR)
    this.#plain(encodeError(thrown) as unknown as Record<string, unknown>, depth)
  }

  /** What was written has been taken up to `taken`, a record's or a word's boundary; the rest moves to the front. */
  drop(taken: number): void {
    if (taken < this.length) this.bytes.copyWithin(0, taken, this.length)
    this.length -= taken
  }

  #room(more: number): void {
    if (this.length + more <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(2 * this.bytes.length, (this.length + more + 8) & ~7))
    larger.set(this.bytes.subarray(0, this.length))
    this.bytes = larger
    this.#view = new DataView(larger.buffer)
    this.#buffer = Buffer.from(larger.buffer)
  }
}
