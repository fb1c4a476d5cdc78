import { randomBytes } from 'node:crypto'
import { open, seal } from '../protocol/second-implementation'

/** A program that speaks HTTP and SPEC.md, and imports nothing of this project: what one would write around curl. */
export class HttpProgram {
  /** Base64url of `mk1_`, in hex. */
  private readonly keyHex: string
  readonly instance = randomBytes(16).toString('hex')
  private readonly salt = randomBytes(32).toString('hex')
  private counter = 0

  constructor(
    private readonly url: string,
    readonly name: string,
    private readonly token: string,
    key: string,
  ) {
    this.keyHex = Buffer.from(key.slice(4), 'base64url').toString('hex')
  }

  ask(path: string, init: RequestInit & { headers?: { [name: string]: string } } = {}): Promise<Response> {
    const { headers, ...rest } = init
    return fetch(this.url + path, {
      method: 'POST',
      ...rest,
      headers: { authorization: `Bearer ${this.token}`, 'sealway-instance': this.instance, ...headers },
    })
  }

  /** A bundle of one record. @param kind 1 fire, 3 call, 6 broadcast */
  async seal(to: string, kind: number, action: string, body: unknown, corr = 7): Promise<Buffer> {
    const json = Buffer.from(JSON.stringify(body))
    const payload = Buffer.concat([Buffer.of(3, action.length), Buffer.from(action), json])
    const fields = kind === 3 ? Buffer.alloc(12) : Buffer.alloc(0)
    if (kind === 3) {
      fields.writeBigUInt64BE(BigInt(corr), 0)
      fields.writeUInt32BE(10_000, 8)
    }
    const record = Buffer.concat([Buffer.of(kind, kind === 3 ? 6 : 0), fields, payload])
    const length = Buffer.alloc(4)
    length.writeUInt32BE(record.length)
    const sealed = await seal({
      key: this.keyHex,
      from: this.name,
      to,
      scope: 'default',
      kind: 9,
      flags: 0,
      salt: this.salt,
      guard: randomBytes(4).toString('hex'),
      counter: this.counter++,
      ts: Date.now(),
      ttlMs: 10_000,
      inc: 0,
      plaintext: Buffer.concat([length, record]).toString('hex'),
    })
    return Buffer.from(sealed, 'hex')
  }

  /** The records of a sealed frame that came: kind, and what follows the fields that its flags announce. */
  async open(frame: Uint8Array, labels: { from: string; to: string; scope: string }) {
    const opened = await open(Buffer.from(frame).toString('hex'), labels, {
      name: this.name,
      groups: ['g'],
      incarnation: Number.parseInt(this.instance.slice(0, 8), 16) || 1,
      now: Date.now(),
      keys: [this.keyHex],
    })
    if ('error' in opened) throw new Error(opened.error)
    const bytes = Buffer.from(opened.plaintext, 'hex')
    const records: { kind: number; corr: bigint | undefined; payload: Buffer }[] = []
    for (let at = 0; at < bytes.length; ) {
      const end = at + 4 + bytes.readUInt32BE(at)
      const [kind, flags] = [bytes[at + 4]!, bytes[at + 5]!]
      let from = at + 6 + (flags & 1 ? 16 : 0)
      const corr = flags & 2 ? bytes.readBigUInt64BE(from) : undefined
      from += (flags & 2 ? 8 : 0) + (flags & 4 ? 4 : 0)
      records.push({ kind, corr, payload: bytes.subarray(from, end) })
      at = end
    }
    return records
  }

  /** Opens what `/v1/call` or `/v1/receive` answered. */
  async opened(answer: Response) {
    const label = (name: string) => answer.headers.get(`sealway-${name}`)!
    const labels = { from: label('from'), to: label('to'), scope: label('scope') }
    return this.open(new Uint8Array(await answer.arrayBuffer()), labels)
  }
}
