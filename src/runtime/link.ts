// The way to one other thread and back: a ring each way, and a port that rings the bell when the other side sleeps and
// carries the large bytes that are moved, not copied. Records of one tick are written to the ring together. What finds no
// room waits in the writer, which the mailboxes' bounds bound: a tell or ask was let in only when its receiver had room,
// and there is at most one reply for each of those.
//
// Invariant: records arrive whole, in order, or, when the other thread dies, not at all; then every ask in flight to it
// is rejected at once.
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { asMoraineError, assert, type MoraineError, unavailable } from '../base/errors.ts'
import { KiB } from '../base/units.ts'
import type { Arena } from './arena.ts'
import type { LocalAsk } from './ask.ts'
import type { Hub, Place } from './hub.ts'
import type { ReplyTo } from './mailbox.ts'
import { releaseSlabs } from './payload.ts'
import { createRing, Ring, type RingShared } from './ring.ts'
import { soon } from './scheduler.ts'
import { WireReader } from './wire-reader.ts'
import { WireWriter } from './wire-writer.ts'

// Kinds of record.
const TELL = 1
const ASK = 2
const REPLY = 3
const REFUSAL = 4
const WATCH = 5
const ENDED = 6

/** One direction. Pages that never carry anything are never touched, and cost nothing. */
const RING_BYTES = 256 * KiB
/** Looks at an empty ring, one per turn of the event loop, before the reader sleeps. More cost CPU and gain nothing. */
const LOOKS_MAX = 1
/** What rings the bell. */
const BELL = 0

/** What two threads share of one direction. */
export interface Direction {
  /** What its sender reserved in the mailboxes of its receiver, ever: laid out as the receiver's counters. */
  readonly sent: SharedArrayBuffer
  readonly ring: RingShared
  /** Counts the slabs on their way; undefined in a system without an arena. */
  readonly transit: SharedArrayBuffer | undefined
}

/** One end of a link, as it is handed to a thread. */
export interface LinkEnd {
  readonly outgoing: Direction
  readonly incoming: Direction
  readonly port: MessagePort
}

const createDirection = (arena: Arena | undefined, receiverCounters: SharedArrayBuffer): Direction => ({
  ring: createRing(RING_BYTES),
  sent: new SharedArrayBuffer(receiverCounters.byteLength),
  transit: arena?.createTransit(),
})

/** Both ends of a new link between two threads, of which the counters of their mailboxes are given. */
export const createLinkEnds = (
  arena: Arena | undefined,
  nearCounters: SharedArrayBuffer,
  farCounters: SharedArrayBuffer,
): [LinkEnd, LinkEnd] => {
  const { port1, port2 } = new MessageChannel()
  const there = createDirection(arena, farCounters)
  const back = createDirection(arena, nearCounters)
  return [
    { outgoing: there, incoming: back, port: port1 },
    { outgoing: back, incoming: there, port: port2 },
  ]
}

export class Link {
  readonly #hub: Hub
  readonly #peer: number
  readonly #outgoing: Ring
  readonly #incoming: Ring
  readonly #outgoingTransit: Int32Array
  /** What the other side reserved in our mailboxes, and how much of it has arrived. */
  readonly #sentToUs: Int32Array
  readonly #received: Int32Array
  readonly #port: MessagePort
  readonly #writer = new WireWriter()
  #writerWords: Int32Array
  #isFlushDue = false
  /** Waiting for the reader to make room; it rings. */
  #isStuck = false
  readonly #reader: WireReader
  #inbox = new Int32Array((64 * KiB) / 4)
  /** Words of an incomplete record at the start of the inbox. */
  #kept = 0
  #isAwake = false
  #looks = 0
  readonly #attachments: (readonly Uint8Array[])[] = []
  readonly #asks = new Map<number, LocalAsk>()
  #lastAsk = 0
  #isClosed = false
  #isBroken = false

  constructor(hub: Hub, peer: number, end: LinkEnd) {
    this.#hub = hub
    this.#peer = peer
    this.#outgoing = new Ring(end.outgoing.ring)
    this.#incoming = new Ring(end.incoming.ring)
    this.#outgoingTransit = new Int32Array(end.outgoing.transit ?? new SharedArrayBuffer(0))
    this.#sentToUs = new Int32Array(end.incoming.sent)
    this.#received = new Int32Array(this.#sentToUs.length)
    const incomingTransit = new Int32Array(end.incoming.transit ?? new SharedArrayBuffer(0))
    this.#port = end.port
    this.#writerWords = new Int32Array(this.#writer.bytes.buffer)
    const context = {
      ref: (path: string) => hub.ref(path),
      slab: (handle: number) => hub.arena.takeHold(handle, incomingTransit),
      attached: () => this.#takeAttachments(),
    }
    this.#reader = new WireReader(context, new Uint8Array(this.#inbox.buffer))
    this.#port.on('message', (message: unknown) => this.#onPort(message))
    // A link alone keeps no process alive: those who wait for something do.
    this.#port.unref()
    // Not at once: whoever makes this link must know it before it hands anything on.
    this.#isAwake = true
    setImmediate(this.#look)
  }

  // -- Sending. --

  /** A tell, or an ask when there is one to answer. Throws, and sends nothing, when the message cannot cross. */
  send(place: Place, type: string, message: unknown, bytes: number, ask: LocalAsk | undefined): void {
    const writer = this.#writer
    this.#record(() => {
      if (!ask) writer.byte(TELL)
      else {
        this.#lastAsk = (this.#lastAsk + 1) >>> 0
        writer.byte(ASK)
        writer.count(this.#lastAsk)
        writer.count(Math.ceil(ask.withinMs))
      }
      // Paths made at run time are without number: they are spelled out, not remembered.
      if (place.occupancy) writer.name(place.path)
      else writer.spelled(place.path)
      writer.name(type)
      writer.count(bytes)
      writer.value(message)
    })
    if (!ask) return
    const id = this.#lastAsk
    this.#asks.set(id, ask)
    ask.onSettled = () => this.#asks.delete(id)
  }

  watch(path: string): void {
    this.#notice(WATCH, path)
  }

  ended(path: string): void {
    this.#notice(ENDED, path)
  }

  #notice(kind: number, path: string): void {
    this.#record(() => {
      this.#writer.byte(kind)
      this.#writer.text(path)
    })
  }

  reply(id: number, value: unknown): void {
    if (this.#isClosed) {
      releaseSlabs(value)
      return
    }
    try {
      this.#record(() => {
        this.#writer.byte(REPLY)
        this.#writer.count(id)
        this.#writer.value(value)
      })
    } catch (error) {
      this.refuse(id, asMoraineError(error))
    }
    // What a reply holds becomes the asker's.
    releaseSlabs(value)
  }

  refuse(id: number, error: MoraineError): void {
    if (this.#isClosed) return
    this.#record(() => {
      this.#writer.byte(REFUSAL)
      this.#writer.count(id)
      this.#writer.error(error)
    })
  }

  #record(write: () => void): void {
    const writer = this.#writer
    writer.begin()
    try {
      write()
    } catch (error) {
      writer.abandon()
      throw error
    }
    writer.finish()
    for (const slab of writer.slabs) this.#hub.arena.sendHold(slab.handle, this.#outgoingTransit)
    if (writer.attached.length > 0) {
      this.#port.postMessage(
        writer.attached,
        writer.attached.map(({ buffer }) => buffer as ArrayBuffer),
      )
    }
    if (this.#isFlushDue || this.#isStuck) return
    this.#isFlushDue = true
    void soon.then(this.#flushNow)
  }

  #flushNow = (): void => {
    this.#isFlushDue = false
    this.#flush()
  }

  #flush(): void {
    if (this.#isClosed || this.#isStuck) return
    const writer = this.#writer
    if (this.#writerWords.buffer !== writer.bytes.buffer)
      this.#writerWords = new Int32Array(writer.bytes.buffer)
    const words = writer.length >> 2
    let done = 0
    for (;;) {
      done += this.#outgoing.push(this.#writerWords, done, words)
      if (this.#outgoing.wakesReader()) this.#port.postMessage(BELL)
      if (done === words) break
      if (this.#outgoing.tryWait()) {
        this.#isStuck = true
        break
      }
    }
    writer.drop(done << 2)
  }

  // -- Receiving. --

  #onPort(message: unknown): void {
    if (message !== BELL) this.#attachments.push(message as readonly Uint8Array[])
    if (this.#isStuck) {
      this.#isStuck = false
      this.#flush()
    }
    if (!this.#isAwake) this.#wake()
  }

  #takeAttachments(): readonly Uint8Array[] {
    const arrived = this.#attachments.shift()
    if (arrived) return arrived
    // They were posted before the record was written: they are here, the event loop only has not seen them yet.
    for (;;) {
      const received = receiveMessageOnPort(this.#port)
      if (!received) throw unavailable('THREAD_EXITED', 'bytes that travel beside a record are missing')
      if (received.message !== BELL) return received.message as readonly Uint8Array[]
      // The bell we swallowed may have been for our writer.
      if (this.#isStuck) {
        this.#isStuck = false
        queueMicrotask(() => this.#flush())
      }
    }
  }

  #wake(): void {
    this.#isAwake = true
    this.#looks = 0
    this.#look()
  }

  #look = (): void => {
    if (this.#isClosed) return
    if (this.#pull()) this.#looks = 0
    else if (++this.#looks > LOOKS_MAX && this.#incoming.trySleep()) {
      this.#isAwake = false
      return
    }
    setImmediate(this.#look)
  }

  /** Takes what has come, up to an inbox full, and hands it on. False: there was nothing. */
  #pull(): boolean {
    if (this.#isBroken) return false
    const pulled = this.#incoming.pull(this.#inbox, this.#kept, this.#inbox.length - this.#kept)
    if (pulled === 0) return false
    if (this.#incoming.wakesWriter()) this.#port.postMessage(BELL)
    const words = this.#kept + pulled
    let at = 0
    while (at < words) {
      const length = this.#inbox[at]! >> 2
      if (at + length > words) break
      this.#reader.position = at << 2
      this.#reader.begin()
      try {
        this.#receive()
      } catch (error) {
        this.#break(error)
        return false
      }
      at += length
    }
    this.#keep(at, words)
    return true
  }

  /** A record cannot be read, so none after it can: nothing more is taken until the other thread is started again. */
  #break(error: unknown): void {
    this.#isBroken = true
    this.#hub.logFor(`thread ${this.#peer}`).error('link broken', { error: asMoraineError(error) })
  }

  /** Moves an incomplete record to the front, and makes room for all of it. */
  #keep(from: number, to: number): void {
    this.#kept = to - from
    if (this.#kept === 0) return
    const needed = this.#inbox[from]! >> 2
    if (needed <= this.#inbox.length) {
      this.#inbox.copyWithin(0, from, to)
      return
    }
    const larger = new Int32Array(needed)
    larger.set(this.#inbox.subarray(from, to))
    this.#inbox = larger
    this.#reader.use(new Uint8Array(larger.buffer))
  }

  #receive(): void {
    const reader = this.#reader
    const kind = reader.byte()
    switch (kind) {
      case TELL:
        this.#deliver(undefined)
        return
      case ASK: {
        const id = reader.count()
        const expiresAtMs = this.#hub.clock.monotonicMs() + reader.count()
        this.#deliver(new RemoteAsk(this, id, expiresAtMs))
        return
      }
      case REPLY: {
        const ask = this.#asks.get(reader.count())
        const value = reader.value()
        if (ask) ask.resolve(value)
        else releaseSlabs(value)
        return
      }
      case REFUSAL: {
        const ask = this.#asks.get(reader.count())
        const error = reader.value() as MoraineError
        ask?.reject(error)
        return
      }
      case WATCH:
        this.#hub.watchedFrom(this.#peer, reader.text())
        return
      case ENDED:
        this.#hub.endedElsewhere(reader.text())
        return
      default:
        assert(false, `unknown record ${kind}`)
    }
  }

  #deliver(ask: ReplyTo | undefined): void {
    const reader = this.#reader
    const path = reader.name()
    const type = reader.name()
    const bytes = reader.count()
    const message = reader.value()
    const slabs = reader.slabs.length > 0 ? [...reader.slabs] : undefined
    const cell = this.#hub.cellOf(path)
    if (cell && !cell.isTemporary) cell.mailbox.occupancy.arrived(this.#received, bytes)
    this.#hub.receive(cell, path, { type, message, bytes, slabs, ask, ticker: undefined })
  }

  // -- The end. --

  /** The other thread has exited: what it sent is still taken, what it owes is refused, and room it reserved is free again. */
  close(error: MoraineError): void {
    if (this.#isClosed) return
    while (this.#pull());
    this.#isClosed = true
    for (let i = 0; i < this.#received.length; i++) {
      const lost = this.#sentToUs[i]! - this.#received[i]!
      // Sums may have wrapped around: the difference is right all the same.
      if (lost !== 0) Atomics.sub(this.#hub.counters, i, lost | 0)
    }
    this.#port.close()
    for (const ask of [...this.#asks.values()]) ask.reject(error)
    this.#asks.clear()
  }
}

/** An ask that came from another thread. */
class RemoteAsk implements ReplyTo {
  readonly expiresAtMs: number
  readonly #link: Link
  readonly #id: number
  #isSettled = false

  constructor(link: Link, id: number, expiresAtMs: number) {
    this.#link = link
    this.#id = id
    this.expiresAtMs = expiresAtMs
  }

  resolve(value: unknown): void {
    if (this.#isSettled) {
      releaseSlabs(value)
      return
    }
    this.#isSettled = true
    this.#link.reply(this.#id, value)
  }

  reject(error: MoraineError): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#link.refuse(this.#id, error)
  }
}
