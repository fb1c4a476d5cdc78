import { Socket } from 'node:net'

/** Read from one socket at once, bytes. */
const receiveBytes = 64 * 1024

/** What this file needs of a socket's handle beyond the public types: that it can read into memory of ours. */
interface Handle {
  useUserBuffer?: unknown
}
interface Owner {
  _handle: Handle | null
}
type SocketOptions = ConstructorParameters<typeof Socket>[0] & {
  readonly handle: Handle
  readonly pauseOnCreate: boolean
  readonly onread: { readonly buffer: Uint8Array; readonly callback: (bytes: number) => boolean }
}
type Listener = (chunk: Uint8Array) => void

/**
 * A socket that reads into memory that it shares with others. What comes goes to one listener, during the call only; or,
 * where there is none, to its readable side, as with any other socket.
 */
export class ReceivingSocket extends Socket {
  private listener: Listener | undefined

  constructor(
    handle: unknown,
    bytes: Buffer,
    private readonly arrived: (bytes: number) => void,
  ) {
    const options: SocketOptions = {
      handle: handle as Handle,
      allowHalfOpen: true,
      // Nothing is read before somebody listens.
      pauseOnCreate: true,
      onread: { buffer: bytes, callback: (length) => this.received(bytes.subarray(0, length)) },
    }
    super(options)
  }

  private received(chunk: Buffer): boolean {
    if (!this.listener) return this.push(Buffer.from(chunk))
    this.arrived(chunk.length)
    this.listener(chunk)
    return true
  }

  subscribe(listener: Listener): void {
    this.listener = listener
    this.read(0)
  }

  /** From now on it is read as a stream. */
  unsubscribe(): void {
    this.listener = undefined
  }

  /** Chunks for a listener need no flow; Node's own `resume` begins one a tick later, whatever was paused. */
  override resume(): this {
    if (!this.listener) return super.resume()
    this.read(0)
    return this
  }
}

/**
 * Reads what sockets receive into one buffer for all of them. For sockets that a server has accepted Node knows no such
 * way: `onread` is an option of those that connect. So the accepted one hands its handle on to one that has the option
 * (docs/decisions/0017). Where that cannot be, for TLS or in a Node that has changed, it is read as ever.
 */
export class ReceiveBuffer {
  private readonly bytes = Buffer.allocUnsafeSlow(receiveBytes)

  /** @param arrived told of each read for a listener, in bytes */
  constructor(private readonly arrived: (bytes: number) => void = () => {}) {}

  /**
   * @param accepted of which nothing was read that its owner does not know of
   * @returns undefined: it can only be read as a stream
   */
  adopt(accepted: Socket): ReceivingSocket | undefined {
    if (accepted instanceof ReceivingSocket) return accepted
    const handle = (accepted as unknown as Owner)._handle
    if (accepted.constructor !== Socket || typeof handle?.useUserBuffer !== 'function') return undefined
    ;(accepted as unknown as Owner)._handle = null
    const socket = new ReceivingSocket(handle, this.bytes, this.arrived)
    // The server counts the one that it accepted, and waits for its end; who closes the server ends that one.
    socket.once('close', () => accepted.destroy())
    accepted.once('close', () => socket.destroy())
    return socket
  }
}
