import type { ClientRequest, IncomingMessage } from 'node:http'
import { type Code, limits } from '@sealway/protocol'
import type { AnswerReader } from '../exchange.js'
import type { Asked } from '../upstream.js'
import type { Visit } from '../visit.js'
import { failedBy, watch } from './answer.js'
import type { Direct } from './direct.js'
import { upstreamHeaders } from './headers.js'
import type { Pinned } from './pin.js'
import { requestTo } from './request.js'

const noBytes = new Uint8Array(0)

/** One question of many, to an upstream's own address, over a connection of its own. Its body is all there. */
export class AskedDirect implements Asked {
  private upstream: ClientRequest | undefined
  private isAnswered = false
  private over = false

  constructor(
    private readonly visit: Visit,
    private readonly node: string,
    private readonly direct: Direct,
    private readonly body: Buffer,
    private readonly reader: AnswerReader,
    /** It has ended, in whatever way. */
    private readonly done: () => void,
  ) {}

  send(pinned: Pinned): void {
    if (this.over) return
    const { body, node, direct, visit } = this
    const head = visit.head!
    const length = { bodyBytes: body.length }
    const headers = upstreamHeaders(head.method, head.headers, length, pinned)
    // It may have come in chunks; here its length is known.
    if (body.length > 0) headers['content-length'] = String(body.length)
    const upstream = requestTo(pinned, head, headers, false)
    this.upstream = upstream
    watch(upstream, this, node, direct.parts)
    upstream.on('error', (error) => failedBy(error, this, node))
    upstream.on('response', (answer) => this.answered(answer))
    // Not every end is an error: an answer of 101 that nobody asked for is none to Node.
    upstream.on('close', () => {
      if (!this.isAnswered) this.failed('PEER_GONE', `the connection to ${node} broke`)
    })
    upstream.end(body)
  }

  private answered(answer: IncomingMessage): void {
    const { node, reader } = this
    this.isAnswered = true
    answer.on('error', () => {})
    answer.on('close', () => this.failed('BAD_ANSWER', `${node} broke its answer off`))
    if (answer.rawHeaders.length > 2 * limits.maxHeaders) {
      this.failed('BAD_ANSWER', `${node} answered with too many headers`)
      return
    }
    const { statusCode, statusMessage, rawHeaders } = answer
    reader.answer({ status: statusCode!, reason: statusMessage ?? '', headers: rawHeaders }, noBytes, false)
    answer.on('data', (chunk: Buffer) => {
      if (!this.over) reader.data(chunk, false)
    })
    answer.on('end', () => {
      if (this.over || !answer.complete) return
      this.end()
      reader.data(noBytes, true)
    })
  }

  /** Nobody asks for less: what is gathered is taken at once, up to its bound, and beyond it broken off. */
  taken(): void {}

  failed(code: Code, detail: string): void {
    if (this.over) return
    this.abort()
    this.reader.failed(code, detail)
  }

  abort(): void {
    this.end()
    this.upstream?.destroy()
  }

  private end(): void {
    if (this.over) return
    this.over = true
    this.done()
  }
}
