import { RecordFlag, recordHeaderBytes, writeU32 } from '@sealway/protocol'
import type { BundleWriter } from '../crypto/bundle.js'
import type { SealingFlow } from '../crypto/seal.js'
import type { Unacked } from './unacked.js'

/** Somebody who waits for what became of a record. */
export interface Waiter {
  /** By which it is answered; no other waiter of this node has it. */
  readonly corr: number
  /** Of the frame in which it left, among those of its flow; -1: it has not. */
  readonly counter: number
  /** Its record in the bundle, until the bundle is sealed. */
  recordStart: number
  recordEnd: number
  /** Settled, so that its record need not be sent any more. */
  readonly settled: boolean
  /** Size of the payload, where no receiver answers this: only the mediator says whom it reached. */
  unansweredBytes?: number | undefined
  /** ms left, to be written into the record when it leaves; absent where the record has no deadline. */
  remainingMs?(): number
  /** Its frame must be kept, to be sent again. */
  readonly resends: boolean
  /** It left in this frame. */
  sealed(flow: SealingFlow, counter: number, kept: Unacked | undefined): void
}

/** Messages that leave in one frame, and who waits for what becomes of them. */
export interface Bundle {
  readonly writer: BundleWriter
  /** Data of streams in it. */
  streamBytes: number
  /** Bytes of it that are counted in the node's budget. */
  counted: number
  /** Messages in it that nobody waits for, and their payloads' bytes. */
  unanswered: number
  unansweredBytes: number
  left: (() => void)[] | undefined
  waiters: Waiter[] | undefined
  wantAccepted: boolean
  /** It was begun with a record that is sent again. */
  readonly resends: boolean
  readonly openedAt: number
}

/** Somebody waits for what becomes of the last record. */
export function remember(bundle: Bundle, waiter: Waiter, start: number): void {
  waiter.recordStart = start
  waiter.recordEnd = bundle.writer.bytes
  if (bundle.waiters) bundle.waiters.push(waiter)
  else bundle.waiters = [waiter]
}

/** Takes out the record of one who no longer waits. @returns its bytes, 0 where it is not in this bundle */
export function takeOut(bundle: Bundle, waiter: Waiter): number {
  const { writer, waiters } = bundle
  const at = waiters?.indexOf(waiter) ?? -1
  if (at < 0) return 0
  const bytes = waiter.recordEnd - waiter.recordStart
  if (waiter.unansweredBytes !== undefined) {
    bundle.unanswered--
    bundle.unansweredBytes -= waiter.unansweredBytes
  }
  writer.cut(waiter.recordStart, waiter.recordEnd)
  waiters!.splice(at, 1)
  for (const later of waiters!) {
    if (later.recordStart < waiter.recordStart) continue
    later.recordStart -= bytes
    later.recordEnd -= bytes
  }
  return bytes
}

/** Under this a deadline that was written when the message was queued is still right. */
const staleDeadlineMs = 10

/** Writes what is left of the deadlines into a bundle that has waited. */
export function freshenDeadlines(bundle: Bundle, now: number): void {
  if (now - bundle.openedAt <= staleDeadlineMs) return
  for (const waiter of bundle.waiters!) {
    const { buffer } = bundle.writer
    const flags = buffer[waiter.recordStart + 5]!
    const remainingMs = waiter.remainingMs?.()
    if (remainingMs === undefined || (flags & RecordFlag.ttl) === 0) continue
    const before = (flags & RecordFlag.msgId ? 16 : 0) + (flags & RecordFlag.corr ? 8 : 0)
    writeU32(buffer, waiter.recordStart + recordHeaderBytes + before, Math.max(1, remainingMs))
  }
}
