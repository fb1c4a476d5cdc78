import { randomBytes } from 'node:crypto'
import {
  type Code,
  type Connection,
  codeFromNumber,
  decodeAccepted,
  decodeAnnounce,
  decodeCredit,
  decodeReject,
  decodeStatus,
  encodeFrame,
  encodeJson,
  encodeOpen,
  FrameReader,
  FrameType,
  type Hello,
  headerBytes,
  limits,
  offset,
  parseJson,
  readU32,
  sealedHeaderBytes,
  tagBytes,
  type Welcome,
} from '@sealway/protocol'
import { chooseTransport } from '../../client-lib/src/transport/choose.js'
import { mintToken } from '../../server/src/auth/token.js'
import { patienceMs } from './patience.js'

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly route: number
  /** A copy of its own. */
  readonly body: Buffer
}

export type HelloFields = { readonly [field in keyof Hello]?: unknown } & { readonly [other: string]: unknown }

/** A node's end of a link that obeys no rule: it sends what the test tells it to, and keeps every frame that comes. */
export class RawLink {
  readonly frames: Frame[] = []
  /** Pieces in which bytes arrived, before they were cut into frames. */
  chunks = 0
  closed = false
  /** Whether it answers pings, as a live node would. */
  answersPings = false
  readonly connection: Connection
  private readonly reader = new FrameReader(limits.hardMaxFrameBytes)
  private readonly lookers = new Set<() => void>()

  constructor(connection: Connection) {
    this.connection = connection
    connection.start({
      data: (chunk) => {
        this.chunks++
        this.reader.push(chunk, (bytes, at, end) => {
          this.frames.push({
            type: bytes[at + 4]!,
            flags: bytes[at + 5]!,
            route: readU32(bytes, at + 8),
            body: Buffer.from(bytes.subarray(at + headerBytes, end)),
          })
          const { type, route, body } = this.frames.at(-1)!
          if (this.answersPings && type === FrameType.ping) this.write(encodeFrame(FrameType.pong, route, body))
        })
        this.look()
      },
      drain: () => this.look(),
      close: () => {
        this.closed = true
        this.look()
      },
    })
  }

  private look(): void {
    for (const looker of this.lookers) looker()
  }

  write(...parts: Uint8Array[]): boolean {
    return this.connection.write(parts)
  }

  /** Resolves as soon as `found` gives something; rejects when it has not within `limitMs`. */
  until<T>(what: string, found: () => T | undefined | false, limitMs = patienceMs): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer)
        this.lookers.delete(look)
      }
      const look = () => {
        const value = found()
        if (value === undefined || value === false) return
        settle()
        resolve(value)
      }
      const timer = setTimeout(() => {
        settle()
        reject(
          new Error(`no ${what} within ${limitMs} ms; ${this.frames.length} frames came, the last: ${this.last()}`),
        )
      }, limitMs)
      this.lookers.add(look)
      look()
    })
  }

  private last(): string {
    const frame = this.frames.at(-1)
    return frame ? `type ${frame.type}, ${frame.body.toString('latin1').slice(0, 200)}` : 'none'
  }

  /** The next frame of a type, in the order of arrival; each is given out once. */
  async next(type: number, limitMs?: number): Promise<Frame> {
    const at = await this.until(
      `frame of type ${type}`,
      () => {
        const found = this.frames.findIndex((frame) => frame.type === type)
        return found < 0 ? undefined : { found }
      },
      limitMs,
    )
    return this.frames.splice(at.found, 1)[0]!
  }

  untilClosed(limitMs?: number): Promise<true> {
    return this.until('end of the link', () => this.closed && true, limitMs)
  }

  of(type: number): Frame[] {
    return this.frames.filter((frame) => frame.type === type)
  }

  /** Takes all frames that have come so far. */
  take(type?: number): Frame[] {
    if (type === undefined) return this.frames.splice(0)
    const taken = this.of(type)
    const kept = this.frames.filter((frame) => frame.type !== type)
    this.frames.splice(0, this.frames.length, ...kept)
    return taken
  }

  /** Code of the close frame, if one came. */
  get closeCode(): string | undefined {
    return this.closeFrame?.code
  }

  get closeFrame(): { code: string; message: string; reconnectInMs?: number } | undefined {
    const frame = this.of(FrameType.close)[0]
    return frame && (json(frame) as { code: string; message: string; reconnectInMs?: number })
  }

  get welcome(): Welcome | undefined {
    const frame = this.of(FrameType.welcome)[0]
    return frame && (json(frame) as Welcome)
  }

  get rejects(): { route: number; code: Code | undefined; frameId: Uint8Array }[] {
    return this.of(FrameType.reject).map((frame) => {
      const { code, frameId } = decodeReject(frame.body)
      return { route: frame.route, code: codeFromNumber(code), frameId }
    })
  }

  get rejectCodes(): (Code | undefined)[] {
    return this.rejects.map(({ code }) => code)
  }

  get credits(): { route: number; bytes: number; frames: number }[] {
    return this.of(FrameType.credit).map((frame) => ({ route: frame.route, ...decodeCredit(frame.body) }))
  }

  get announces(): { route: number; from: string; to: string; scope: string }[] {
    return this.of(FrameType.announce).map((frame) => ({ route: frame.route, ...decodeAnnounce(frame.body) }))
  }

  get statuses(): { route: number; online: boolean; incarnation: number }[] {
    return this.of(FrameType.status).map((frame) => ({ route: frame.route, ...decodeStatus(frame.body) }))
  }

  get accepted(): { route: number; names: string[] }[] {
    return this.of(FrameType.accepted).map((frame) => ({
      route: frame.route,
      names: decodeAccepted(frame.body).names,
    }))
  }

  /** Bodies of the frames that were delivered, in order. */
  get delivered(): Buffer[] {
    return this.of(FrameType.deliver).map((frame) => frame.body)
  }

  hello(fields: HelloFields): this {
    this.write(encodeJson(FrameType.hello, { ...helloDefaults(), ...fields }))
    return this
  }

  open(route: number, to: string, scope = 'default'): this {
    this.write(encodeOpen(route, to, scope))
    return this
  }

  retire(route: number): this {
    this.write(encodeFrame(FrameType.retire, route))
    return this
  }

  /** Sends frames on a route, in one piece. */
  send(route: number, ...bodies: Uint8Array[]): this {
    this.write(Buffer.concat(bodies.map((body) => sendFrame(route, body))))
    return this
  }

  query(id: number, question: unknown): this {
    this.write(encodeJson(FrameType.query, question, id))
    return this
  }
}

const helloDefaults = () => ({ versions: [1], groups: ['g1'], instance: randomBytes(16).toString('hex') })

/** The value of a control frame's JSON body. */
export const json = (frame: Frame): unknown => parseJson(frame.body.toString())

/**
 * What looks sealed to a mediator: its length and its frame id are right, and the rest is noise.
 * @param bytes of the whole sealed frame, header and tag included
 */
export function noise(counter: number, bytes = sealedHeaderBytes + tagBytes): Buffer {
  const body = Buffer.alloc(bytes, counter)
  body[0] = 1
  body[1] = 1
  body[2] = 9
  if (bytes >= offset.ts) body.writeBigUInt64BE(BigInt(counter), offset.counter)
  return body
}

/** The counter with which `noise` was made. */
export const counterOf = (body: Buffer): number => Number(body.readBigUInt64BE(offset.counter))

export const sendFrame = (route: number, body: Uint8Array, flags = 0): Uint8Array =>
  encodeFrame(FrameType.send, route, body, flags)

/** A node's own token, as the client library would mint it. */
export const tokenFor = (
  secret: string,
  subject = '*',
  options: { readonly scopes?: readonly string[]; readonly lifeMs?: number; readonly clock?: () => number } = {},
) =>
  mintToken({
    secret,
    subject,
    lifeMs: options.lifeMs ?? 900_000,
    clock: options.clock ?? Date.now,
    ...(options.scopes ? { scopes: options.scopes } : {}),
  })

/** Dials a mediator without saying hello. @param url as a node's: `http://`, `unix:`, `ws://`, `sealway+http://` */
export async function dial(url: string): Promise<RawLink> {
  return new RawLink(await chooseTransport(url).connect(url, {}))
}

/** Dials, says hello and waits for the welcome. */
export async function join(url: string, secret: string, fields: HelloFields = {}): Promise<RawLink> {
  const link = await dial(url)
  link.hello({ token: tokenFor(secret).token, ...fields })
  await link.until('welcome', () => link.welcome !== undefined || link.closed)
  if (!link.welcome) throw new Error(`the hello was refused: ${JSON.stringify(link.closeFrame)}`)
  return link
}
