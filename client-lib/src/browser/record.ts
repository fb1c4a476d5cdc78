import { Kind, knownRecordFlags, maxRecords, RecordFlag, readU32, recordHeaderBytes, writeU32 } from '@sealway/protocol'
import { readU64, writeU64 } from '../crypto/u64.js'
import type { Bytes } from './bytes.js'

/*
 * A record of a bundle; `len` counts what follows it (SPEC.md, "Bundles"):
 *
 *   0     4      5        6
 *   | len | kind | rflags | [16 msgId] | [8 corr] | [u32 ttl] | payload ... |
 */
export interface RecordFields {
  readonly kind: Kind
  /** 16 bytes. */
  readonly msgId?: Uint8Array | undefined
  /** 0 to 2^53 - 1. */
  readonly corr?: number | undefined
  readonly ttlMs?: number | undefined
  readonly payload: Bytes
}

const bytesBefore = (flags: number): number =>
  recordHeaderBytes +
  (flags & RecordFlag.msgId ? 16 : 0) +
  (flags & RecordFlag.corr ? 8 : 0) +
  (flags & RecordFlag.ttl ? 4 : 0)

export function encodeRecord({ kind, msgId, corr, ttlMs, payload }: RecordFields): Bytes {
  const flags =
    (msgId ? RecordFlag.msgId : 0) |
    (corr === undefined ? 0 : RecordFlag.corr) |
    (ttlMs === undefined ? 0 : RecordFlag.ttl)
  const before = bytesBefore(flags)
  const bytes = new Uint8Array(before + payload.length)
  writeU32(bytes, 0, bytes.length - 4)
  bytes[4] = kind
  bytes[5] = flags
  let at = recordHeaderBytes
  if (msgId) {
    bytes.set(msgId, at)
    at += 16
  }
  if (corr !== undefined) {
    writeU64(bytes, at, corr)
    at += 8
  }
  if (ttlMs !== undefined) writeU32(bytes, at, ttlMs)
  bytes.set(payload, before)
  return bytes
}

/** Writes into a record how long its sender still waits. */
export function rewriteTtl(record: Bytes, ttlMs: number): void {
  const flags = record[5]!
  if (flags & RecordFlag.ttl) writeU32(record, bytesBefore(flags) - 4, Math.max(1, ttlMs))
}

/** The records of a bundle, or undefined where anything in it is malformed: it counts all or nothing. */
export function readRecords(plaintext: Bytes): RecordFields[] | undefined {
  const records: RecordFields[] = []
  const end = plaintext.length
  let at = 0
  while (at < end) {
    if (end - at < 4) return undefined
    const length = readU32(plaintext, at)
    if (length === 0) return plaintext.subarray(at).every((byte) => byte === 0) ? records : undefined
    if (length > end - at - 4 || records.length === maxRecords) return undefined
    const record = length < 2 ? undefined : readRecord(plaintext.subarray(at, at + 4 + length))
    if (!record) return undefined
    records.push(record)
    at += 4 + length
  }
  return records
}

function readRecord(bytes: Bytes): RecordFields | undefined {
  const kind = bytes[4]!
  const flags = bytes[5]!
  if (kind < Kind.fire || kind >= Kind.bundle || flags > knownRecordFlags) return undefined
  const before = bytesBefore(flags)
  if (bytes.length < before) return undefined
  let at = recordHeaderBytes
  const msgId = flags & RecordFlag.msgId ? bytes.subarray(at, at + 16) : undefined
  if (msgId) at += 16
  const corr = flags & RecordFlag.corr ? readU64(bytes, at) : undefined
  if (flags & RecordFlag.corr && corr === undefined) return undefined
  const ttlMs = flags & RecordFlag.ttl ? readU32(bytes, before - 4) : undefined
  return { kind: kind as Kind, msgId, corr, ttlMs, payload: bytes.subarray(before) }
}
