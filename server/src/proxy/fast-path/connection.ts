import type { ReceivingSocket } from '../../transport/received.js'
import type { Whole } from '../client.js'
import { maxRequestBytes, type Read, readRequest } from './request.js'
import { FastResponse, keepAliveSeconds } from './response.js'
import type { Scratch } from './scratch.js'

/** What all connections share. */
export interface ConnectionParts {
  /** @returns false: nothing was done; it is to be read again by Node's parser */
  readonly take: (client: Whole) => boolean
  /** Hands the socket to Node's own server, with what was read of it and not answered. */
  readonly handOver: (socket: ReceivingSocket, bytes: Buffer) => void
  readonly over: (connection: FastConnection) => void
  readonly scratch: Scratch
  readonly draining: () => boolean
  readonly date: () => string
  /** Time that went by, in ticks, ms. */
  readonly elapsed: () => number
}

/** A request of which only a part has come for so long is Node's, which has limits for it, ms. */
const incompleteMs = 1_000
/** A second more than the client is told: its next request may be on its way. */
const idleMs = (keepAliveSeconds + 1) * 1_000
/** Kept of what comes behind a request that is being answered, bytes; then nothing more is read. */
const maxHeldBytes = 2 * maxRequestBytes
const nothing = Buffer.alloc(0)

/** A client's connection, as long as it says nothing but whole requests for nodes, one after the other. */
export class FastConnection {
  /** Came, and was not read yet. */
  private held = nothing
  /** The answer under way. */
  private current: FastResponse | undefined
  /** For the rest of a request, or for the next one, ms of `elapsed`. */
  private waitsSince: number
  private served = false
  private isOver = false
  private reading = false
  private readonly client: Whole['request']['socket']

  constructor(
    private readonly socket: ReceivingSocket,
    private readonly parts: ConnectionParts,
  ) {
    this.waitsSince = parts.elapsed()
    this.client = { remoteAddress: socket.remoteAddress }
    socket.on('error', this.onError)
    socket.on('end', this.onEnd)
    socket.on('close', this.onClose)
    socket.subscribe((chunk) => this.receive(chunk as Buffer))
  }

  /** @param chunk ours during this call only */
  private receive(chunk: Buffer): void {
    const { held } = this
    this.held = nothing
    if (held.length > 0) {
      this.read(Buffer.concat([held, chunk]))
      return
    }
    this.waitsSince = this.parts.elapsed()
    this.read(chunk)
  }

  private read(bytes: Buffer): void {
    this.reading = true
    let at = 0
    while (at < bytes.length && !this.current) {
      const read = readRequest(bytes, at)
      if (read === 'incomplete') break
      if (read === 'other' || !this.take(read, bytes)) {
        this.reading = false
        this.handOver(bytes.subarray(at))
        return
      }
      at = read.end
    }
    this.reading = false
    if (this.isOver || at === bytes.length) return
    this.held = Buffer.from(bytes.subarray(at))
    if (this.current && this.held.length > maxHeldBytes) this.socket.pause()
  }

  private take({ method, url, rawHeaders, bodyAt, end }: Read, bytes: Buffer): boolean {
    const { parts, socket } = this
    const response = new FastResponse({
      socket,
      method,
      scratch: parts.scratch,
      date: parts.date,
      last: parts.draining,
      done: this.answered,
    })
    const request = { method, url, httpVersion: '1.1', rawHeaders, complete: true, socket: this.client }
    this.current = response
    const taken = parts.take({ request, response, body: bytes.subarray(bodyAt, end) })
    if (!taken) this.current = undefined
    else this.served = true
    return taken
  }

  private readonly answered = (): void => {
    this.current = undefined
    this.waitsSince = this.parts.elapsed()
    if (this.reading || this.isOver || this.socket.destroyed || this.held.length === 0) return
    const { held } = this
    this.held = nothing
    if (this.socket.isPaused()) this.socket.resume()
    this.read(held)
  }

  /** Called four times a second. */
  tick(elapsedMs: number): void {
    if (this.current) return
    const silentMs = elapsedMs - this.waitsSince
    if (this.held.length > 0 || !this.served) {
      if (silentMs >= incompleteMs) this.handOver(this.held)
    } else if (silentMs >= idleMs || this.parts.draining()) {
      this.socket.destroy()
    }
  }

  private handOver(bytes: Buffer): void {
    const { socket } = this
    this.finish()
    socket.off('error', this.onError)
    socket.off('end', this.onEnd)
    socket.off('close', this.onClose)
    socket.unsubscribe()
    this.parts.handOver(socket, Buffer.from(bytes))
  }

  /** Ends it, unless an answer is under way. */
  closeIfIdle(): void {
    if (!this.current) this.socket.destroy()
  }

  private finish(): void {
    this.isOver = true
    this.held = nothing
    this.parts.over(this)
  }

  /** Its 'close' follows, and says the same. */
  private readonly onError = (): void => {}

  /** Whoever closes its direction does not wait for an answer, as for Node's own server. */
  private readonly onEnd = (): void => {
    this.socket.end()
  }

  private readonly onClose = (): void => {
    this.finish()
    this.current?.gone()
  }
}
