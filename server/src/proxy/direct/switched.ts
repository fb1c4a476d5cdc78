import { type ClientRequest, type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { hopByHop, requestedUpgrade } from '@sealway/protocol'
import { responseHeaders } from '../response-headers.js'
import type { Visit } from '../visit.js'
import { failedBy, relayAnswer, waitingFor, watch } from './answer.js'
import type { Direct } from './direct.js'
import { upstreamHeaders } from './headers.js'
import type { Pinned } from './pin.js'
import { requestTo } from './request.js'

/** RFC 9110 s7.8: nothing may be sent in the new protocol before 101; a little is forgiven. */
const maxEarlyBytes = 64 * 1024

/** A request for a switch of protocols: after 101, bytes in both directions. */
export class Switched {
  private upstream: ClientRequest | undefined
  private far: Duplex | undefined
  /** What the client sent before the switch. */
  private readonly early: Buffer[]
  private earlyBytes: number

  constructor(
    private readonly visit: Visit,
    private readonly node: string,
    private readonly pinned: Pinned,
    private readonly direct: Direct,
    private readonly socket: Duplex,
    early: Buffer,
  ) {
    this.early = early.length > 0 ? [early] : []
    this.earlyBytes = early.length
  }

  start(): void {
    const { visit, node, pinned, direct } = this
    visit.current = this
    // Read, though nothing should come: a client that goes is only noticed by who reads.
    this.socket.on('data', this.onEarly)
    this.socket.on('end', this.onEarlyEnd)
    const head = visit.head!
    const headers = upstreamHeaders(head.method, head.headers, visit.guarded, pinned)
    // A connection of its own: it will not be HTTP's any more.
    const upstream = requestTo(pinned, head, headers, false)
    this.upstream = upstream
    const waiting = waitingFor(visit, this)
    watch(upstream, waiting, node, direct.parts)
    upstream.on('error', (error) => failedBy(error, waiting, node))
    upstream.on('response', (answer) => {
      if (visit.over) answer.destroy()
      else relayAnswer(visit, node, answer, true)
    })
    upstream.on('upgrade', (answer, far, farHead) => this.join(answer, far, farHead))
    upstream.end()
  }

  private readonly onEarly = (chunk: Buffer): void => {
    this.early.push(chunk)
    this.earlyBytes += chunk.length
    if (this.earlyBytes > maxEarlyBytes) this.socket.destroy()
  }

  private readonly onEarlyEnd = (): void => void this.socket.destroy()

  private join(answer: IncomingMessage, far: Duplex, farHead: Buffer): void {
    const { visit, node, socket, early, direct } = this
    socket.off('data', this.onEarly)
    socket.off('end', this.onEarlyEnd)
    this.far = far
    far.on('error', () => far.destroy())
    const read = responseHeaders({ status: 101, reason: '', headers: answer.rawHeaders })
    const asked = requestedUpgrade(visit.streams.request.rawHeaders)
    const isAsked = (answer.headers.upgrade ?? asked)?.toLowerCase() === asked
    if (visit.over || answer.statusCode !== 101 || typeof read === 'string' || !isAsked) {
      far.destroy()
      visit.failed('BAD_ANSWER', `${node} switched in a way that is none`)
      return
    }
    // From here on they are not HTTP any more.
    visit.streams.response.detachSocket(socket as never)
    visit.switched = true
    socket.write(this.headOf(answer, read.headers), 'latin1')
    far.on('close', () => {
      socket.destroy()
      visit.answered()
    })
    socket.on('close', () => far.destroy())
    ;(far as unknown as { setTimeout(ms: number, then: () => void): void }).setTimeout(direct.parts.idleTimeoutMs, () =>
      far.destroy(),
    )
    if (farHead.length > 0) far.unshift(farHead)
    for (const chunk of early) far.write(chunk)
    far.pipe(socket)
    socket.pipe(far)
  }

  private headOf(answer: IncomingMessage, headers: readonly string[]): string {
    let text = `HTTP/1.1 101 ${STATUS_CODES[101]}\r\nConnection: Upgrade\r\n`
    text += `Upgrade: ${answer.headers.upgrade ?? this.visit.streams.request.headers.upgrade ?? ''}\r\n`
    for (let i = 0; i < headers.length; i += 2) {
      if (!hopByHop.has(headers[i]!.toLowerCase())) text += `${headers[i]}: ${headers[i + 1]}\r\n`
    }
    return `${text}\r\n`
  }

  abort(): void {
    this.upstream?.destroy()
    this.far?.destroy()
  }
}
