import type { Exposed, Limits, Query, SealwayError } from '@sealway/protocol'
import { SealwayError as Failure, parseExposed } from '@sealway/protocol'
import type { Link } from '../session/link.js'
import type { Timers } from '../session/timers.js'
import type { HttpApp, UpgradeListener } from './app.js'
import type { Exchange, Serve } from './exchange.js'
import { forwardTo } from './local.js'
import { createServe } from './serve.js'
import { Tunnel } from './tunnel.js'

export interface ExposeOptions {
  /**
   * Routes that anybody may ask without a token: `GET /health`, `/assets/*`. All others need one. A switch to WebSocket is
   * public only where a route says `UPGRADE /live`.
   */
  readonly public?: readonly string[]
  /** Protocols that requests may switch to, in lower case. Default: `['websocket']`. Never `h2c`. */
  readonly upgrades?: readonly string[]
  /** Takes over requests for an upgrade, in place of the `upgrade` listeners of the app's own server. */
  readonly upgrade?: UpgradeListener
  /** A URL may be of another machine than this one. */
  readonly anyHost?: boolean
}

/** What a node has exposed. */
export interface Exposure {
  /** Resolves when the mediator was told, so that requests come. Rejects where it refuses, or was not told before `close`. */
  readonly ready: Promise<void>
  /** Takes it back: what is under way is finished, and what comes new is refused. */
  close(): void
}

export interface HttpServiceParts {
  readonly limits: Limits
  readonly timers: Timers
  readonly afterBurst: (work: () => void) => void
  /** The link, if there is one. */
  readonly link: () => Link | undefined
  /** Asks the mediator, in limited time. */
  readonly query: (question: Query) => Promise<unknown>
  /** Who answers requests now, sealed ones too; undefined: nobody. */
  readonly serving: (serve: Serve | undefined) => void
  readonly onError: (error: unknown, exchange: Exchange) => void
  /** The mediator could not be told. */
  readonly onUntold: (error: unknown) => void
}

/** The HTTP that a node serves by its name, over whatever link it has. */
export class HttpService {
  private readonly parts: HttpServiceParts
  private readonly tunnels = new WeakMap<Link, Tunnel>()
  private tunnel: Tunnel | undefined
  private draining = false
  private current: { readonly exposed: Exposed; readonly serve: Serve; told(error?: unknown): void } | undefined
  /** What the mediator was told in the hello of the link that is being made. */
  private saidInHello: Exposed | undefined

  constructor(parts: HttpServiceParts) {
    this.parts = parts
  }

  /** @throws SealwayError `INVALID_ARGUMENT`: it is no app or URL, or something else is exposed already */
  expose(app: HttpApp | string | URL, options: ExposeOptions = {}): Exposure {
    if (this.current) throw invalid('something is exposed already; close it first, or put both into one app')
    const exposed = readExposed(options)
    const { onError, timers } = this.parts
    const local =
      typeof app === 'string' || app instanceof URL
        ? forwardTo(app, { onError, anyHost: options.anyHost ?? false })
        : { serve: createServe(app, { onError, timers, upgrade: options.upgrade }), close: () => {} }
    let told!: (error?: unknown) => void
    const ready = new Promise<void>((resolve, reject) => {
      told = (error) => (error === undefined ? resolve() : reject(error))
    })
    // Who does not wait for it need not hear of it: it is logged.
    ready.catch(() => {})
    const current = { exposed, serve: local.serve, told }
    this.current = current
    this.parts.serving(local.serve)
    if (this.parts.link()) this.tell()
    return {
      ready,
      close: () => {
        local.close()
        if (this.current !== current) return
        this.current = undefined
        this.parts.serving(undefined)
        told(new Failure('CLOSED', { message: 'it was closed before the mediator knew', outcome: 'not-delivered' }))
        if (this.parts.link()) this.tell()
      },
    }
  }

  /** What the next hello says. */
  get hello(): Exposed | undefined {
    this.saidInHello = this.current?.exposed
    return this.saidInHello
  }

  get busy(): boolean {
    return this.tunnel?.busy ?? false
  }

  // ---- the link

  up(link: Link): void {
    this.tunnelOf(link).writable()
    if (this.saidInHello !== this.current?.exposed) this.tell()
    else this.current?.told()
  }

  exchange(link: Link, type: number, flags: number, number: number, body: Uint8Array): void {
    this.tunnelOf(link).receive(type, flags, number, body)
  }

  writable(): void {
    this.tunnel?.writable()
  }

  lost(error: SealwayError): void {
    this.tunnel?.lost(error)
    this.tunnel = undefined
  }

  /** What is under way is finished, what comes new is refused. */
  drain(): void {
    this.draining = true
    this.tunnel?.drain()
  }

  private tunnelOf(link: Link): Tunnel {
    let tunnel = this.tunnels.get(link)
    if (!tunnel) {
      const { limits, afterBurst, onError } = this.parts
      tunnel = new Tunnel({
        serve: () => this.current?.serve,
        limits,
        write: (frames) => link.write(frames),
        roomy: () => link.writableNow,
        afterBurst,
        onError,
      })
      this.tunnels.set(link, tunnel)
      this.tunnel = tunnel
      if (this.draining) tunnel.drain()
    }
    return tunnel
  }

  private tell(): void {
    const { current } = this
    this.parts.query({ type: 'expose', http: current?.exposed ?? null }).then(
      () => current?.told(),
      (error: unknown) => {
        // Where the link broke, the next hello says it.
        if (!this.parts.link()) return
        this.parts.onUntold(error)
        current?.told(error)
      },
    )
  }
}

/** @throws SealwayError `INVALID_ARGUMENT` */
function readExposed({ public: routes = [], upgrades }: ExposeOptions): Exposed {
  try {
    return parseExposed({ public: routes, upgrades })
  } catch (error) {
    throw invalid(`expose: ${(error as Error).message.replace('http.', '')}`)
  }
}

const invalid = (message: string) => new Failure('INVALID_ARGUMENT', { message, outcome: 'not-delivered' })
