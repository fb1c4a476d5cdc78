import type { ClientRequest, IncomingMessage } from 'node:http'
import type { RawHeaders } from '@sealway/protocol'
import type { Visit } from '../visit.js'
import { failedBy, hungUp, relayHead, type Waiting, waitingFor, wasStale, watch } from './answer.js'
import type { Direct } from './direct.js'
import { pairsOf, withBody } from './headers.js'
import type { Pinned } from './pin.js'
import { requestTo } from './request.js'

/** Of an answer, what may wait for a client that reads slowly, bytes; then no more is read of it. */
const maxWaitingBytes = 64 * 1024

/** A request that came whole, to an upstream's own address. There are no streams to be piped: Node's client is all it takes. */
export class RelayedWhole {
  private upstream: ClientRequest | undefined
  private fresh = false
  private isAnswered = false
  private readonly waiting: Waiting

  constructor(
    private readonly visit: Visit,
    private readonly node: string,
    private readonly pinned: Pinned,
    private readonly direct: Direct,
  ) {
    this.waiting = waitingFor(visit, this)
  }

  start(): void {
    this.visit.current = this
    this.send()
  }

  private send(): void {
    const { direct, visit, node, pinned } = this
    const { body } = visit.whole!
    const head = visit.head!
    const kept = pinned.secure ? direct.agents.https : direct.agents.http
    const headers = rawHeaders(head.method, head.headers, pinned.host)
    const upstream = requestTo(pinned, head, headers, this.fresh ? false : kept)
    this.upstream = upstream
    this.isAnswered = false
    watch(upstream, this.waiting, node, direct.parts)
    upstream.on('error', (error) => this.broke(upstream, error))
    upstream.on('response', (answer) => this.answered(answer))
    // Not every end is an error: an answer of 101 that nobody asked for is none to Node.
    upstream.on('close', () => {
      if (!this.isAnswered) this.broke(upstream, hungUp())
    })
    if (body.length > 0) upstream.end(body)
    else upstream.end()
  }

  private answered(answer: IncomingMessage): void {
    this.isAnswered = true
    const { visit, node } = this
    const { response } = visit
    if (visit.over) {
      answer.destroy()
      return
    }
    if (!relayHead(visit, node, answer, false)) return
    const written = (): void => {
      if (answer.isPaused() && response.writableLength <= maxWaitingBytes) answer.resume()
    }
    let last: Buffer | undefined
    answer.on('data', (chunk: Buffer) => {
      if (visit.over) return
      // With the end behind it already, it goes in one write with the head.
      if (answer.complete && answer.readableLength === 0) {
        last = chunk
        return
      }
      response.write(chunk, written)
      if (response.writableLength > maxWaitingBytes) answer.pause()
    })
    answer.on('end', () => {
      if (!answer.complete || visit.over) return
      const pairs = pairsOf(answer.rawTrailers)
      if (pairs.length > 0) response.addTrailers(pairs)
      visit.answered()
      response.end(last)
    })
    // A head without a body yet (server-sent events) must not wait for one.
    setImmediate(() => {
      if (!visit.over) response.flushHeaders()
    })
  }

  private broke(upstream: ClientRequest, error: NodeJS.ErrnoException): void {
    const { visit } = this
    if (visit.current !== this || this.upstream !== upstream) return
    if (!this.fresh && wasStale(visit, upstream)) {
      this.fresh = true
      this.send()
      return
    }
    failedBy(error, this.waiting, this.node)
  }

  abort(): void {
    this.upstream?.destroy()
  }
}

/** Those that were made for the node, with the host that it registered. */
function rawHeaders(method: string, headers: RawHeaders, host: string): string[] {
  const made = ['Host', host]
  let hasLength = false
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!
    if (name.length === 4 && name.toLowerCase() === 'host') continue
    if (name.length === 14 && name.toLowerCase() === 'content-length') hasLength = true
    made.push(name, headers[i + 1]!)
  }
  // Node would send chunks.
  if (!hasLength && withBody.has(method)) made.push('Content-Length', '0')
  return made
}
