import type { Code } from '@sealway/protocol'
import { codeFromNumber, FrameReader, type Kind, limits } from '@sealway/protocol'
import type { Bytes } from '../../../client-lib/src/browser/bytes'
import { keyFromBytes } from '../../../client-lib/src/browser/key'
import { PageKeyring } from '../../../client-lib/src/browser/keyring'
import { Opener } from '../../../client-lib/src/browser/open'
import { encodeReceipt } from '../../../client-lib/src/browser/receipt'
import { encodeRecord, readRecords } from '../../../client-lib/src/browser/record'
import { SealingFlow } from '../../../client-lib/src/browser/seal'
import { decodeReceipt, type Receipt } from '../../../client-lib/src/crypto/receipt'

/*
 * Runs the vectors of the protocol on the browser edition, in Jest and in Chromium: it uses nothing of Node.
 */

export interface Vectors {
  readonly frames: {
    readonly good: readonly Named[]
    readonly malformedHeaders: readonly (Named & { readonly error: string })[]
  }
  readonly sealed: {
    readonly receiver: Receiver
    readonly positive: readonly (SealedFields & Labelled & { readonly name: string; readonly kid: string })[]
    readonly negative: readonly (Labelled & {
      readonly name: string
      readonly error: string
      readonly receiver?: Partial<Receiver>
    })[]
  }
  readonly bundles: {
    readonly good: readonly (Named & { readonly records: readonly RecordVector[] })[]
    readonly malformed: readonly Named[]
  }
  readonly receipts: {
    readonly good: readonly (Named & { readonly receipt: ReceiptVector })[]
    readonly malformed: readonly Named[]
  }
}

interface Named {
  readonly name: string
  readonly bytes: string
}
interface Labelled {
  readonly sealed: string
  readonly from: string
  readonly to: string
  readonly scope: string
}
interface Receiver {
  readonly name: string
  readonly groups: readonly string[]
  readonly incarnation: number
  readonly now: number
  readonly keys: readonly string[]
}
interface SealedFields {
  readonly key: string
  readonly kind: number
  readonly flags: number
  readonly salt: string
  readonly guard: string
  readonly counter: number
  readonly ts: number
  readonly ttlMs: number
  readonly inc: number
  readonly plaintext: string
}
interface RecordVector {
  readonly kind: number
  readonly msgId?: string
  readonly corr?: number
  readonly ttlMs?: number
  readonly payload: string
}
interface ReceiptVector {
  readonly status: number
  readonly flow: string
  readonly ackUpTo: number
  readonly bitmap: string
  readonly code?: number
  readonly kid?: string
  readonly incarnation?: number
}

const bytes = (hex: string): Bytes =>
  Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)) as Bytes
const hex = (data: Uint8Array): string => Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('')
const keyText = (key: string): string => {
  const base64 = btoa(String.fromCharCode(...bytes(key)))
  return `mk1_${base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`
}
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** What each vector gave in place of what it says; empty where all agree. And how many were run. */
export async function checkVectors(vectors: Vectors): Promise<{ wrong: string[]; checked: number }> {
  const wrong: string[] = []
  let checked = 0
  const expectSame = (name: string, actual: unknown, expected: unknown): void => {
    checked++
    if (!same(actual, expected)) wrong.push(`${name}: ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`)
  }
  for (const { name, bytes: frame } of vectors.frames.good) {
    const seen: string[] = []
    new FrameReader(limits.maxFrameBytes).push(bytes(frame), (chunk, at, end) => seen.push(hex(chunk.slice(at, end))))
    expectSame(`frame ${name}`, seen, [frame])
  }
  for (const { name, bytes: frame, error } of vectors.frames.malformedHeaders) {
    let code: Code | undefined
    try {
      new FrameReader(limits.maxFrameBytes).push(bytes(frame), () => {})
    } catch (thrown) {
      code = (thrown as { code: Code }).code
    }
    expectSame(`frame ${name}`, code, error)
  }
  const { receiver } = vectors.sealed
  for (const vector of vectors.sealed.positive) {
    expectSame(`sealed ${vector.name}`, await seal(vector), vector.sealed)
    expectSame(`kid of ${vector.name}`, hex((await keyFromBytes(bytes(vector.key))).kid), vector.kid)
    const { plaintext, kind, flags } = vector
    expectSame(`opened ${vector.name}`, await open(vector, receiver), { plaintext, kind, flags })
  }
  for (const vector of vectors.sealed.negative) {
    const me = { ...receiver, ...vector.receiver }
    expectSame(`refused ${vector.name}`, await open(vector, me), { error: vector.error, flows: 0 })
  }
  for (const { name, bytes: bundle, records } of vectors.bundles.good) {
    expectSame(`bundle ${name}`, readRecords(bytes(bundle))?.map(recordVector), records)
    // Padding comes after what the records say.
    expectSame(`written bundle ${name}`, bundle.startsWith(records.map(writeRecord).join('')), true)
  }
  for (const { name, bytes: bundle } of vectors.bundles.malformed) {
    expectSame(`bundle ${name}`, readRecords(bytes(bundle)) === undefined, true)
  }
  for (const { name, bytes: text, receipt } of vectors.receipts.good) {
    const read = receiptOf(receipt)
    expectSame(`receipt ${name}`, decodeReceipt(bytes(text)), read)
    expectSame(`written receipt ${name}`, hex(encodeReceipt(read)), text)
  }
  for (const { name, bytes: text } of vectors.receipts.malformed) {
    expectSame(`receipt ${name}`, decodeReceipt(bytes(text)) === undefined, true)
  }
  return { wrong, checked }
}

async function seal(vector: SealedFields & Labelled): Promise<string> {
  const draws = [bytes(vector.salt), bytes(vector.guard)]
  const { from, to, scope } = vector
  const key = await keyFromBytes(bytes(vector.key))
  const flow = new SealingFlow({ key, from, to, scope, clock: () => vector.ts, random: () => draws.shift()! })
  // Sealing 2^53 frames to get there would take an age; the limit of a flow is lower, too.
  if (vector.counter >= 2 ** 31) Reflect.set(flow, 'spent', () => false)
  Reflect.set(flow, 'frames', vector.counter)
  const { frame } = flow.seal(vector.kind as Kind, vector.flags, bytes(vector.plaintext), vector.ttlMs, vector.inc)
  return hex((await frame).subarray(12))
}

async function open({ sealed, from, to, scope }: Labelled, me: Receiver) {
  const { name, groups, incarnation, now, keys } = me
  const keyring = await PageKeyring.from({ default: keys.map(keyText) })
  const opener = new Opener({ keyring, name, groups, incarnation, clock: () => now })
  const result = await opener.open(bytes(sealed), { from, to, scope })
  if (result.type === 'opened') return { plaintext: hex(result.plaintext), kind: result.kind, flags: result.flags }
  return { error: result.type === 'refused' ? result.code : result.type, flows: opener.flowCount }
}

const recordVector = ({ kind, msgId, corr, ttlMs, payload }: NonNullable<ReturnType<typeof readRecords>>[number]) => ({
  kind,
  ...(msgId === undefined ? {} : { msgId: hex(msgId) }),
  ...(corr === undefined ? {} : { corr }),
  ...(ttlMs === undefined ? {} : { ttlMs }),
  payload: hex(payload),
})

const writeRecord = ({ kind, msgId, corr, ttlMs, payload }: RecordVector): string =>
  hex(
    encodeRecord({
      kind: kind as Kind,
      msgId: msgId === undefined ? undefined : bytes(msgId),
      corr,
      ttlMs,
      payload: bytes(payload),
    }),
  )

const receiptOf = ({ status, flow, ackUpTo, bitmap, code, kid, incarnation, ...credit }: ReceiptVector): Receipt =>
  ({
    flow: bytes(flow),
    ackUpTo,
    bitmapLow: Number.parseInt(bitmap.slice(8), 16),
    bitmapHigh: Number.parseInt(bitmap.slice(0, 8), 16),
    status,
    ...(code === undefined ? {} : { code: codeFromNumber(code) }),
    ...(kid === undefined ? {} : { kid: bytes(kid) }),
    ...(incarnation === undefined ? {} : { incarnation }),
    ...credit,
  }) as Receipt
