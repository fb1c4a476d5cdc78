import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Connection, type ConnectionEvents, HttpLinkHeader, httpWindowBytes } from '@sealway/protocol'
import { Backlog } from './backlog.js'
import { answer, refuse } from './http-answer.js'
import { Poll } from './poll.js'

/** Sent, not yet read, and no longer counted as waiting here, bytes: what a socket of the system would hold. */
const onTheWayBytes = 64 * 1024
/** How long the last answer may take to be read, ms. */
const goodbyeMs = 2_000

export interface HttpConnectionParts {
  readonly remoteAddress: string
  /** It is over: no request is for it any more. */
  readonly over: () => void
  /** Monotonic, ms. */
  readonly now: () => number
  readonly pollMs: number
}

/** A link over plain requests: POSTs bring bytes, polls or one stream of events take them. */
export class HttpConnection implements Connection {
  readonly transport = 'http'
  readonly remoteAddress: string
  private readonly parts: HttpConnectionParts
  private readonly backlog = new Backlog()
  private events: ConnectionEvents | undefined
  /** Bytes taken from the node. */
  private taken = 0
  /** Of our bytes, those that were in some answer. */
  private handed = 0
  private upload: { readonly request: IncomingMessage; readonly response: ServerResponse } | undefined
  private poll: Poll | undefined
  private paused = false
  private ended = false
  private closed = false
  private error: Error | undefined
  private awaitsDrain = false
  private lastAt: number
  private goodbye: NodeJS.Timeout | undefined

  constructor(parts: HttpConnectionParts) {
    this.parts = parts
    this.remoteAddress = parts.remoteAddress
    this.lastAt = parts.now()
  }

  /** Whether nothing more will be written: refused, where that is so before its node was told of it. */
  get isOver(): boolean {
    return this.ended || this.closed
  }

  /** How long there has been no request, ms. */
  idleMs(now: number): number {
    return this.poll || this.upload ? 0 : now - this.lastAt
  }

  start(events: ConnectionEvents): void {
    this.events = events
    if (this.closed) queueMicrotask(() => events.close(this.error))
    else if (!this.paused) this.upload?.request.resume()
  }

  /** A POST: bytes of the node's from `offset` on. */
  receive(request: IncomingMessage, response: ServerResponse, offset: number): void {
    if (this.closed) {
      refuse(response, 'NOT_FOUND', 'this link is over')
      return
    }
    if (offset > this.taken) {
      refuse(response, 'CONFLICT', `bytes are missing: ${this.taken} were taken, and these begin at ${offset}`)
      return
    }
    // The same again, because an answer got lost: the earlier attempt gives way.
    if (this.upload) refuse(this.upload.response, 'CONFLICT', 'a newer request brings these bytes')
    this.upload?.request.resume()
    this.upload = { request, response }
    this.touch()
    let at = offset
    request.on('data', (chunk: Buffer) => {
      const known = this.taken - at
      at += chunk.length
      if (this.upload?.request !== request || at <= this.taken) return
      this.taken = at
      this.events?.data(known > 0 ? chunk.subarray(known) : chunk)
    })
    request.on('end', () => {
      if (this.upload?.request !== request) return
      this.uploaded()
      answer(response, 204, { [HttpLinkHeader.offset]: String(this.taken) })
    })
    request.on('error', () => {})
    request.on('close', () => {
      if (this.upload?.request === request) this.uploaded()
    })
    if (this.paused || !this.events) request.pause()
  }

  private uploaded(): void {
    this.upload = undefined
    this.touch()
  }

  /** The node has read all before `read`. @returns false where that cannot be */
  acknowledge(read: number): boolean {
    if (read < this.backlog.base || read > this.handed) return false
    this.touch()
    this.backlog.drop(read)
    if (this.ended && read === this.backlog.end) {
      this.finish()
      return true
    }
    this.poll?.acknowledged()
    this.settle()
    return true
  }

  /** A GET: our bytes from `from` on, which the node has just acknowledged; one at a time, the newest. */
  give(response: ServerResponse, from: number, asEvents: boolean): void {
    if (this.closed) {
      answer(response, 204, { [HttpLinkHeader.end]: '1' })
      return
    }
    this.poll?.giveWay()
    const poll = new Poll({
      response,
      from,
      asEvents,
      backlog: this.backlog,
      waitMs: this.parts.pollMs,
      windowBytes: httpWindowBytes,
      handed: (to, last) => this.onHanded(to, last),
      gone: () => {
        this.touch()
        if (this.poll === poll) this.poll = undefined
      },
    })
    this.poll = poll
    poll.offer(this.ended)
  }

  private onHanded(to: number, last: boolean): void {
    this.handed = Math.max(this.handed, to)
    if (last) this.goodbye ??= setTimeout(() => this.finish(), goodbyeMs).unref()
    this.settle()
  }

  /** The node ends its link. */
  leave(response: ServerResponse): void {
    this.finish()
    answer(response, 204, {})
  }

  private touch(): void {
    this.lastAt = this.parts.now()
  }

  private get settled(): boolean {
    const { base, end } = this.backlog
    return this.handed === end && end - base <= onTheWayBytes
  }

  private settle(): void {
    if (!this.awaitsDrain || this.closed || !this.settled) return
    this.awaitsDrain = false
    this.events?.drain()
  }

  write(parts: readonly Uint8Array[]): boolean {
    if (this.isOver) return true
    this.backlog.push(parts)
    this.poll?.offer(false)
    if (this.settled) return true
    this.awaitsDrain = true
    return false
  }

  pause(): void {
    this.paused = true
    this.upload?.request.pause()
  }

  resume(): void {
    this.paused = false
    if (this.events) this.upload?.request.resume()
  }

  end(): void {
    if (this.isOver) return
    this.ended = true
    this.poll?.offer(true)
  }

  destroy(): void {
    this.backlog.clear()
    this.finish()
  }

  /** Nobody asks for it any more. */
  fail(error: Error): void {
    this.error = error
    this.destroy()
  }

  /** What was written and nobody has read: for whoever was refused before it could ask. */
  farewell(): Buffer {
    const { base, end } = this.backlog
    return this.backlog.slice(base, end - base)
  }

  private finish(): void {
    if (this.closed) return
    this.closed = true
    clearTimeout(this.goodbye)
    this.parts.over()
    this.poll?.giveWay()
    this.poll = undefined
    const { upload } = this
    this.upload = undefined
    if (upload) {
      refuse(upload.response, 'NOT_FOUND', 'this link is over')
      upload.request.resume()
    }
    this.events?.close(this.error)
  }
}
