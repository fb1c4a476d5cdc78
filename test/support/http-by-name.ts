import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http'
import { ExchangeNode, type ExchangeNodeOptions } from './exchange-node'
import { tokenFor } from './link'
import { startMediator, type TestMediator, type TestMediatorOptions } from './mediator'
import { RawClient } from './raw-http'

export interface Reply {
  readonly status: number
  readonly reason: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly trailers: readonly string[]
  readonly body: Buffer
  /** Answers below 200 that came before. */
  readonly informed: readonly { readonly status: number; readonly headers: readonly string[] }[]
}

export interface Ask extends Omit<RequestOptions, 'headers'> {
  readonly headers?: { readonly [name: string]: string | string[] }
  readonly body?: string | Uint8Array
  /** `null`: without a token. */
  readonly token?: string | null
}

/** A real mediator, nodes that speak frames, and clients that speak HTTP; close it at the end of the test. */
export class ByName {
  readonly bearer: string
  private readonly nodes: ExchangeNode[] = []
  private readonly clients: RawClient[] = []

  private constructor(readonly started: TestMediator) {
    this.bearer = this.token('http:*')
  }

  static async start(options: TestMediatorOptions = {}): Promise<ByName> {
    return new ByName(await startMediator(options))
  }

  get url(): string {
    return this.started.url
  }

  token(...scopes: string[]): string {
    return tokenFor(this.started.jwtSecret, 'somebody', { scopes }).token
  }

  async node(options: ExchangeNodeOptions = {}): Promise<ExchangeNode> {
    const node = await ExchangeNode.join(this.url, this.started.jwtSecret, options)
    this.nodes.push(node)
    return node
  }

  /** A client that writes bytes. */
  raw(): RawClient {
    const client = new RawClient(this.url)
    this.clients.push(client)
    return client
  }

  /** Of Node's own client, which is asked to keep its connection, as most do; with a token for every node, unless told otherwise. */
  ask(path: string, { body, token = this.bearer, ...options }: Ask = {}): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const informed: { status: number; headers: string[] }[] = []
      const { hostname, port } = new URL(this.url)
      const authorization = token === null ? {} : { Authorization: `Bearer ${token}` }
      const headers = { Connection: 'keep-alive', ...authorization, ...options.headers }
      const sent = request({ hostname, port, path, agent: false, ...options, headers })
      sent.on('information', ({ statusCode, rawHeaders }) => informed.push({ status: statusCode, headers: rawHeaders }))
      sent.on('error', reject)
      sent.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const { statusCode, statusMessage, headers, rawHeaders, rawTrailers } = response
          resolve({
            status: statusCode!,
            reason: statusMessage!,
            ...{ headers, rawHeaders, informed },
            trailers: rawTrailers,
            body: Buffer.concat(chunks),
          })
        })
      })
      sent.end(body)
    })
  }

  /** Status and code of the problem with which it was refused. */
  async refusal(path: string, options: Ask = {}): Promise<[number, unknown]> {
    const { status, body } = await this.ask(path, options)
    return [status, (JSON.parse(body.toString()) as { code?: unknown }).code]
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.destroy()
    for (const node of this.nodes) node.close()
    await this.started.mediator.close()
  }
}

/** For `onWhole`: answers 200, and what came. */
export const echo: NonNullable<ExchangeNodeOptions['onWhole']> = (exchange) => {
  exchange.respond(200, ['Content-Length', String(exchange.body.length)], exchange.body)
}
