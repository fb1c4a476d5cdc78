import type { Socket } from 'node:net'

/** Head and body of most answers, bytes. */
const scratchBytes = 64 * 1024

/**
 * Memory in which an answer is put together. Nearly always the operating system takes it at once, and it is free again for
 * the next one, of whichever connection; where not, it is left to the socket.
 */
export class Scratch {
  private bytes = Buffer.allocUnsafeSlow(scratchBytes)

  /** Writes text, bytes and text, in one piece. */
  write(socket: Socket, before: string, body: Uint8Array | undefined, after: string): void {
    const length = before.length + (body?.length ?? 0) + after.length
    if (length === 0) return
    const bytes = length <= scratchBytes ? this.bytes : Buffer.allocUnsafeSlow(length)
    bytes.write(before, 'latin1')
    if (body) bytes.set(body, before.length)
    if (after !== '') bytes.write(after, length - after.length, 'latin1')
    socket.write(bytes.subarray(0, length))
    if (socket.writableLength > 0 && bytes === this.bytes) this.bytes = Buffer.allocUnsafeSlow(scratchBytes)
  }
}
