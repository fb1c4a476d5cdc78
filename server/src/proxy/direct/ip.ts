/** An IP address as a number, so that ranges are comparisons. */
export interface Ip {
  readonly version: 4 | 6
  readonly value: bigint
}

/** A range of addresses: those that have their first `prefix` bits in common with `base`. */
export interface Range {
  readonly base: Ip
  readonly prefix: number
}

const v4Part = /^(?:0|[1-9]\d{0,2})$/
const v6Part = /^[0-9a-f]{1,4}$/i

/**
 * An address in its one usual form: four decimal parts, or RFC 4291 s2.2 without a zone. Octal, hexadecimal and short
 * forms, which some resolvers take for others than they look, are none.
 */
export function parseIp(text: string): Ip | undefined {
  if (text.length > 45) return undefined
  if (!text.includes(':')) {
    const value = parseV4(text)
    return value === undefined ? undefined : { version: 4, value }
  }
  const value = parseV6(text)
  return value === undefined ? undefined : { version: 6, value }
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => v4Part.test(part) && Number(part) <= 255)) return undefined
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n)
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [front, back] = halves.map(partsOf)
  // RFC 4291 s2.2: an IPv4 address only at the very end.
  if (halves.length === 2 && halves[0]!.includes('.')) return undefined
  if (!front || (halves.length === 2 && !back)) return undefined
  const missing = 8 - front.length - (back?.length ?? 0)
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const all = [...front, ...Array<bigint>(missing).fill(0n), ...(back ?? [])]
  return all.reduce((value, part) => (value << 16n) | part, 0n)
}

/** The 16-bit parts of one side of `::`; the last may be an IPv4 address, which makes two. */
function partsOf(text: string): bigint[] | undefined {
  if (text === '') return []
  const parts: bigint[] = []
  const pieces = text.split(':')
  for (const [i, piece] of pieces.entries()) {
    const v4 = i === pieces.length - 1 && piece.includes('.') ? parseV4(piece) : undefined
    if (v4 !== undefined) parts.push(v4 >> 16n, v4 & 0xffffn)
    else if (v6Part.test(piece)) parts.push(BigInt(`0x${piece}`))
    else return undefined
  }
  return parts
}

/** `10.0.0.0/8`, `fd00::/8`, or one address. Undefined: it is none, or has bits beyond its prefix. */
export function parseRange(text: string): Range | undefined {
  const [address, length, ...more] = text.split('/')
  const base = parseIp(address!)
  if (!base || more.length > 0) return undefined
  const bits = base.version === 4 ? 32 : 128
  if (length === undefined) return { base, prefix: bits }
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits) return undefined
  const prefix = Number(length)
  const range = { base, prefix }
  return (base.value >> BigInt(bits - prefix)) << BigInt(bits - prefix) === base.value ? range : undefined
}

export function contains({ base, prefix }: Range, ip: Ip): boolean {
  if (base.version !== ip.version) return false
  const shift = BigInt((base.version === 4 ? 32 : 128) - prefix)
  return base.value >> shift === ip.value >> shift
}

/** Whether all of `inner` is in `outer`. */
export const covers = (outer: Range, inner: Range): boolean =>
  inner.prefix >= outer.prefix && contains(outer, inner.base)
