import {
  bundleTargetBytes,
  Kind,
  knownRecordFlags,
  limits,
  maxRecords,
  minSealedBytes,
  RecordFlag,
  readU32,
  recordHeaderBytes,
  writeU32,
} from '@sealway/protocol'
import { readU64, writeU64 } from './u64.js'

/*
 * A record of a bundle; `len` counts what follows it:
 *
 *   0     4      5        6
 *   | len | kind | rflags | [16 msgId] | [8 corr] | [u32 ttl] | payload ... |
 */

/** The largest plaintext that one frame holds, bytes. */
export const maxBundleBytes = limits.maxFrameBytes - minSealedBytes
/** Room kept for a record's header, whichever fields it has, bytes. */
export const maxRecordOverhead = recordHeaderBytes + 16 + 8 + 4

/**
 * Writes records one after the other into one buffer, which sealing then reads: no message is copied more than once.
 *
 *   const at = writer.begin(kind, payloadBytes, msgId, corr, ttlMs)   // -1: no room, seal what is there first
 *   ... write up to payloadBytes bytes into writer.buffer from `at` on ...
 *   writer.end(at + written)
 */
export class BundleWriter {
  /** Valid until the next `begin` or `reset`. */
  buffer: Buffer
  private filled = 0
  private count = 0
  private padded = false
  private readonly capacity: number
  private readonly maxBytes: number

  /**
   * @param capacity bytes of an ordinary bundle
   * @param maxBytes largest bundle: a record over `capacity` travels alone, in a buffer made for it
   */
  constructor(capacity = bundleTargetBytes, maxBytes = maxBundleBytes) {
    this.capacity = capacity
    this.maxBytes = maxBytes
    this.buffer = Buffer.allocUnsafeSlow(capacity)
  }

  /** Bytes written. */
  get bytes(): number {
    return this.filled
  }

  /** Records written. */
  get records(): number {
    return this.count
  }

  /**
   * Begins a record.
   * @param payloadBytes the most that its payload will take
   * @param corr 0 to 2^53 - 1
   * @returns where the payload starts in `buffer`, or -1 where this bundle has no room for it
   */
  begin(kind: number, payloadBytes: number, msgId?: Uint8Array, corr?: number, ttlMs?: number): number {
    const needed = this.filled + maxRecordOverhead + payloadBytes
    if (this.count === maxRecords || this.padded || (needed > this.buffer.length && !this.grow(needed))) return -1
    const buffer = this.buffer
    const start = this.filled
    let at = start + recordHeaderBytes
    let flags = 0
    if (msgId !== undefined) {
      flags |= RecordFlag.msgId
      for (let i = 0; i < 16; i++) buffer[at + i] = msgId[i]!
      at += 16
    }
    if (corr !== undefined) {
      flags |= RecordFlag.corr
      writeU64(buffer, at, corr)
      at += 8
    }
    if (ttlMs !== undefined) {
      flags |= RecordFlag.ttl
      writeU32(buffer, at, ttlMs)
      at += 4
    }
    buffer[start + 4] = kind
    buffer[start + 5] = flags
    return at
  }

  /** Ends the record that was begun; `end` is where its payload stops. Without it, the record is dropped. */
  end(end: number): void {
    writeU32(this.buffer, this.filled, end - this.filled - 4)
    this.filled = end
    this.count += 1
  }

  /** A whole record with a payload that exists already. @returns false where this bundle has no room for it */
  append(kind: number, payload: Uint8Array, msgId?: Uint8Array, corr?: number, ttlMs?: number): boolean {
    const at = this.begin(kind, payload.length, msgId, corr, ttlMs)
    if (at < 0) return false
    this.buffer.set(payload, at)
    this.end(at + payload.length)
    return true
  }

  /** Takes out a record that nobody waits for any more: the bytes from `start` (its `len`) to `end`. */
  cut(start: number, end: number): void {
    this.buffer.copy(this.buffer, start, end, this.filled)
    this.filled -= end - start
    this.count -= 1
  }

  /**
   * Pads with zeros to `bytes`, to hide the size; the frame then carries the flag `padded`. Nothing can follow.
   * @returns false where that is less than 4 bytes more, or over the capacity
   */
  pad(bytes: number): boolean {
    if (bytes < this.filled + 4 || bytes > this.buffer.length) return false
    this.buffer.fill(0, this.filled, bytes)
    this.filled = bytes
    this.padded = true
    return true
  }

  /** What was written, where it lies: to be sealed before the next `begin` or `reset`. */
  take(): Buffer {
    return this.buffer.subarray(0, this.filled)
  }

  /** Begins the next bundle, in the same memory. */
  reset(): void {
    this.filled = 0
    this.count = 0
    this.padded = false
    if (this.buffer.length > this.capacity) this.buffer = Buffer.allocUnsafeSlow(this.capacity)
  }

  private grow(needed: number): boolean {
    if (this.filled > 0 || needed > this.maxBytes) return false
    this.buffer = Buffer.allocUnsafeSlow(needed)
    return true
  }
}

/**
 * Reads the records of a bundle, without an object for each:
 *
 *   if (cursor.open(plaintext) < 0) ...CANNOT_OPEN; else while (cursor.next()) handle(cursor)
 *
 * The whole bundle is checked before its first record is handed out: a bundle counts all or nothing.
 */
export class RecordCursor {
  /** The plaintext that the offsets below point into. */
  bytes: Buffer = Buffer.alloc(0)
  kind: Kind = Kind.fire
  /** Where 16 bytes of message id start; -1 without. */
  msgIdAt = -1
  /** -1 without. */
  corr = -1
  /** ms; -1 without. */
  ttlMs = -1
  payloadStart = 0
  payloadEnd = 0
  private at = 0
  private left = 0

  /** @returns how many records there are, or -1 where the bundle is malformed */
  open(plaintext: Buffer): number {
    this.bytes = plaintext
    this.at = 0
    this.left = countRecords(plaintext)
    return this.left
  }

  /** Moves on to the next record. @returns false after the last */
  next(): boolean {
    if (this.left <= 0) return false
    this.left -= 1
    const bytes = this.bytes
    const start = this.at
    const flags = bytes[start + 5]!
    let at = start + recordHeaderBytes
    this.kind = bytes[start + 4] as Kind
    if (flags & RecordFlag.msgId) {
      this.msgIdAt = at
      at += 16
    } else this.msgIdAt = -1
    if (flags & RecordFlag.corr) {
      this.corr = readU64(bytes, at)!
      at += 8
    } else this.corr = -1
    if (flags & RecordFlag.ttl) {
      this.ttlMs = readU32(bytes, at)
      at += 4
    } else this.ttlMs = -1
    this.payloadStart = at
    this.payloadEnd = start + 4 + readU32(bytes, start)
    this.at = this.payloadEnd
    return true
  }
}

/** Bytes between `len` and the payload, by rflags. */
const overhead = Uint8Array.from({ length: knownRecordFlags + 1 }, (_, flags) => {
  const msgId = flags & RecordFlag.msgId ? 16 : 0
  const corr = flags & RecordFlag.corr ? 8 : 0
  return 2 + msgId + corr + (flags & RecordFlag.ttl ? 4 : 0)
})

function countRecords(bytes: Uint8Array): number {
  const end = bytes.length
  let at = 0
  let count = 0
  while (at < end) {
    if (end - at < 4) return -1
    const length = readU32(bytes, at)
    if (length === 0) return allZero(bytes, at) ? count : -1
    if (length > end - at - 4 || length < 2 || count === maxRecords) return -1
    const kind = bytes[at + 4]!
    const flags = bytes[at + 5]!
    // A bundle inside a bundle is refused: it would multiply the limit on records.
    if (kind < Kind.fire || kind >= Kind.bundle || flags > knownRecordFlags || length < overhead[flags]!) return -1
    if (flags & RecordFlag.corr) {
      const corrAt = at + recordHeaderBytes + (flags & RecordFlag.msgId ? 16 : 0)
      if (readU64(bytes, corrAt) === undefined) return -1
    }
    at += 4 + length
    count += 1
  }
  return count
}

function allZero(bytes: Uint8Array, from: number): boolean {
  for (let i = from; i < bytes.length; i++) if (bytes[i] !== 0) return false
  return true
}
