/**
 * The layout of a sealed frame (ENVELOPE, normative in SPEC.md): what both ends must agree on, without any key.
 * The mediator imports this for the frame id alone; sealing and opening live in the client library.
 *
 *   0   1     2    3     4     20     52     56        64   72   76    80
 *   | v | suite | kind | flags | kid | salt | guard | counter | ts | ttl | inc | ciphertext ... | 16 tag
 */
export const sealedHeaderBytes = 80
export const tagBytes = 16
export const minSealedBytes = sealedHeaderBytes + tagBytes

export const envelopeVersion = 1
export const suiteAes256Gcm = 1

export const Kind = {
  fire: 1,
  acked: 2,
  call: 3,
  reply: 4,
  stream: 5,
  broadcast: 6,
  receipt: 7,
  handshake: 8,
  bundle: 9,
} as const
export type Kind = (typeof Kind)[keyof typeof Kind]

export const SealFlag = { durable: 1, padded: 2, compressed: 4, signed: 8, forwardSecret: 16, end: 32 } as const
export const knownSealFlags = 63

export const offset = {
  version: 0,
  suite: 1,
  kind: 2,
  flags: 3,
  kid: 4,
  salt: 20,
  guard: 52,
  counter: 56,
  ts: 64,
  ttl: 72,
  inc: 76,
} as const

/** Flags of a record inside a bundle. Others are refused. */
export const RecordFlag = { msgId: 1, corr: 2, ttl: 4 } as const
export const knownRecordFlags = 7
/** u32 len, u8 kind, u8 rflags. */
export const recordHeaderBytes = 6
export const maxRecords = 4_096
/** A bundle is sealed when it has grown to this, bytes. */
export const bundleTargetBytes = 64 * 1024

declare const sealedBrand: unique symbol
/** Bytes that only `seal` makes and only `open` takes. */
export type Sealed = Uint8Array & { readonly [sealedBrand]: true }

/** Frame id = salt[0..8] || counter: 16 bytes, in clear. All zero where the frame is too short to have one. */
export function frameIdOf(sealed: Uint8Array): Uint8Array {
  const id = new Uint8Array(16)
  if (sealed.length >= sealedHeaderBytes) {
    id.set(sealed.subarray(offset.salt, offset.salt + 8), 0)
    id.set(sealed.subarray(offset.counter, offset.counter + 8), 8)
  }
  return id
}
