/** Words of which no generated secret consists: what people leave in place of one. */
const known =
  /change.?me|replace.?me|placeholder|secret|password|example|default|insecure|sealway|qwert|123456789|abcdefgh/i

/**
 * Why a secret is not one: too short, a placeholder, or hardly varied. Undefined: nothing was found.
 * 32 bytes is the output of SHA-256, below which RFC 7518 s3.2 forbids a key for HS256.
 */
export function weakness(value: string, minBytes: number): string | undefined {
  const length = Buffer.byteLength(value, 'utf8')
  if (length < minBytes) return `has ${length} bytes, at least ${minBytes} are needed`
  if (new Set(value).size < 8) return 'has fewer than 8 different characters'
  // Known words count only where they are most of the text: random base64 may hold one by chance.
  const rest = value.replace(new RegExp(known, 'gi'), '')
  if (value.length - rest.length > value.length / 4) return 'is a placeholder or a well-known word'
  return undefined
}
