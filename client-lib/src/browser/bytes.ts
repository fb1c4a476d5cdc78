/** Bytes in memory of their own, as WebCrypto takes them. */
export type Bytes = Uint8Array<ArrayBuffer>

const encoder = new TextEncoder()
/** As Node reads UTF-8: a mark at the beginning is text like any other, and what is none becomes U+FFFD. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

export const utf8 = (text: string): Bytes => encoder.encode(text)
export const textOf = (bytes: Uint8Array): string => decoder.decode(bytes)

/** All parts in one piece. */
export function joined(parts: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Each byte as one character, to be a key of Maps. */
export const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes)

/** Base64url (RFC 4648 s5) without padding. */
export const fromBase64url = (text: string): Bytes =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0))

export const randomBytes = (count: number): Bytes => crypto.getRandomValues(new Uint8Array(count))
