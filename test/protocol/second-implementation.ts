/**
 * The sealed envelope a second time, from SPEC.md alone: over WebCrypto, BigInt and DataView, and importing nothing of
 * this project. Two implementations that agree bit by bit are not both wrong in the same way.
 */
const { subtle } = globalThis.crypto

export interface SealedFields {
  key: string
  from: string
  to: string
  scope: string
  kind: number
  flags: number
  salt: string
  guard: string
  counter: number
  ts: number
  ttlMs: number
  inc: number
  plaintext: string
}

export interface Receiver {
  name: string
  groups: string[]
  incarnation: number
  now: number
  keys: string[]
}

const fromHex = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
const toHex = (bytes: ArrayBuffer | Uint8Array) =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('')
const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]))
const utf8 = (text: string) => new TextEncoder().encode(text)
const lp8 = (text: string) => join(Uint8Array.of(utf8(text).length), utf8(text))

async function hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, bytes: number): Promise<Uint8Array> {
  const base = await subtle.importKey('raw', Uint8Array.from(ikm), 'HKDF', false, ['deriveBits'])
  const parameters = { name: 'HKDF', hash: 'SHA-256', salt: Uint8Array.from(salt), info: Uint8Array.from(info) }
  return new Uint8Array(await subtle.deriveBits(parameters, base, bytes * 8))
}

export const kidOf = async (key: string) => toHex(await hkdf(fromHex(key), fromHex(''), utf8('mediator-e2e/1 kid'), 16))

export async function flowKeyOf(key: string, salt: string, from: string, to: string, scope: string): Promise<string> {
  const info = join(utf8('mediator-e2e/1 seal\0'), Uint8Array.of(1), lp8(from), lp8(to), lp8(scope))
  return toHex(await hkdf(fromHex(key), fromHex(salt), info, 32))
}

const gcm = (nonce: Uint8Array, header: Uint8Array) => ({
  name: 'AES-GCM',
  iv: Uint8Array.from(nonce),
  additionalData: Uint8Array.from(header),
  tagLength: 128,
})
const aes = (key: string, use: 'encrypt' | 'decrypt') => subtle.importKey('raw', fromHex(key), 'AES-GCM', false, [use])

export async function seal(fields: SealedFields): Promise<string> {
  const header = new Uint8Array(80)
  const view = new DataView(header.buffer)
  header.set([1, 1, fields.kind, fields.flags])
  header.set(fromHex(await kidOf(fields.key)), 4)
  header.set(fromHex(fields.salt), 20)
  header.set(fromHex(fields.guard), 52)
  view.setBigUint64(56, BigInt(fields.counter))
  view.setBigUint64(64, BigInt(fields.ts))
  view.setUint32(72, fields.ttlMs)
  view.setUint32(76, fields.inc)
  const flowKey = await flowKeyOf(fields.key, fields.salt, fields.from, fields.to, fields.scope)
  const plaintext = fromHex(fields.plaintext)
  const sealed = await subtle.encrypt(gcm(header.slice(52, 64), header), await aes(flowKey, 'encrypt'), plaintext)
  return toHex(header) + toHex(sealed)
}

/** What a receiver that has opened nothing yet says: the plaintext, or a code. */
export async function open(
  hex: string,
  labels: { from: string; to: string; scope: string },
  me: Receiver,
): Promise<{ plaintext: string } | { error: string }> {
  const bytes = fromHex(hex)
  const refuse = (error = 'CANNOT_OPEN') => ({ error })
  if (bytes.length < 96) return refuse()
  const view = new DataView(bytes.buffer)
  const [version, suite, kind, flags] = bytes as unknown as [number, number, number, number]
  if (version !== 1 || suite !== 1 || kind < 1 || kind > 9 || [4, 8, 16, 64, 128].some((bit) => flags & bit))
    return refuse()
  const mine = [me.name, ...me.groups.flatMap((group) => [`any:${group}`, `group:${group}`])]
  if (!mine.includes(labels.to)) return refuse()
  const inc = view.getUint32(76)
  if (inc !== 0 && inc !== me.incarnation) return refuse('STALE_INCARNATION')
  const ts = view.getBigUint64(64)
  const durable = (flags & 1) === 1
  const ttl = view.getUint32(72) || (durable ? 7 * 24 * 3_600_000 : 30_000)
  if (view.getBigUint64(56) >> 53n || ts >> 53n || (!durable && ttl > 900_000)) return refuse()
  if (Number(ts) > me.now + 120_000 || me.now > Number(ts) + ttl + 120_000) return refuse()
  const kids = await Promise.all(me.keys.map(kidOf))
  const key = me.keys[kids.indexOf(toHex(bytes.slice(4, 20)))]
  if (key === undefined) return refuse('UNKNOWN_KEY')
  const flowKey = await flowKeyOf(key, toHex(bytes.slice(20, 52)), labels.from, labels.to, labels.scope)
  try {
    const how = gcm(bytes.slice(52, 64), bytes.slice(0, 80))
    return { plaintext: toHex(await subtle.decrypt(how, await aes(flowKey, 'decrypt'), bytes.slice(80))) }
  } catch {
    return refuse()
  }
}
