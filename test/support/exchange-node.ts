import { randomBytes } from 'node:crypto'
import {
  type Code,
  type Connection,
  codeFromNumber,
  codeNumber,
  decodeGrant,
  decodeRequest,
  decodeReset,
  decodeTrailers,
  ExchangeFlag,
  encodeData,
  encodeFrame,
  encodeGrant,
  encodeJson,
  encodeReset,
  encodeResponse,
  encodeTrailers,
  FrameReader,
  FrameType,
  headerBytes,
  limits,
  type RawHeaders,
  type RequestHead,
  readU32,
} from '@sealway/protocol'
import { tcpTransport } from '../../client-lib/src/transport/tcp'
import { tokenFor } from './link'
import { patienceMs } from './patience'

/** Protocols that tests switch to. */
const switches = ['websocket', 'chat/2', 'chat', 'x', 'echo', 'raw']

export interface ExchangeNodeOptions {
  readonly name?: string
  readonly groups?: readonly string[]
  /** Absent: everything needs a token. `null`: it serves no HTTP. */
  readonly http?: { readonly public: readonly string[]; readonly upgrades?: readonly string[] } | null
  /** Whether it gives back window for what comes; default: yes. */
  readonly grants?: boolean
  /** What it does with each request; by default it waits for the test. */
  readonly onRequest?: (exchange: NodeExchange) => void
  /** The same when all of the request is there. */
  readonly onWhole?: (exchange: NodeExchange) => void
}

/** A node's end of one exchange, that does what a test tells it to. */
export class NodeExchange {
  readonly chunks: Buffer[] = []
  /** Frames in which the request came. */
  frames = 1
  /** The request's body; after 101, what the client sends. */
  ended = false
  switched = false
  trailers: RawHeaders | undefined
  resetCode: Code | undefined
  /** What it may send. */
  window = limits.exchangeWindowBytes as number
  /** Whether it gives back window for what comes. */
  grants = true

  constructor(
    readonly node: ExchangeNode,
    readonly number: number,
    readonly head: RequestHead,
  ) {}

  get body(): Buffer {
    return Buffer.concat(this.chunks)
  }

  header(name: string): string | undefined {
    return this.all(name)[0]
  }

  all(name: string): string[] {
    const { headers } = this.head
    return headers.filter((_, i) => i % 2 === 1 && headers[i - 1]!.toLowerCase() === name.toLowerCase())
  }

  /** A head, and what there is of a body. @param end by default that is all */
  respond(status: number, headers: RawHeaders = [], body: string | Uint8Array = '', end = true, reason = ''): this {
    const bytes = Buffer.from(body)
    this.window -= bytes.length
    if (status === 101) {
      this.ended = false
      this.switched = true
    }
    return this.raw(encodeResponse(this.number, { status, reason, headers }, bytes, end))
  }

  data(body: string | Uint8Array, end = false): this {
    const bytes = Buffer.from(body)
    this.window -= bytes.length
    return this.raw(encodeData(this.number, bytes, end))
  }

  end(trailers: RawHeaders): this {
    return this.raw(encodeTrailers(this.number, trailers))
  }

  grant(bytes: number): this {
    return this.raw(encodeGrant(this.number, bytes))
  }

  reset(code: Code): this {
    return this.raw(encodeReset(this.number, codeNumber(code)))
  }

  raw(frame: Uint8Array): this {
    this.node.write(frame)
    return this
  }

  until<T>(what: string, found: (exchange: NodeExchange) => T | undefined | false): Promise<T> {
    return this.node.until(what, () => found(this))
  }

  /** Resolves when all of the request's body is there. */
  async whole(): Promise<Buffer> {
    await this.until('end of the request', ({ ended }) => ended)
    return this.body
  }
}

/** A node that speaks frames of exchanges, and keeps what comes. It knows nothing of Node's HTTP. */
export class ExchangeNode {
  readonly exchanges: NodeExchange[] = []
  welcomed = false
  closed = false
  closeText = ''
  answers = 0
  private readonly reader = new FrameReader(limits.hardMaxFrameBytes)
  private readonly byNumber = new Map<number, NodeExchange>()
  private readonly lookers = new Set<() => void>()
  private needsDrain = false

  constructor(
    readonly connection: Connection,
    private readonly options: ExchangeNodeOptions = {},
  ) {
    connection.start({
      data: (chunk) => {
        this.reader.push(chunk, (bytes, at, end) => this.onFrame(bytes, at, end))
        this.look()
      },
      drain: () => {
        this.needsDrain = false
        this.look()
      },
      close: () => {
        this.closed = true
        this.look()
      },
    })
  }

  static async join(url: string, secret: string, options: ExchangeNodeOptions = {}): Promise<ExchangeNode> {
    const node = new ExchangeNode(await tcpTransport.connect(url, {}), options)
    node.hello(secret)
    await node.until('welcome', () => node.welcomed)
    return node
  }

  hello(secret: string, token = tokenFor(secret).token): void {
    const { name = 'n', groups = ['g'], http } = this.options
    const instance = randomBytes(16).toString('hex')
    const shown = http === null ? {} : { http: { upgrades: switches, ...(http ?? { public: [] }) } }
    this.write(encodeJson(FrameType.hello, { versions: [1], name, groups, instance, token, ...shown }))
  }

  private look(): void {
    for (const looker of [...this.lookers]) looker()
  }

  private onFrame(bytes: Uint8Array, at: number, end: number): void {
    const number = readU32(bytes, at + 8)
    const ends = bytes[at + 5] === ExchangeFlag.end
    const body = Buffer.from(bytes.subarray(at + headerBytes, end))
    const exchange = this.byNumber.get(number)
    switch (bytes[at + 4]) {
      case FrameType.welcome:
        this.welcomed = true
        return
      case FrameType.close:
        this.closeText = body.toString()
        return
      case FrameType.ping:
        this.write(encodeFrame(FrameType.pong, number, body))
        return
      case FrameType.answer:
        this.answers++
        return
      case FrameType.request: {
        const { head, body: first } = decodeRequest(body)
        const begun = new NodeExchange(this, number, head)
        begun.grants = this.options.grants ?? true
        this.byNumber.set(number, begun)
        this.exchanges.push(begun)
        this.onBody(begun, first, ends)
        this.options.onRequest?.(begun)
        if (begun.ended) this.options.onWhole?.(begun)
        return
      }
      case FrameType.data:
        exchange!.frames++
        this.onBody(exchange!, body, ends)
        if (ends) this.options.onWhole?.(exchange!)
        return
      case FrameType.trailers:
        exchange!.trailers = decodeTrailers(body)
        exchange!.ended = true
        this.options.onWhole?.(exchange!)
        return
      case FrameType.grant:
        exchange!.window += decodeGrant(body)
        return
      case FrameType.reset:
        exchange!.resetCode = codeFromNumber(decodeReset(body))
        return
    }
  }

  private onBody(exchange: NodeExchange, bytes: Uint8Array, ends: boolean): void {
    if (bytes.length > 0) exchange.chunks.push(Buffer.from(bytes))
    exchange.ended = ends
    if (bytes.length > 0 && exchange.grants && !ends) exchange.grant(bytes.length)
  }

  /** @returns false: there is no more room for now */
  write(frame: Uint8Array): boolean {
    if (!this.connection.write([frame])) this.needsDrain = true
    return !this.needsDrain
  }

  get writable(): boolean {
    return !this.needsDrain
  }

  query(question: unknown): void {
    this.write(encodeJson(FrameType.query, question, 1))
  }

  /** Resolves as soon as `found` gives something; rejects when it has not within `limitMs`. */
  until<T>(what: string, found: () => T | undefined | false, limitMs = patienceMs): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const value = found()
        if (value === undefined || value === false) return
        clearTimeout(timer)
        this.lookers.delete(look)
        resolve(value)
      }
      const timer = setTimeout(() => {
        this.lookers.delete(look)
        reject(new Error(`no ${what} within ${limitMs} ms; ${this.exchanges.length} requests, ${this.closeText}`))
      }, limitMs)
      this.lookers.add(look)
      look()
    })
  }

  /** The request that comes as the nth, from 0 on. */
  exchange(nth: number): Promise<NodeExchange> {
    return this.until(`request ${nth}`, () => this.exchanges[nth])
  }

  close(): void {
    this.connection.destroy()
  }
}
