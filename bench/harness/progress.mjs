import net from 'node:net'

/**
 * How the sender learns what has arrived: a Unix socket of the harness from receiver to sender, 8 bytes per report
 * (the count so far). It carries some 30 reports per window, so it weighs nothing beside what is measured.
 */

/**
 * The receiver's side.
 *
 * @param {string} path
 * @returns {Promise<(count: number) => void>} sends a count to the sender
 */
export function listenForSender(path) {
  return new Promise((resolve, reject) => {
    /** @type {net.Socket | undefined} */
    let sender
    const server = net.createServer((socket) => {
      sender = socket
      socket.on('error', () => {})
    })
    server.once('error', reject)
    server.listen(path, () =>
      resolve((count) => {
        const report = Buffer.allocUnsafe(8)
        report.writeDoubleLE(count)
        sender?.write(report)
      }),
    )
  })
}

/** The sender's side. */
export class Progress {
  /** Deliveries that the receiver has reported. */
  seen = 0
  /** @type {(() => void) | undefined} */
  #wake

  /** @param {string} path */
  static async connect(path) {
    const progress = new Progress()
    const socket = net.connect(path)
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    /** @type {Buffer} */
    let rest = Buffer.alloc(0)
    socket.on('data', (/** @type {Buffer} */ chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      const whole = bytes.length - (bytes.length % 8)
      if (whole > 0) progress.#moved(bytes.readDoubleLE(whole - 8))
      rest = bytes.subarray(whole)
    })
    return progress
  }

  /** Resolves at the next report. */
  next() {
    return new Promise((resolve) => {
      this.#wake = () => resolve(undefined)
    })
  }

  /** Lets a sender that waits look again, although nothing arrived: it is to stop. */
  wake() {
    this.#moved(this.seen)
  }

  /** @param {number} seen */
  #moved(seen) {
    this.seen = seen
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
