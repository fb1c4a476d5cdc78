import { EventEmitter } from 'node:events'
import type { Timers } from '../session/timers.js'
import type { Exchange } from './exchange.js'
import { headerOf } from './hop-by-hop.js'

/** As much as Node reads ahead of a request before it waits for its reader, bytes. */
export const readAheadBytes = 64 * 1024

/** The client behind a request, as the mediator saw it. */
export interface Caller {
  readonly remoteAddress: string | undefined
  readonly encrypted: boolean
}

/**
 * A mediator adds the address that it saw at the end of what it was told, so the last one is the one to believe.
 * What another node sealed says nothing of an address.
 */
export function callerOf({ head, asker }: Exchange): Caller {
  if (asker.sealed) return { remoteAddress: undefined, encrypted: true }
  const last = (name: string) => headerOf(head.headers, name)?.split(',').at(-1)?.trim()
  return { remoteAddress: last('x-forwarded-for'), encrypted: last('x-forwarded-proto') === 'https' }
}

/** Fires when nothing was heard for as long as an app has asked for. */
export class IdleTimer {
  private timer: unknown
  private ms = 0

  constructor(
    private readonly timers: Timers,
    private readonly onIdle: () => void,
  ) {}

  /** @param ms 0: never */
  set(ms: number): void {
    this.ms = ms
    this.touch()
  }

  touch(): void {
    if (this.timer !== undefined) this.timers.clear(this.timer)
    this.timer = this.ms > 0 ? this.timers.setBackground(this.onIdle, this.ms) : undefined
  }
}

/**
 * Stands for the connection of a request: what an app asks of it, and can do to it. There are no bytes of HTTP, so
 * nothing is read from it or written to it.
 */
export class ServedSocket extends EventEmitter {
  destroyed = false
  /** The response; Node's `end` looks for itself here. */
  _httpMessage: unknown
  /** Node's `end` sets this back; nothing is corked here. */
  readonly _writableState = { corked: 0 }
  private readonly exchange: Exchange
  private readonly timers: Timers
  private readonly onDestroy: (error: Error | undefined) => void
  private caller: Caller | undefined
  private idle: IdleTimer | undefined

  constructor(exchange: Exchange, timers: Timers, onDestroy: (error: Error | undefined) => void) {
    super()
    this.exchange = exchange
    this.timers = timers
    this.onDestroy = onDestroy
  }

  get remoteAddress(): string | undefined {
    this.caller ??= callerOf(this.exchange)
    return this.caller.remoteAddress
  }

  get remoteFamily(): string | undefined {
    const address = this.remoteAddress
    return address && (address.includes(':') ? 'IPv6' : 'IPv4')
  }

  get remotePort(): undefined {
    return undefined
  }

  /** What Express takes for `req.protocol`. */
  get encrypted(): boolean {
    this.caller ??= callerOf(this.exchange)
    return this.caller.encrypted
  }

  get readable(): boolean {
    return !this.destroyed
  }

  get writable(): boolean {
    return !this.destroyed
  }

  get readyState(): string {
    return this.destroyed ? 'closed' : 'open'
  }

  get readableHighWaterMark(): number {
    return readAheadBytes
  }

  get writableHighWaterMark(): number {
    return readAheadBytes
  }

  get writableLength(): number {
    return 0
  }

  /** Node corks a socket that is not, and uncorks it a tick later. */
  get writableCorked(): number {
    return 1
  }

  address(): object {
    return {}
  }

  cork(): void {}
  uncork(): void {}
  pause(): this {
    return this
  }
  resume(): this {
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
  setNoDelay(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }

  setTimeout(ms: number, callback?: () => void): this {
    if (callback) this.once('timeout', callback)
    this.idle ??= new IdleTimer(this.timers, () => this.emit('timeout'))
    this.idle.set(ms)
    return this
  }

  /** Something was heard or said. */
  touch(): void {
    this.idle?.touch()
  }

  /** There is no way to write past the response: it is broken off. */
  end(): this {
    return this.destroy()
  }

  destroySoon(): void {
    this.destroy()
  }

  destroy(error?: Error): this {
    if (this.destroyed) return this
    this.closed(error)
    this.onDestroy(error)
    return this
  }

  /** The exchange is over. */
  closed(error?: Error): void {
    if (this.destroyed) return
    this.destroyed = true
    this.idle?.set(0)
    if (error && this.listenerCount('error') > 0) this.emit('error', error)
    this.emit('close', error !== undefined)
  }
}
