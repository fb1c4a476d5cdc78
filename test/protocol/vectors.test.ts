import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  codeFromNumber,
  decodeAccepted,
  decodeAnnounce,
  decodeCredit,
  decodeJson,
  decodeOpen,
  decodeReject,
  decodeStatus,
  encodeAccepted,
  encodeAnnounce,
  encodeCredit,
  encodeFrame,
  encodeOpen,
  encodeReject,
  encodeStatus,
  FrameReader,
  FrameType,
  headerBytes,
  highestFrameType,
  limits,
  parseHello,
  readU32,
} from '@sealway/protocol'
import { BundleWriter, RecordCursor } from '../../client-lib/src/crypto/bundle.js'
import { Keyring } from '../../client-lib/src/crypto/keyring.js'
import { keyFromBytes } from '../../client-lib/src/crypto/keys.js'
import { InboundRoute, Opener } from '../../client-lib/src/crypto/open.js'
import { decodeReceipt, encodeReceipt, type Receipt } from '../../client-lib/src/crypto/receipt.js'
import { SealingFlow } from '../../client-lib/src/crypto/seal.js'
import * as second from './second-implementation.js'

const root = join(__dirname, '../..')
const load = <T>(name: string): T => JSON.parse(readFileSync(join(root, `protocol/vectors/${name}.json`), 'utf8'))
const named = <T extends { name: string }>(vectors: T[]): [string, T][] => vectors.map((v) => [v.name, v])
interface Bytes {
  name: string
  bytes: string
}
const bytes = (text: string) => Buffer.from(text, 'hex')
const hex = (data: Uint8Array) => Buffer.from(data).toString('hex')

it('the committed vectors are what their script makes', () => {
  const script = join(root, 'scripts/make-vectors.mjs')
  expect(execFileSync(process.execPath, [script, '--check'], { encoding: 'utf8' })).toBe('')
})

describe('frames.json', () => {
  type Fields = { [field: string]: never }
  const vectors = load<{
    good: (Bytes & {
      frame: { type: FrameType; flags: number; route: number; json?: unknown; body?: string; fields?: Fields }
    })[]
    malformedHeaders: (Bytes & { error: string })[]
    malformedBodies: (Bytes & { error: string })[]
    truncated: Bytes[]
  }>('frames')

  /** The fields of a body, its hex ids as text. */
  function decode(type: number, body: Uint8Array): unknown {
    switch (type) {
      case FrameType.open:
        return decodeOpen(body)
      case FrameType.status:
        return decodeStatus(body)
      case FrameType.announce:
        return decodeAnnounce(body)
      case FrameType.credit:
        return decodeCredit(body)
      case FrameType.reject: {
        const { code, frameId } = decodeReject(body)
        return { code, frameId: hex(frameId) }
      }
      case FrameType.accepted: {
        const { frameId, names } = decodeAccepted(body)
        return { frameId: hex(frameId), names }
      }
      default:
        return decodeJson(body)
    }
  }

  /** The same frame, written. `f` holds the fields that its type has. */
  function encode(type: number, route: number, f: Fields): Uint8Array {
    switch (type) {
      case FrameType.open:
        return encodeOpen(route, f.to!, f.scope!)
      case FrameType.status:
        return encodeStatus(route, f.online!, f.incarnation!)
      case FrameType.announce:
        return encodeAnnounce(route, f.from!, f.to!, f.scope!)
      case FrameType.credit:
        return encodeCredit(route, f.bytes!, f.frames!)
      case FrameType.reject:
        return encodeReject(route, f.code!, bytes(f.frameId!))
      case FrameType.accepted:
        return encodeAccepted(route, bytes(f.frameId!), f.names!)
      default:
        throw new Error(`type ${type} has no fields`)
    }
  }

  it('has every type of frame', () => {
    const types = new Set(vectors.good.map((v) => v.frame.type))
    expect([...types].sort((a, b) => a - b)).toEqual(Object.values(FrameType))
    expect(types.size).toBe(highestFrameType)
  })

  it.each(named(vectors.good))('reads and writes: %s', (_, vector) => {
    const { type, flags, route, json, body, fields } = vector.frame
    const frame = bytes(vector.bytes)
    const seen: Uint8Array[] = []
    new FrameReader(limits.maxFrameBytes).push(frame, (chunk, at, end) => seen.push(chunk.subarray(at, end)))
    expect(seen).toEqual([frame])
    expect([frame[4], frame[5], readU32(frame, 8)]).toEqual([type, flags, route])
    const content = frame.subarray(headerBytes)
    if (body !== undefined) expect(hex(encodeFrame(type, route, bytes(body), flags))).toBe(vector.bytes)
    else expect(decode(type, content)).toEqual(json ?? fields)
    if (json) expect(hex(encodeFrame(type, route, Buffer.from(JSON.stringify(json)), flags))).toBe(vector.bytes)
    if (fields) expect(hex(encode(type, route, fields))).toBe(vector.bytes)
    if (type === FrameType.hello) expect(parseHello(json)).toEqual(json)
  })

  it.each(named(vectors.malformedHeaders))('refuses: %s', (_, vector) => {
    const read = () => new FrameReader(limits.maxFrameBytes).push(bytes(vector.bytes), () => {})
    expect(read).toThrow(expect.objectContaining({ code: vector.error }))
  })

  it.each(named(vectors.malformedBodies))('refuses: %s', (_, vector) => {
    const refused: unknown[] = []
    new FrameReader(limits.maxFrameBytes).push(bytes(vector.bytes), (chunk, at, end) => {
      expect(() => decode(chunk[at + 4]!, chunk.subarray(at + headerBytes, end))).toThrow(
        expect.objectContaining({ code: vector.error }),
      )
      refused.push(vector.name)
    })
    expect(refused).toEqual([vector.name])
  })

  it.each(named(vectors.truncated))('waits for the rest of: %s', (_, vector) => {
    const reader = new FrameReader(limits.maxFrameBytes)
    reader.push(bytes(vector.bytes), () => {
      throw new Error('a frame was read')
    })
    expect(reader.idle).toBe(false)
  })
})

describe('sealed.json', () => {
  type Labelled = { sealed: string; from: string; to: string; scope: string }
  const vectors = load<{
    receiver: second.Receiver
    positive: (second.SealedFields & { name: string; kid: string; flowKey: string; sealed: string })[]
    negative: (Labelled & { name: string; error: string; receiver?: Partial<second.Receiver> })[]
  }>('sealed')
  const { receiver } = vectors

  function firstOpen(vector: Labelled, me: second.Receiver) {
    const opener = new Opener({
      keyring: new Keyring({ default: me.keys.map((key) => keyFromBytes(bytes(key))) }),
      name: me.name,
      groups: me.groups,
      incarnation: me.incarnation,
      clock: () => me.now,
    })
    const result = opener.open(bytes(vector.sealed), new InboundRoute(vector.from, vector.to, vector.scope))
    if (result.type === 'opened') return { plaintext: hex(result.plaintext), kind: result.kind, flags: result.flags }
    return { error: result.type === 'refused' ? result.code : result.type, flows: opener.flowCount }
  }

  function firstSeal(vector: second.SealedFields): string {
    const flow = new SealingFlow({
      key: keyFromBytes(bytes(vector.key)),
      from: vector.from,
      to: vector.to,
      scope: vector.scope,
      clock: () => vector.ts,
      random: { salt: () => bytes(vector.salt), guard: (target, at) => target.set(bytes(vector.guard), at) },
    })
    // Sealing 2^53 frames to get there would take an age; the limit of a flow is lower, too.
    if (vector.counter >= 2 ** 31) Reflect.set(flow, 'spent', () => false)
    Reflect.set(flow, 'frames', vector.counter)
    const frame = flow.seal(vector.kind as 1, vector.flags, bytes(vector.plaintext), vector.ttlMs, vector.inc)
    return hex(frame.header.subarray(12)) + hex(frame.ciphertext) + hex(frame.tag)
  }

  it('has the known answers, at least 20 good frames and at least 100 bad ones', () => {
    const [first, next] = vectors.positive
    expect(first?.kid).toBe('673878543e02f64684f83c49473ec299')
    expect(first?.sealed.slice(-42)).toBe('64c4c4acf94b48cf875c87d545a023ec54285c19fe')
    expect(next?.sealed.slice(-32)).toBe('7251d83dd48a8cf42a857cb297bb76d0')
    expect(vectors.positive.length).toBeGreaterThanOrEqual(20)
    expect(vectors.negative.length).toBeGreaterThanOrEqual(100)
  })

  it.each(named(vectors.positive))('seals and opens, twice the same: %s', async (_, v) => {
    expect(firstSeal(v)).toBe(v.sealed)
    expect(await second.seal(v)).toBe(v.sealed)
    expect([await second.kidOf(v.key), hex(keyFromBytes(bytes(v.key)).kid)]).toEqual([v.kid, v.kid])
    expect(await second.flowKeyOf(v.key, v.salt, v.from, v.to, v.scope)).toBe(v.flowKey)
    expect(firstOpen(v, receiver)).toEqual({ plaintext: v.plaintext, kind: v.kind, flags: v.flags })
    expect(await second.open(v.sealed, v, receiver)).toEqual({ plaintext: v.plaintext })
  })

  it.each(named(vectors.negative))('refuses, twice the same: %s', async (_, v) => {
    const me = { ...receiver, ...v.receiver }
    expect(firstOpen(v, me)).toEqual({ error: v.error, flows: 0 })
    expect(await second.open(v.sealed, v, me)).toEqual({ error: v.error })
  })
})

describe('bundles.json', () => {
  interface Record {
    kind: number
    msgId?: string
    corr?: number
    ttlMs?: number
    payload: string
  }
  const vectors = load<{ good: (Bytes & { records: Record[] })[]; malformed: Bytes[] }>('bundles')

  function read(plaintext: Buffer): Record[] | undefined {
    const cursor = new RecordCursor()
    if (cursor.open(plaintext) < 0) return undefined
    const records: Record[] = []
    while (cursor.next()) {
      const { kind, msgIdAt, corr, ttlMs, payloadStart, payloadEnd } = cursor
      records.push({
        kind,
        ...(msgIdAt < 0 ? {} : { msgId: plaintext.toString('hex', msgIdAt, msgIdAt + 16) }),
        ...(corr < 0 ? {} : { corr }),
        ...(ttlMs < 0 ? {} : { ttlMs }),
        payload: plaintext.toString('hex', payloadStart, payloadEnd),
      })
    }
    return records
  }

  it.each(named(vectors.good))('reads and writes: %s', (_, vector) => {
    expect(read(bytes(vector.bytes))).toEqual(vector.records)
    const writer = new BundleWriter()
    for (const { kind, payload, msgId, corr, ttlMs } of vector.records) {
      writer.append(kind, bytes(payload), msgId === undefined ? undefined : bytes(msgId), corr, ttlMs)
    }
    if (vector.bytes.length / 2 > writer.bytes) writer.pad(vector.bytes.length / 2)
    expect(hex(writer.take())).toBe(vector.bytes)
  })

  it.each(named(vectors.malformed))('refuses: %s', (_, vector) => {
    expect(read(bytes(vector.bytes))).toBeUndefined()
  })
})

describe('receipts.json', () => {
  const vectors = load<{
    good: (Bytes & {
      receipt: {
        status: number
        flow: string
        ackUpTo: number
        bitmap: string
        code?: number
        kid?: string
        incarnation?: number
      }
    })[]
    malformed: Bytes[]
  }>('receipts')

  it.each(named(vectors.good))('reads and writes: %s', (_, vector) => {
    const { status, flow, ackUpTo, bitmap, code, kid, incarnation } = vector.receipt
    const receipt = {
      status,
      flow: new Uint8Array(bytes(flow)),
      ackUpTo,
      bitmapHigh: bytes(bitmap).readUInt32BE(0),
      bitmapLow: bytes(bitmap).readUInt32BE(4),
      ...(code === undefined ? {} : { code: codeFromNumber(code) }),
      ...(kid === undefined ? {} : { kid: new Uint8Array(bytes(kid)) }),
      ...(incarnation === undefined ? {} : { incarnation }),
    } as Receipt
    expect(decodeReceipt(bytes(vector.bytes))).toEqual(receipt)
    expect(hex(encodeReceipt(receipt))).toBe(vector.bytes)
  })

  it.each(named(vectors.malformed))('refuses: %s', (_, vector) => {
    expect(decodeReceipt(bytes(vector.bytes))).toBeUndefined()
  })
})
