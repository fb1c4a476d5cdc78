import { SealwayError } from './errors.js'

/**
 * A frame on a link (SPEC.md, "Frames"); big endian:
 *
 *   0       4      5       6          8        12
 *   | length | type | flags | reserved | route  | body ...
 *   u32      u8     u8      u16 = 0    u32      `length` bytes
 */
export const headerBytes = 12

export const FrameType = {
  /** Node to mediator, JSON: who I am. The first frame. */
  hello: 1,
  /** Mediator to node, JSON: accepted, and under what terms. */
  welcome: 2,
  /** Either way, JSON: why this link ends. The last frame. */
  close: 3,
  /** Either way, up to 64 opaque bytes, sent back in a pong. */
  ping: 4,
  pong: 5,
  /** Mediator to node, JSON: finish, leave, come back. */
  goaway: 6,
  /** Node to mediator: this route number stands for this address. */
  open: 7,
  /** Mediator to node: whether the target of a node route is there now. */
  status: 8,
  /** Mediator to node: this delivery route stands for this sender, address and scope. */
  announce: 9,
  /** Either way: a route is given up. From the mediator: its sender is gone. */
  retire: 10,
  /** Node to mediator: a sealed frame for a route. */
  send: 11,
  /** Mediator to node: a sealed frame from a delivery route. */
  deliver: 12,
  /** Mediator to node: so much of a route's window is free again. */
  credit: 13,
  /** Mediator to node: this sealed frame went nowhere. */
  reject: 14,
  /** Mediator to node: this sealed frame was handed on to these nodes. Only where flag `wantAccepted` asked. */
  accepted: 15,
  /** Node to mediator, JSON, the number in `route` comes back: a question to the registry. */
  query: 16,
  answer: 17,
  /** Node to mediator: a fresh token for this link. */
  token: 18,
  /** Mediator to node, JSON: members of a watched group came or went. */
  peers: 19,
  /** Mediator to node, JSON: the policies, or what changed of them. Only after a query has asked for them. */
  policies: 20,
  /** HTTP by name (exchange.ts). Mediator to node: an exchange begins, with its head and what there is of its body. */
  request: 21,
  /** Node to mediator: the head of the answer, and what there is of its body. */
  response: 22,
  /** Either way: more of a body. */
  data: 23,
  /** Either way: a body ends, with trailers. */
  trailers: 24,
  /** Either way: so many more bytes of a body may be sent. */
  grant: 25,
  /** Either way: the exchange is broken off. */
  reset: 26,
} as const
export type FrameType = (typeof FrameType)[keyof typeof FrameType]
export const highestFrameType = FrameType.reset

/** Flags of a send frame. Others are refused. */
export const FrameFlag = { wantAccepted: 1 } as const

export function readU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

export function writeHeader(
  bytes: Uint8Array,
  at: number,
  type: FrameType,
  flags: number,
  route: number,
  bodyBytes: number,
): void {
  writeU32(bytes, at, bodyBytes)
  bytes[at + 4] = type
  bytes[at + 5] = flags
  bytes[at + 6] = 0
  bytes[at + 7] = 0
  writeU32(bytes, at + 8, route)
}

/** A whole frame in one piece, for everything off the hot path. */
export function encodeFrame(type: FrameType, route = 0, body: Uint8Array = empty, flags = 0): Uint8Array {
  const bytes = new Uint8Array(headerBytes + body.length)
  writeHeader(bytes, 0, type, flags, route, body.length)
  bytes.set(body, headerBytes)
  return bytes
}

const empty = new Uint8Array(0)
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export const encodeJson = (type: FrameType, value: unknown, route = 0): Uint8Array =>
  encodeFrame(type, route, encoder.encode(JSON.stringify(value)))

/**
 * Parses the JSON body of a control frame.
 * `__proto__`, `constructor` and `prototype` as keys are refused: JSON.parse makes them own properties,
 * which a later Object.assign would install.
 * @throws SealwayError `MALFORMED`
 */
export function decodeJson(body: Uint8Array): unknown {
  let text: string
  try {
    text = decoder.decode(body)
  } catch (cause) {
    throw new SealwayError('MALFORMED', { message: 'control frame is not UTF-8', cause })
  }
  return parseJson(text)
}

/** Such a key in clear, or any escape: `"_\u005fproto__"` spells one too. */
const poisonKeys = /"(?:__proto__|constructor|prototype)"|\\u/

/** JSON.parse that refuses keys which reach an object's prototype. @throws SealwayError `MALFORMED` */
export function parseJson(text: string): unknown {
  try {
    // The reviver is slow, so it runs only where the text could hold such a key.
    return poisonKeys.test(text) ? JSON.parse(text, refusePoison) : JSON.parse(text)
  } catch (cause) {
    if (cause instanceof SealwayError) throw cause
    throw new SealwayError('MALFORMED', { message: 'not valid JSON', cause })
  }
}

function refusePoison(key: string, value: unknown): unknown {
  if (key === '__proto__' || key === 'constructor' || key === 'prototype') {
    throw new SealwayError('MALFORMED', { message: `the key ${JSON.stringify(key)} is not allowed` })
  }
  return value
}

/** `lp8(x)`: one length byte and the UTF-8 bytes. Returns the next offset. @throws SealwayError `MALFORMED` */
export function readLp8(bytes: Uint8Array, at: number): { text: string; next: number } {
  const length = bytes[at]
  if (length === undefined || at + 1 + length > bytes.length) {
    throw new SealwayError('MALFORMED', { message: 'text runs past the end of its frame' })
  }
  try {
    return { text: decoder.decode(bytes.subarray(at + 1, at + 1 + length)), next: at + 1 + length }
  } catch (cause) {
    throw new SealwayError('MALFORMED', { message: 'text is not UTF-8', cause })
  }
}

/** Several texts, each as lp8, in one piece. */
export function encodeLp8(...texts: string[]): Uint8Array {
  const parts = texts.map((text) => encoder.encode(text))
  const out = new Uint8Array(parts.reduce((sum, part) => sum + 1 + part.length, 0))
  let at = 0
  for (const part of parts) {
    if (part.length > 255) throw new SealwayError('INVALID_ARGUMENT', { message: 'text over 255 bytes' })
    out[at] = part.length
    out.set(part, at + 1)
    at += 1 + part.length
  }
  return out
}

/** Body of an open (node to mediator): `lp8(to) lp8(scope)`. */
export const encodeOpen = (route: number, to: string, scope: string): Uint8Array =>
  encodeFrame(FrameType.open, route, encodeLp8(to, scope))

export function decodeOpen(body: Uint8Array): { to: string; scope: string } {
  const to = readLp8(body, 0)
  const scope = readLp8(body, to.next)
  exactly(scope.next, body)
  return { to: to.text, scope: scope.text }
}

/** Body of an announce (mediator to node): `lp8(from) lp8(to) lp8(scope)`. */
export const encodeAnnounce = (route: number, from: string, to: string, scope: string): Uint8Array =>
  encodeFrame(FrameType.announce, route, encodeLp8(from, to, scope))

export function decodeAnnounce(body: Uint8Array): { from: string; to: string; scope: string } {
  const from = readLp8(body, 0)
  const to = readLp8(body, from.next)
  const scope = readLp8(body, to.next)
  exactly(scope.next, body)
  return { from: from.text, to: to.text, scope: scope.text }
}

/** Body of a credit: `u32 bytes, u32 frames`. */
export function encodeCredit(route: number, bytes: number, frames: number): Uint8Array {
  const body = new Uint8Array(8)
  writeU32(body, 0, bytes)
  writeU32(body, 4, frames)
  return encodeFrame(FrameType.credit, route, body)
}

export function decodeCredit(body: Uint8Array): { bytes: number; frames: number } {
  exactly(8, body)
  return { bytes: readU32(body, 0), frames: readU32(body, 4) }
}

/** Bytes of a frame id: the first 8 of the salt and the counter, both in clear in the sealed header. */
export const frameIdBytes = 16

/** Body of a reject: `u16 code, 16 frame id`. `frameId` is all zero where the frame was too short to have one. */
export function encodeReject(route: number, code: number, frameId: Uint8Array): Uint8Array {
  const body = new Uint8Array(2 + frameIdBytes)
  body[0] = code >>> 8
  body[1] = code
  body.set(frameId, 2)
  return encodeFrame(FrameType.reject, route, body)
}

export function decodeReject(body: Uint8Array): { code: number; frameId: Uint8Array } {
  exactly(2 + frameIdBytes, body)
  return { code: (body[0]! << 8) | body[1]!, frameId: body.subarray(2) }
}

/** Body of an accepted: `16 frame id, u32 count, count x lp8(name)`. */
export function encodeAccepted(route: number, frameId: Uint8Array, names: readonly string[]): Uint8Array {
  const list = encodeLp8(...names)
  const body = new Uint8Array(frameIdBytes + 4 + list.length)
  body.set(frameId, 0)
  writeU32(body, frameIdBytes, names.length)
  body.set(list, frameIdBytes + 4)
  return encodeFrame(FrameType.accepted, route, body)
}

export function decodeAccepted(body: Uint8Array): { frameId: Uint8Array; names: string[] } {
  if (body.length < frameIdBytes + 4) throw new SealwayError('MALFORMED', { message: 'accepted frame is too short' })
  const count = readU32(body, frameIdBytes)
  const names: string[] = []
  let at = frameIdBytes + 4
  for (let i = 0; i < count; i++) {
    const { text, next } = readLp8(body, at)
    names.push(text)
    at = next
  }
  exactly(at, body)
  return { frameId: body.subarray(0, frameIdBytes), names }
}

/**
 * Body of a status: `u8 online, u32 incarnation`: whether the target of a node route is connected, and the first
 * 4 bytes of its instance (0 where it is not). A hint: a wrong one makes the receiver refuse, and nothing else.
 */
export function encodeStatus(route: number, online: boolean, incarnation: number): Uint8Array {
  const body = new Uint8Array(5)
  body[0] = online ? 1 : 0
  writeU32(body, 1, incarnation)
  return encodeFrame(FrameType.status, route, body)
}

export function decodeStatus(body: Uint8Array): { online: boolean; incarnation: number } {
  exactly(5, body)
  if (body[0]! > 1) throw new SealwayError('MALFORMED', { message: `a status is 0 or 1, not ${body[0]}` })
  return { online: body[0] === 1, incarnation: readU32(body, 1) }
}

function exactly(length: number, body: Uint8Array): void {
  if (body.length !== length) {
    throw new SealwayError('MALFORMED', { message: `frame body has ${body.length} bytes, not ${length}` })
  }
}
