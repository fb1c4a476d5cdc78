import {
  type ClientTransport,
  type Hello,
  type Limits,
  protocolVersion,
  retryOf,
  SealwayError,
  type Welcome,
} from '@sealway/protocol'
import { Link, type LinkEvents } from './link.js'
import type { Logger } from './log.js'
import { signalAfter, type Timers } from './timers.js'
import { isUntimely, timesOf } from './token-times.js'

export interface DialerParts {
  readonly url: string
  readonly transport: ClientTransport
  /** All of a hello but its token and versions; read for each link. */
  readonly hello: Omit<Hello, 'token' | 'versions'>
  readonly token: (now: number) => string | Promise<string>
  /** The token is a text: there will be no other. */
  readonly tokenIsFixed: boolean
  /** The mediator's clock, as far as it is known, ms since 1970; and what the mediator says it is. */
  readonly mediatorNow: () => number
  readonly toldTime: (now: number) => void
  readonly random: () => number
  readonly limits: Limits
  readonly logger: Logger
  readonly timers: Timers
  /** Memory for frames that arrive in pieces; need not be cleared. */
  readonly allocate: (bytes: number) => Uint8Array
  /** Told of each read, in bytes. */
  readonly arrived?: ((bytes: number) => void) | undefined
  /** What a new link tells; `ending` is the dialer's part of it. */
  readonly events: (link: Link, ending: Pick<LinkEvents, 'closed' | 'goaway'>) => LinkEvents
  readonly up: (link: Link, welcome: Welcome) => void
  /** The link is gone, or could not be made; the next attempt is `retryInMs` away. */
  readonly down: (error: SealwayError, retryInMs: number) => void
  /** The mediator asks to leave; `leave` ends the link when the work in flight is done. */
  readonly goaway: (leave: () => void) => void
  /** It will not come back. */
  readonly over: (error: SealwayError | undefined) => void
}

const tickMs = 1_000
/** How long a link that was ended may take to close before it is cut, ms. */
const lingerMs = 2_000
/** Longest absence that a mediator can ask for, ms. */
const maxToldMs = 300_000
/** A token is renewed when this part of its life is over. */
const renewAt = 0.8
/** So long an outage is met with a retry at least once a second: a restarted mediator is back within moments. */
const promptRetryMs = 1_000

/** Keeps one link to the mediator alive: dials, says hello, and comes back when it breaks, until told to stop. */
export class Dialer {
  link: Link | undefined
  private readonly parts: DialerParts
  private readonly stopping = new AbortController()
  private everUp = false
  private attempts = 0
  private downSince: number
  private retryTimer: unknown
  private renewTimer: unknown
  /** By the monotonic clock, ms. */
  private tokenExpiresAt = 0
  private ticker: unknown
  private finished = false

  constructor(parts: DialerParts) {
    this.parts = parts
    this.downSince = parts.timers.monotonic()
  }

  start(): void {
    this.tick()
    void this.dial()
  }

  private tick(): void {
    this.link?.tick(this.parts.timers.monotonic())
    this.ticker = this.parts.timers.setBackground(() => this.tick(), tickMs)
  }

  /** Ends the link in order and stays away. */
  stop(error?: SealwayError): void {
    if (this.finished) return
    this.finished = true
    this.stopping.abort()
    const { timers } = this.parts
    for (const timer of [this.retryTimer, this.renewTimer, this.ticker]) timers.clear(timer)
    const link = this.link
    this.link = undefined
    if (link) this.end(link)
    this.parts.over(error)
  }

  /** In order; and where the other side does not take part, without it. */
  private end(link: Link): void {
    link.end()
    this.parts.timers.setBackground(() => link.destroy(), lingerMs)
  }

  private async dial(): Promise<void> {
    const { parts } = this
    const { signal, done } = signalAfter(parts.timers, parts.limits.helloTimeoutMs * 2, this.stopping.signal)
    let link: Link | undefined
    let lost: SealwayError | undefined
    let token: string | undefined
    try {
      // First, because a connection that says nothing is cut by the mediator.
      token = await this.token(signal)
      const connection = await parts.transport.connect(parts.url, { signal })
      const fresh = new Link(connection, () => parts.timers.monotonic(), parts.allocate, parts.arrived)
      link = fresh
      const events = parts.events(fresh, {
        goaway: ({ message, reconnectInMs }) => {
          parts.logger.info({ message }, 'the mediator asks to leave')
          parts.goaway(() => this.leave(fresh, typeof reconnectInMs === 'number' ? reconnectInMs : 0))
        },
        closed: (error) => {
          lost = error
          this.broke(fresh, error)
        },
      })
      const welcome = await fresh.begin({ ...parts.hello, versions: [protocolVersion], token }, events, signal)
      if (this.finished) return this.end(fresh)
      // It may have ended in the same chunk in which it was welcomed.
      if (lost) throw lost
      this.link = fresh
      this.everUp = true
      this.attempts = 0
      this.renewLater(fresh, welcome.tokenExpiresAt - welcome.now)
      parts.up(fresh, welcome)
    } catch (error) {
      if (link && this.link === link) {
        this.link = undefined
        parts.timers.clear(this.renewTimer)
      }
      link?.destroy()
      if (!this.finished) this.refused(asSealwayError(error), token)
    } finally {
      done()
    }
  }

  private broke(link: Link, error: SealwayError): void {
    if (this.gone(link)) this.retry(error)
  }

  /** The mediator said when to come back; until then it is gone or going. */
  private leave(link: Link, reconnectInMs: number): void {
    if (!this.gone(link)) return
    this.end(link)
    const error = new SealwayError('DRAINING', { message: 'the mediator is shutting down', hop: 'mediator' })
    this.schedule(error, this.bounded(reconnectInMs))
  }

  /** @returns false where it was no more the one that counts */
  private gone(link: Link): boolean {
    if (this.link !== link || this.finished) return false
    this.link = undefined
    this.parts.timers.clear(this.renewTimer)
    this.downSince = this.parts.timers.monotonic()
    return true
  }

  /** A token that is refused for its times is made anew with the mediator's time; the node is not closed for it. */
  private refused(error: SealwayError, token: string | undefined): void {
    const { now } = (error.data ?? {}) as { now?: unknown }
    if (error.code !== 'UNAUTHORIZED' || typeof now !== 'number' || token === undefined || !isUntimely(token, now)) {
      return this.retry(error)
    }
    if (this.parts.tokenIsFixed) {
      const message =
        'the token has expired, or is not valid yet, and it is a text: pass a function that gives a fresh one'
      return this.stop(
        new SealwayError('TOKEN_EXPIRED', { message, outcome: 'not-delivered', hop: 'mediator', cause: error }),
      )
    }
    this.parts.toldTime(now)
    this.parts.logger.warn(
      { mediatorNow: now },
      'the token was refused for its times; the next one has the time of the mediator',
    )
    this.schedule(error, this.backoffMs())
  }

  private retry(error: SealwayError): void {
    // A name held by another process is a mistake at the start; later it is our own old link, not yet given up.
    if (retryOf(error.code) === 'never' || (error.code === 'NAME_IN_USE' && !this.everUp)) return this.stop(error)
    const told = (error.data as { reconnectInMs?: unknown } | undefined)?.reconnectInMs
    this.schedule(error, typeof told === 'number' ? this.bounded(told) : this.backoffMs())
  }

  /** What the mediator says must make no busy loop of a node, and not send it away for good. */
  private bounded(toldMs: number): number {
    return Math.min(Math.max(toldMs, this.parts.limits.reconnectMinMs / 2), maxToldMs)
  }

  /** Full jitter: a random part of a ceiling that doubles, but stays prompt while the outage is young. */
  private backoffMs(): number {
    const { reconnectMinMs, reconnectMaxMs } = this.parts.limits
    const outageMs = this.parts.timers.monotonic() - this.downSince
    const doubled = reconnectMinMs * 2 ** Math.min(this.attempts, 16)
    const ceiling = Math.min(doubled, reconnectMaxMs, Math.max(promptRetryMs, outageMs / 4))
    return Math.round(reconnectMinMs / 2 + this.parts.random() * ceiling)
  }

  private schedule(error: SealwayError, inMs: number): void {
    this.attempts++
    this.parts.down(error, inMs)
    if (this.finished) return
    this.retryTimer = this.parts.timers.set(() => void this.dial(), inMs)
  }

  /** @throws SealwayError `NOT_CONNECTED` where it takes too long; whatever the token source throws */
  private token(signal: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(notConnected('the token source did not give a token in time'))
      signal.addEventListener('abort', onAbort, { once: true })
      Promise.resolve()
        .then(() => this.parts.token(this.parts.mediatorNow()))
        .then(resolve, reject)
        .finally(() => signal.removeEventListener('abort', onAbort))
    })
  }

  private renewLater(link: Link, lifeMs: number): void {
    if (this.parts.tokenIsFixed) return
    this.tokenExpiresAt = this.parts.timers.monotonic() + lifeMs
    const inMs = Math.max(lifeMs * renewAt, 1_000)
    this.renewTimer = this.parts.timers.setBackground(() => void this.renew(link), inMs)
  }

  private async renew(link: Link): Promise<void> {
    const { mediatorNow, limits, logger, timers } = this.parts
    const { signal, done } = signalAfter(timers, limits.helloTimeoutMs * 2, this.stopping.signal)
    try {
      const token = await this.token(signal)
      if (this.link !== link) return
      link.renewToken(token)
      this.renewLater(link, lifeOf(token, mediatorNow()))
    } catch (error) {
      logger.error({ err: error }, 'the token could not be renewed; it is tried again')
      if (this.link === link) this.renewLater(link, this.tokenExpiresAt - timers.monotonic())
    } finally {
      done()
    }
  }
}

/** What is left of a token's life, ms; a minute where it cannot be read (opaque tokens are renewed often). */
function lifeOf(token: string, now: number): number {
  const times = timesOf(token)
  return times ? times.expiresAt - now : 60_000
}

const notConnected = (message: string, cause?: unknown): SealwayError =>
  new SealwayError('NOT_CONNECTED', { message, outcome: 'not-delivered', hop: 'client', cause })

const asSealwayError = (error: unknown): SealwayError =>
  error instanceof SealwayError
    ? error
    : notConnected(`connecting failed: ${error instanceof Error ? error.message : String(error)}`, error)
