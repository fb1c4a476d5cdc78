import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'

const channel = 'http.server.request.start'

/** What Node's HTTP servers of this process have read: what is answered past their objects is not among it. */
export class NodesRequests {
  /** `GET /path` of each. */
  readonly asked: string[] = []

  constructor() {
    subscribe(channel, this.onRequest)
  }

  private readonly onRequest = (message: unknown): void => {
    const { method, url } = (message as { readonly request: IncomingMessage }).request
    this.asked.push(`${method} ${url}`)
  }

  close(): void {
    unsubscribe(channel, this.onRequest)
  }
}
