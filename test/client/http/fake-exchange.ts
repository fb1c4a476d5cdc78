import type { Code, RawHeaders, RequestHead, ResponseHead, SealwayError } from '@sealway/protocol'
import type { Asker, Exchange, ExchangeReader, Serve } from '../../../client-lib/src/http/exchange'

const nobody: Asker = { sealed: false, from: undefined, group: undefined, key: undefined }

export interface Asked extends Partial<RequestHead> {
  readonly body?: string
  /** More of the body will come. */
  readonly open?: boolean
  readonly asker?: Partial<Asker>
}

/** An exchange by hand: the test is its carrier. What the app says is kept in order. */
export class FakeExchange implements Exchange {
  readonly head: RequestHead
  readonly asker: Asker
  readonly controller = new AbortController()
  readonly informed: ResponseHead[] = []
  answer: ResponseHead | undefined
  readonly pieces: string[] = []
  ended = false
  trailers: RawHeaders = []
  resetBy: Code | undefined
  /** Bytes of the request's body that the app took. */
  taken = 0
  /** What `respond` and `write` return. */
  roomy = true
  /** Thrown by the next `respond`. */
  refusal: SealwayError | undefined
  /** Frames: how many calls sent something. */
  sent = 0
  private reader: ExchangeReader | undefined
  private readonly asked: Asked
  private readonly over: Promise<void>
  private isOver!: () => void

  constructor(asked: Asked = {}) {
    this.asked = asked
    this.head = { method: asked.method ?? 'GET', target: asked.target ?? '/', headers: asked.headers ?? [] }
    this.asker = { ...nobody, ...asked.asker }
    this.over = new Promise((resolve) => {
      this.isOver = resolve
    })
  }

  get signal(): AbortSignal {
    return this.controller.signal
  }

  start(reader: ExchangeReader): void {
    this.reader = reader
    if (this.asked.body !== undefined) reader.data(Buffer.from(this.asked.body))
    if (!this.asked.open) reader.end([])
  }

  consumed(bytes: number): void {
    this.taken += bytes
  }

  inform(head: ResponseHead): void {
    this.informed.push(head)
  }

  respond(head: ResponseHead, body: Uint8Array | undefined, end: boolean): boolean {
    const { refusal } = this
    this.refusal = undefined
    if (refusal) throw refusal
    if (this.answer) throw new Error('a second answer')
    this.answer = head
    return this.put(body, end)
  }

  write(chunk: Uint8Array): boolean {
    return this.put(chunk, false)
  }

  end(chunk?: Uint8Array, trailers: RawHeaders = []): void {
    this.trailers = trailers
    this.put(chunk, true)
  }

  reset(code: Code): void {
    this.resetBy = code
    this.isOver()
  }

  // ---- the test's side

  /** The body so far. */
  get body(): string {
    return this.pieces.join('')
  }

  /** Resolves when the answer is complete or broken off. */
  async done(): Promise<this> {
    await this.over
    return this
  }

  data(text: string | Uint8Array): void {
    this.reader!.data(Buffer.from(text as string))
  }

  finish(trailers: RawHeaders = []): void {
    this.reader!.end(trailers)
  }

  abort(error: SealwayError): void {
    this.controller.abort(error)
    this.reader!.aborted(error)
    this.isOver()
  }

  drain(): void {
    this.roomy = true
    this.reader!.drain()
  }

  header(name: string): string | undefined {
    const headers = this.answer?.headers ?? []
    const at = headers.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name)
    return at < 0 ? undefined : headers[at + 1]
  }

  private put(bytes: Uint8Array | undefined, end: boolean): boolean {
    if (this.ended || this.resetBy) throw new Error('something after the end')
    this.sent++
    if (bytes) this.pieces.push(Buffer.from(bytes).toString('latin1'))
    if (end) {
      this.ended = true
      this.isOver()
    }
    return this.roomy
  }
}

/** Asks once, and waits for the whole answer. */
export function ask(serve: Serve, asked: Asked = {}): Promise<FakeExchange> {
  const exchange = new FakeExchange(asked)
  serve(exchange)
  return exchange.done()
}
