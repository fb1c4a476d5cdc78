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

/** Its chunks go to the callback alone, so it needs no flow; Node's own `resume` begins one a tick later, whatever was paused. */
class LinkSocket extends Socket {
  override resume(): this {
    this.read(0)
    return this
  }
}

export interface Received {
  readonly socket: Socket
  /** Undefined: chunks come as `data` events, each in memory of its own. */
  readonly subscribe?: (listener: (chunk: Uint8Array) => void) => void
}

/**
 * Reads what sockets receive into one buffer for all of them. For sockets that a server has accepted Node knows no such
 * way: `onread` is an option of those that connect. So the accepted one hands its handle on to one that has the option
 * (docs/decisions/0017). Where that cannot be, for TLS or in a Node that has changed, it is read as ever.
 */
export class ReceiveBuffer {
  private readonly bytes = Buffer.allocUnsafeSlow(receiveBytes)

  /** @param accepted of which nothing was read that its owner does not know of */
  adopt(accepted: Socket): Received {
    const handle = (accepted as unknown as Owner)._handle
    if (accepted.constructor !== Socket || typeof handle?.useUserBuffer !== 'function') return { socket: accepted }
    const { bytes } = this
    let listener: ((chunk: Uint8Array) => void) | undefined
    const options: SocketOptions = {
      handle,
      allowHalfOpen: true,
      // Nothing is read before somebody listens.
      pauseOnCreate: true,
      onread: {
        buffer: bytes,
        callback(length) {
          listener?.(bytes.subarray(0, length))
          return true
        },
      },
    }
    ;(accepted as unknown as Owner)._handle = null
    const socket = new LinkSocket(options)
    // The server counts the one that it accepted, and waits for its end.
    socket.once('close', () => accepted.destroy())
    return {
      socket,
      subscribe(next) {
        listener = next
        socket.resume()
      },
    }
  }
}
