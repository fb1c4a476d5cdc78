import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

export interface Certificate {
  readonly cert: string
  readonly key: string
  readonly subject: string
}

export interface CertificateOptions {
  /** Host names it is for. */
  readonly names?: readonly string[]
  /** Who signs it; absent: it signs itself, and others. */
  readonly by?: Certificate
  readonly from?: Date
  readonly until?: Date
}

const hour = 3_600_000

/** X.509 of version 3 (RFC 5280 s4.1), with a key of P-256: as much of it as a test of TLS needs. */
export function makeCertificate({ names = [], by, from, until }: CertificateOptions = {}): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const subject = names[0] ?? 'test authority'
  const signed = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    nameOf(by?.subject ?? subject),
    sequence(timeOf(from ?? new Date(Date.now() - hour)), timeOf(until ?? new Date(Date.now() + hour))),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...(by ? [] : [isAuthority]), ...(names.length > 0 ? [alsoNamed(names)] : []))),
  )
  const signature = sign('sha256', signed, by ? createPrivateKey(by.key) : privateKey)
  const der = sequence(signed, ecdsaWithSha256, tagged(0x03, Buffer.from([0]), signature))
  const lines = der.toString('base64').match(/.{1,64}/g)!
  return { cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`, key, subject }
}

/** DER (X.690 s8.1): a tag, the length of what follows, and that. */
function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
const sequence = (...parts: readonly Buffer[]): Buffer => tagged(0x30, ...parts)
const integer = (bytes: Buffer): Buffer => tagged(0x02, bytes)
const oid = (hex: string): Buffer => tagged(0x06, Buffer.from(hex, 'hex'))
/** 1.2.840.10045.4.3.2 */
const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
/** commonName is 2.5.4.3. */
const nameOf = (text: string): Buffer =>
  sequence(tagged(0x31, sequence(oid('550403'), tagged(0x0c, Buffer.from(text)))))
const timeOf = (date: Date): Buffer =>
  tagged(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`))
/** basicConstraints, 2.5.29.19, critical: cA. */
const isAuthority = sequence(
  oid('551d13'),
  tagged(0x01, Buffer.from([0xff])),
  tagged(0x04, sequence(tagged(0x01, Buffer.from([0xff])))),
)
/** subjectAltName, 2.5.29.17: dNSName. */
const alsoNamed = (names: readonly string[]): Buffer =>
  sequence(oid('551d11'), tagged(0x04, sequence(...names.map((name) => tagged(0x82, Buffer.from(name))))))
