import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  codeFromNumber,
  decodeAccepted,
  decodeAnnounce,
  decodeCredit,
  decodeGrant,
  decodeJson,
  decodeOpen,
  decodeReject,
  decodeRequest,
  decodeReset,
  decodeResponse,
  decodeStatus,
  decodeTrailers,
  encodeAccepted,
  encodeAnnounce,
  encodeCredit,
  encodeFrame,
  encodeGrant,
  encodeOpen,
  encodeReject,
  encodeRequest,
  encodeReset,
  encodeResponse,
  encodeStatus,
  encodeTrailers,
  FrameReader,
  FrameType,
  headerBytes,
  highestFrameType,
  limits,
  parseHello,
  readU32,
  SealwayError,
} from '@sealway/protocol'
import { BundleWriter, RecordCursor } from '../../client-lib/src/crypto/bundle.js'
import { Keyring } from '../../client-lib/src/crypto/keyring.js'
import { keyFromBytes } from '../../client-lib/src/crypto/keys.js'
import { InboundRoute, Opener } from '../../client-lib/src/crypto/open.js'
import { decodeReceipt, encodeReceipt, type Receipt } from '../../client-lib/src/crypto/receipt.js'
import { SealingFlow } from '../../client-lib/src/crypto/seal.js'
import type { Outlet } from '../../client-lib/src/messaging/outlet.js'
import { BodyWriter } from '../../client-lib/src/messaging/payload.js'
import { Inbound } from '../../client-lib/src/messaging/streams/inbound.js'
import { Lanes } from '../../client-lib/src/messaging/streams/lanes.js'
import { Stream } from '../../client-lib/src/messaging/streams/stream.js'
import {
  acceptorFlag,
  endRecord,
  Op,
  resetRecord,
  stopRecord,
  u32Record,
} from '../../client-lib/src/messaging/streams/wire.js'
import { Net } from '../support/net.js'
import { deaf, openStreams, sayRaw, u64 } from '../support/stream-end.js'
import { turns, until } from '../support/until.js'
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
      case FrameType.request:
      case FrameType.response: {
        const read = type === FrameType.request ? decodeRequest(body) : decodeResponse(body)
        return { head: read.head, body: hex(read.body) }
      }
      case FrameType.trailers:
        return { trailers: decodeTrailers(body) }
      case FrameType.grant:
        return { bytes: decodeGrant(body) }
      case FrameType.reset:
        return { code: decodeReset(body) }
      default:
        return decodeJson(body)
    }
  }

  /** The same frame, written. `f` holds the fields that its type has. */
  function encode(type: number, route: number, f: Fields, flags: number): Uint8Array {
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
      case FrameType.request:
        return encodeRequest(route, f.head!, bytes(f.body!), flags === 1)
      case FrameType.response:
        return encodeResponse(route, f.head!, bytes(f.body!), flags === 1)
      case FrameType.trailers:
        return encodeTrailers(route, f.trailers!)
      case FrameType.grant:
        return encodeGrant(route, f.bytes!)
      case FrameType.reset:
        return encodeReset(route, f.code!)
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
    if (fields) expect(hex(encode(type, route, fields, flags))).toBe(vector.bytes)
    if (type === FrameType.hello) expect(parseHello(json)).toEqual({ reaches: [], ...(json as object) })
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

describe('C11: sealed.json, read by two implementations', () => {
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
        messages?: number
        bytes?: number
      }
    })[]
    malformed: Bytes[]
  }>('receipts')

  it.each(named(vectors.good))('reads and writes: %s', (_, vector) => {
    const { status, flow, ackUpTo, bitmap, code, kid, incarnation, messages, bytes: creditBytes } = vector.receipt
    const receipt = {
      status,
      flow: new Uint8Array(bytes(flow)),
      ackUpTo,
      bitmapHigh: bytes(bitmap).readUInt32BE(0),
      bitmapLow: bytes(bitmap).readUInt32BE(4),
      ...(code === undefined ? {} : { code: codeFromNumber(code) }),
      ...(kid === undefined ? {} : { kid: new Uint8Array(bytes(kid)) }),
      ...(incarnation === undefined ? {} : { incarnation }),
      ...(messages === undefined ? {} : { messages }),
      ...(creditBytes === undefined ? {} : { bytes: creditBytes }),
    } as Receipt
    expect(decodeReceipt(bytes(vector.bytes))).toEqual(receipt)
    expect(hex(encodeReceipt(receipt))).toBe(vector.bytes)
  })

  it.each(named(vectors.malformed))('refuses: %s', (_, vector) => {
    expect(decodeReceipt(bytes(vector.bytes))).toBeUndefined()
  })
})

describe('streams.json', () => {
  const vectors = load<{
    records: Bytes[]
    directions: { name: string; records: string[]; outcome: string; offset?: number }[]
  }>('streams')
  const record = new Map(vectors.records.map((one) => [one.name, one.bytes]))

  it('has the records that this library writes', () => {
    expect(hex(u32Record(Op.credit, 65_536))).toBe(record.get('credit'))
    expect(hex(endRecord(2 ** 53 - 1))).toBe(record.get('end'))
    const reset = new SealwayError('ABORTED', { message: 'its reader stopped' })
    expect(hex(resetRecord(reset))).toBe(record.get('reset'))
    const stop = stopRecord()
    stop[0]! |= acceptorFlag
    expect(hex(stop)).toBe(record.get('stop'))
    const accept = u32Record(Op.accept, 262_144)
    accept[0]! |= acceptorFlag
    expect(hex(accept)).toBe(record.get('accept, by whom the input is read'))
  })

  it('has openings that a node takes', async () => {
    const net = new Net()
    const [node, peer] = await Promise.all([net.join('node'), net.join('peer')])
    const asked: unknown[] = []
    node.on('export', ({ body, meta }) => void asked.push({ body, meta }))
    node.on('store', ({ body }) => void asked.push((body as Buffer).length))
    deaf(peer)
    sayRaw(peer, 'node', 1, bytes(record.get('open, without a body')!))
    sayRaw(peer, 'node', 2, bytes(record.get('open, with meta and JSON')!))
    sayRaw(peer, 'node', 3, bytes(record.get('a call with a body of 2 MiB to come')!))
    await until(() => asked.length === 2, 'both streams are asked for')
    expect(asked).toEqual([
      { body: undefined, meta: {} },
      { body: { day: 1 }, meta: { tenant: 7 } },
    ])
    expect(openStreams(node)).toBe(1)
    for (let at = 0; at < 2_097_152; at += 65_536) {
      sayRaw(peer, 'node', 3, Op.data, u64(at), 1, new Uint8Array(65_536))
      if (at % 131_072 === 0) await turns(10)
    }
    sayRaw(peer, 'node', 3, Op.end, u64(2_097_152))
    await until(() => asked.length === 3, 'the call comes with its body')
    expect(asked[2]).toBe(2_097_152)
    await net.close()
  })

  it.each(named(vectors.directions))('ends as it must: %s', async (_, { records, outcome, offset }) => {
    const { stream, inbound, over } = streamEnd(1_024)
    for (const each of records) {
      const [op] = bytes(each) as unknown as [number]
      stream.arrived(op, bytes(each), 1, each.length / 2)
    }
    if (outcome === 'complete') {
      expect(over()).toBeUndefined()
      let result = await inbound.next()
      while (!result.done) result = await inbound.next()
    } else {
      expect(over()?.code).toBe(outcome)
    }
    if (offset !== undefined) expect(inbound.offset).toBe(offset)
  })
})

/** One end of a stream whose other end is the test, with so much granted once. */
function streamEnd(windowBytes: number) {
  let inbound!: Inbound
  let error: SealwayError | undefined
  const outlet = { stream: () => true, streamBytes: 0 }
  const stream = new Stream(
    {
      lanes: new Lanes(),
      timers: { monotonic: () => 0, set: () => 0, setBackground: () => 0, clear() {} },
      codec: undefined,
      body: new BodyWriter(),
      outletOf: () => outlet as unknown as Outlet,
      misbehaved() {},
      over() {},
    },
    1,
    false,
    'default',
    'a stream',
    () => {
      inbound = new Inbound({
        codec: undefined,
        windowBytes,
        grant() {},
        stopped() {},
        malformed: () => new SealwayError('MALFORMED'),
      })
      return inbound
    },
  )
  stream.join('other')
  stream.onOver = (why) => {
    error = why
  }
  inbound.begin()
  return { stream, inbound, over: () => error }
}
