import type { Connection, ConnectionEvents, TransportName } from './transport.js'

/** What a connection needs of a byte stream; node:net's Socket has it. Stated here so that nothing is imported. */
export interface ByteStream {
  readonly writableLength: number
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown
  on(event: 'end' | 'close', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  write(chunk: Uint8Array, written?: () => void): boolean
  cork(): void
  uncork(): void
  pause(): unknown
  resume(): unknown
  end(): unknown
  destroy(): unknown
}

export interface StreamConnectionOptions {
  readonly transport: TransportName
  readonly remoteAddress: string
  /** Bytes that arrived before the stream became a link. */
  readonly head?: Uint8Array
  /** Where chunks come from, when not from `data` events (a reused receive buffer). */
  readonly subscribe?: (listener: (chunk: Uint8Array) => void) => void
}

/** A link over any byte stream: TCP, TLS, Unix socket. */
export class StreamConnection implements Connection {
  readonly transport: TransportName
  readonly remoteAddress: string
  private readonly stream: ByteStream
  private readonly options: StreamConnectionOptions
  private events: ConnectionEvents | undefined
  private error: Error | undefined
  private closed = false
  private awaitsDrain = false

  constructor(stream: ByteStream, options: StreamConnectionOptions) {
    this.stream = stream
    this.options = options
    this.transport = options.transport
    this.remoteAddress = options.remoteAddress
    // From the first moment: an error without a listener would end the process, and a close would not be told again.
    stream.on('error', (error) => {
      this.error = error
    })
    stream.on('end', () => stream.end())
    stream.on('close', () => {
      this.closed = true
      this.events?.close(this.error)
    })
  }

  start(events: ConnectionEvents): void {
    const endedBefore = this.closed
    this.events = events
    const { head, subscribe } = this.options
    const onData = (chunk: Uint8Array) => events.data(chunk)
    if (head && head.length > 0) onData(head)
    if (subscribe) subscribe(onData)
    else this.stream.on('data', onData)
    if (endedBefore) queueMicrotask(() => events.close(this.error))
  }

  write(parts: readonly Uint8Array[]): boolean {
    const { stream } = this
    const last = parts.length - 1
    if (last < 0) return true
    if (last > 0) {
      stream.cork()
      for (let i = 0; i < last; i++) stream.write(parts[i]!)
      stream.write(parts[last]!, this.onWritten)
      stream.uncork()
    } else {
      stream.write(parts[0]!, this.onWritten)
    }
    // Node writes what the kernel takes at once, so 0 means that nothing waits in this process.
    if (stream.writableLength === 0) return true
    this.awaitsDrain = true
    return false
  }

  private readonly onWritten = (): void => {
    if (!this.awaitsDrain || this.stream.writableLength > 0) return
    this.awaitsDrain = false
    this.events?.drain()
  }

  pause(): void {
    this.stream.pause()
  }

  resume(): void {
    this.stream.resume()
  }

  end(): void {
    this.stream.end()
  }

  destroy(): void {
    this.stream.destroy()
  }
}
