import type { ResponseHead } from '@sealway/protocol'
import type { Exchange, ExchangeReader, Serve } from '../../client-lib/src/http/exchange.js'
import { httpAction } from '../../client-lib/src/http/sealed/frames.js'
import type { SealedHttp } from '../../client-lib/src/http/sealed/sealed-http.js'
import type { Messenger } from '../../client-lib/src/messaging/messenger.js'
import type { Handler } from '../../client-lib/src/messaging/middleware.js'
import type { Node } from '../../client-lib/src/node.js'

interface Insides {
  readonly sealedHttp: SealedHttp
  readonly messenger: Messenger
}

/** Answers what other nodes ask sealed, below any app. */
export function serveOn(node: Node, serve: Serve): void {
  ;(node as unknown as Insides).sealedHttp.serve = serve
}

/** A node that is not of this library: its handler gives whatever bytes it likes. */
export function hostileOn(node: Node, handler: Handler): void {
  const { table } = (node as unknown as Insides).messenger.handlers
  table.set(httpAction, [handler], { ours: true, replace: true })
}

/** Streams that a node has open, whoever opened them. */
export const openStreams = (node: Node): boolean => (node as unknown as Insides).messenger.busy

export const ok = (headers: readonly string[] = []): ResponseHead => ({ status: 200, reason: 'OK', headers })

/** What comes of a request, collected. */
export class Collected implements ExchangeReader {
  readonly chunks: Buffer[] = []
  ended = false
  trailers: readonly string[] = []
  error: Error | undefined
  onEnd: (() => void) | undefined
  onDrain: (() => void) | undefined

  constructor(readonly exchange: Exchange) {}

  get body(): string {
    return Buffer.concat(this.chunks).toString()
  }

  data(chunk: Uint8Array): void {
    this.chunks.push(Buffer.from(chunk))
    this.exchange.consumed(chunk.length)
  }

  end(trailers: readonly string[]): void {
    this.ended = true
    this.trailers = trailers
    this.onEnd?.()
  }

  aborted(error: Error): void {
    this.error = error
  }

  drain(): void {
    this.onDrain?.()
  }
}
