import { SealwayError } from './errors.js'

export type TransportName = 'tcp' | 'ipc' | 'ws' | 'http' | 'udp' | 'memory'

export interface ConnectionEvents {
  /** Bytes in order, cut anywhere. They may be changed in place; what they lie in is read into again after the call. */
  data(chunk: Uint8Array): void
  /** After a `write` that returned false: everything written is on its way. */
  drain(): void
  /** Exactly once; nothing follows. `error` where it did not end in order. */
  close(error?: Error): void
}

/** One live byte pipe between a node and the mediator. Every transport is reduced to this. */
export interface Connection {
  readonly transport: TransportName
  /** Who is at the other end, for logs and limits: an IP address or a socket path. */
  readonly remoteAddress: string
  /** Exactly once, before anything is read. */
  start(events: ConnectionEvents): void
  /**
   * Writes the parts in order. They must not be changed until it has returned true, or `drain` was called.
   * @returns false when they wait in this process: write nothing more until `drain`.
   */
  write(parts: readonly Uint8Array[]): boolean
  /** Stop and resume reading: back-pressure towards the other end. */
  pause(): void
  resume(): void
  /** Sends what was written, then closes. */
  end(): void
  /** Closes now; what was not sent is lost. */
  destroy(): void
}

/** The node's side: dials the mediator. */
export interface ClientTransport {
  readonly name: TransportName
  /** @throws SealwayError `NOT_CONNECTED` */
  connect(url: string, options: { signal?: AbortSignal }): Promise<Connection>
}

/** The mediator's side: hands on each connection that arrives. */
export interface ServerTransport {
  readonly name: TransportName
  listen(onConnection: (connection: Connection) => void): Promise<void>
  /** Stops accepting; connections that exist go on. */
  close(): Promise<void>
}

export interface MemoryPairOptions {
  /** Bytes on the way in one direction above which `write` returns false. */
  readonly highWaterBytes?: number
  /** When a chunk arrives: as a microtask unless given. Tests hand in their own. */
  readonly schedule?: (deliver: () => void) => void
}

/** Two connected ends in one process: the in-process transport, and what tests run on. */
export function memoryPair(options: MemoryPairOptions = {}): [Connection, Connection] {
  const left = new MemoryEnd(options)
  const right = new MemoryEnd(options)
  left.peer = right
  right.peer = left
  return [left, right]
}

class MemoryEnd implements Connection {
  readonly transport = 'memory'
  readonly remoteAddress = 'memory'
  peer!: MemoryEnd
  private readonly highWaterBytes: number
  private readonly schedule: (deliver: () => void) => void
  private events: ConnectionEvents | undefined
  private readonly inbound: Uint8Array[] = []
  private inboundBytes = 0
  private paused = false
  private scheduled = false
  private closed = false
  /** The other side ended; close once everything inbound was read. */
  private finished = false
  private needsDrain = false

  constructor(options: MemoryPairOptions) {
    this.highWaterBytes = options.highWaterBytes ?? 1024 * 1024
    this.schedule = options.schedule ?? queueMicrotask
  }

  start(events: ConnectionEvents): void {
    if (this.events) throw new SealwayError('INVALID_ARGUMENT', { message: 'connection was started already' })
    this.events = events
    this.wake()
  }

  write(parts: readonly Uint8Array[]): boolean {
    if (this.closed || this.peer.closed || this.peer.finished) return true
    // Copied, as a socket would: the writer may be reusing its buffer by the time this is read.
    for (const part of parts) {
      // Not `slice`, which on a Buffer is a view.
      this.peer.inbound.push(new Uint8Array(part))
      this.peer.inboundBytes += part.length
    }
    this.peer.wake()
    if (this.peer.inboundBytes <= this.highWaterBytes) return true
    this.needsDrain = true
    return false
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    this.wake()
  }

  end(): void {
    this.peer.finished = true
    this.peer.wake()
    this.finish()
  }

  destroy(): void {
    this.peer.inbound.length = 0
    this.end()
  }

  private wake(): void {
    if (this.scheduled || this.closed || !this.events) return
    this.scheduled = true
    this.schedule(() => {
      this.scheduled = false
      this.deliver()
    })
  }

  private deliver(): void {
    while (!this.paused && !this.closed && this.inbound.length > 0) {
      const chunk = this.inbound.shift()!
      this.inboundBytes -= chunk.length
      this.events!.data(chunk)
    }
    if (this.peer.needsDrain && this.inboundBytes <= this.highWaterBytes / 2) {
      this.peer.needsDrain = false
      this.peer.events?.drain()
    }
    if (this.finished && this.inbound.length === 0 && !this.paused) this.finish()
  }

  private finish(error?: Error): void {
    if (this.closed) return
    this.closed = true
    this.inbound.length = 0
    this.inboundBytes = 0
    const events = this.events
    if (events) this.schedule(() => events.close(error))
  }
}
