import { createServer, type Server, type ServerOptions } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Whole } from '../../server/src/proxy/client'
import { FastPath } from '../../server/src/proxy/fast-path/fast-path'
import { RawClient } from './raw-http'
import { until } from './until'

/** A request that was taken past Node's objects; the test answers it. */
export interface TakenRequest extends Whole {
  readonly text: string
  closed: boolean
}

interface Inside {
  readonly connections: ReadonlySet<{ readonly socket: Socket }>
}

/**
 * The fast path before a server of Node's, without a mediator: it takes what is for `/fast`, and Node answers the rest at
 * once. Its time moves when it is told to; the server's own does not.
 */
export class FastServer {
  now = 1_700_000_000_000
  draining = false
  /** What becomes of each request that is taken; by default it waits for the test. */
  onTaken: (taken: TakenRequest) => void = () => {}
  readonly taken: TakenRequest[] = []
  /** `POST /path body` of each request that Node read. */
  readonly nodes: string[] = []
  readonly fastPath: FastPath
  private readonly server: Server
  private readonly clients: RawClient[] = []

  private constructor(options: ServerOptions) {
    this.fastPath = new FastPath({
      take: (client) => this.take(client),
      draining: () => this.draining,
      now: () => this.now,
    })
    this.server = createServer({ keepAliveTimeout: 5_000, ...options }, (request, response) => {
      let body = ''
      request.setEncoding('latin1')
      request.on('data', (chunk: string) => {
        body += chunk
      })
      request.on('end', () => {
        this.nodes.push([request.method, request.url, body].join(' ').trim())
        response.end(`node read ${request.url} ${body}`)
      })
    })
    this.fastPath.attach(this.server)
  }

  static async start(options: ServerOptions = {}): Promise<FastServer> {
    const fast = new FastServer(options)
    await new Promise<void>((resolve) => {
      fast.server.listen(0, '127.0.0.1', resolve)
    })
    return fast
  }

  private take(client: Whole): boolean {
    const { method, url } = client.request
    if (!url!.startsWith('/fast')) return false
    // The body is ours during this call only.
    const text = [method, url, Buffer.from(client.body).toString('latin1')].join(' ').trim()
    const taken: TakenRequest = { ...client, text, closed: false }
    client.response.on('close', () => {
      taken.closed = true
    })
    this.taken.push(taken)
    this.onTaken(taken)
    return true
  }

  client(): RawClient {
    const client = new RawClient(`http://127.0.0.1:${(this.server.address() as AddressInfo).port}`)
    this.clients.push(client)
    return client
  }

  /** The one connection that the fast path has. */
  async socket(): Promise<Socket> {
    await until(() => this.fastPath.size === 1, 'one connection')
    return [...(this.fastPath as unknown as Inside).connections][0]!.socket
  }

  async nth(nth: number): Promise<TakenRequest> {
    await until(() => this.taken.length > nth, `request ${nth} is taken`)
    return this.taken[nth]!
  }

  /** So much time goes by, with a tick every 250 ms as in the mediator. */
  tick(ms: number): void {
    for (let left = ms; left > 0; left -= 250) this.stand(Math.min(left, 250))
  }

  /** The same without a tick in between: the process stood still, or its clock was set. */
  stand(ms: number): void {
    this.now += ms
    this.fastPath.tick(this.now)
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.destroy()
    const closed = new Promise((resolve) => this.server.close(resolve))
    this.server.closeAllConnections()
    await closed
  }
}

/** Answers 200 with what it was asked, a line of a length that is said. */
export function echoed({ response, text }: TakenRequest): void {
  const body = Buffer.from(`taken ${text}\n`, 'latin1')
  response.writeHead(200, ['Content-Length', String(body.length)])
  response.end(body)
}
