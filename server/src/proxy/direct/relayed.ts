import type { ClientRequest, IncomingMessage } from 'node:http'
import type { ProxyServer } from 'http-proxy'
import type { Visit } from '../visit.js'
import { failedBy, hungUp, relayAnswer, type Waiting, waitingFor, wasStale, watch } from './answer.js'
import type { Direct } from './direct.js'
import { pairsOf, upstreamHeaders } from './headers.js'
import type { Pinned } from './pin.js'

/** Ours and those of three attempts, with room to spare: Node warns beyond it. */
const maxListeners = 40

/** Whose request it is: the proxy's events tell no more than that. */
const byRequest = new WeakMap<IncomingMessage, Relayed>()

/** One request to an upstream's own address. */
export class Relayed {
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

  static listen(proxy: ProxyServer): void {
    proxy.on('proxyReq', (upstream, request) => byRequest.get(request)?.begun(upstream))
    proxy.on('proxyRes', (answer, request) => byRequest.get(request)?.answered(answer))
    proxy.on('error', (error, request) => {
      if (request) byRequest.get(request)?.broke(error)
    })
    proxy.on('econnreset', (error, request) => byRequest.get(request)?.broke(error))
  }

  start(): void {
    const { visit } = this
    const { guarded, head } = visit
    const { request, response } = visit.streams
    visit.current = this
    byRequest.set(request, this)
    // The proxy listens for itself each time, and up to three members are asked.
    response.setMaxListeners(maxListeners)
    if (guarded.expects && request.httpVersion === '1.1' && !visit.continued) {
      visit.continued = true
      response.writeContinue()
    }
    request.url = head!.target
    request.headers = upstreamHeaders(head!.method, head!.headers, guarded, this.pinned)
    this.send()
  }

  private send(): void {
    const { direct, pinned } = this
    const { request, response } = this.visit.streams
    const { address, port, secure, name } = pinned
    const kept = secure ? direct.agents.https : direct.agents.http
    direct.proxy
      .web(request, response, {
        // The address that was checked: there is no name left to look up.
        target: { protocol: secure ? 'https:' : 'http:', hostname: address, host: address, port },
        agent: this.fresh ? false : kept,
        ssl: name === undefined ? {} : { servername: name },
        secure: true,
        followRedirects: false,
        selfHandleResponse: true,
      })
      // Every error was told by an event before.
      .catch(() => {})
  }

  private begun(upstream: ClientRequest): void {
    if (this.upstream === upstream) return
    this.upstream = upstream
    // Not every end is an error: an answer of 101 that nobody asked for is none to Node.
    upstream.on('close', () => {
      if (this.upstream === upstream && !this.isAnswered) this.broke(hungUp())
    })
    if (this.visit.over) {
      upstream.destroy()
      return
    }
    const { request } = this.visit.streams
    watch(upstream, this.waiting, this.node, this.direct.parts)
    if (this.visit.guarded.bodyBytes < 0) {
      request.once('end', () => {
        const pairs = pairsOf(request.rawTrailers)
        if (pairs.length > 0) upstream.addTrailers(pairs)
      })
    }
  }

  private answered(answer: IncomingMessage): void {
    this.isAnswered = true
    if (this.visit.over) answer.destroy()
    else relayAnswer(this.visit, this.node, answer, this.visit.expectsStill)
  }

  private broke(error: NodeJS.ErrnoException): void {
    const { visit, upstream } = this
    if (visit.current !== this) return
    if (!this.fresh && wasStale(visit, upstream)) {
      this.fresh = true
      this.upstream = undefined
      this.send()
      return
    }
    failedBy(error, this.waiting, this.node)
  }

  abort(): void {
    this.upstream?.destroy()
  }
}
