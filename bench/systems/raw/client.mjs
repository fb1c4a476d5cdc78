import net from 'node:net'
import { Calls, idOf, kindOf, message, relayRoute, reply, request, tagOf } from '../wire.mjs'
import { ownWriteBytes, prefixBytes, writeBytes, writePrefix } from './frames.mjs'

/** Holds the largest frame, and what is read at once beside it, bytes. */
const receiveBytes = 128 * 1024
/** More than this in the socket's queue is back-pressure, bytes. */
const highWaterBytes = 1024 * 1024

/** @type {import('../../harness/link.mjs').Open} */
export async function open(endpoint, { name, group, onMessage, answers }) {
  const calls = new Calls()
  const block = Buffer.allocUnsafeSlow(receiveBytes)
  /** Bytes at the start of the block that belong to a frame which is not complete. */
  let held = 0

  /** @param {number} from @param {number} tag @param {Buffer} body valid until this returns: the block is reused */
  const handle = (from, tag, body) => {
    switch (kindOf(tag)) {
      case message:
        return onMessage(body)
      case request:
        return answers ? out.add(from, tagOf(reply, idOf(tag)), Buffer.from(body)) : undefined
      default:
        return calls.answered(idOf(tag), Buffer.from(body))
    }
  }
  /** @param {number} read */
  const received = (read) => {
    const end = held + read
    let at = 0
    while (end - at >= prefixBytes) {
      const next = at + 4 + block.readUInt32LE(at)
      if (next > end) break
      handle(block.readUInt32LE(at + 4), block.readUInt32LE(at + 8), block.subarray(at + prefixBytes, next))
      at = next
    }
    held = end - at
    if (held > 0 && at > 0) block.copyWithin(0, at, end)
    return true
  }
  const socket = net.connect({
    host: endpoint.host,
    port: endpoint.port,
    noDelay: true,
    onread: { buffer: () => (held === 0 ? block : block.subarray(held)), callback: received },
  })
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  const out = new Out(socket)

  /** @param {object} question */
  const askRelay = async (question) => {
    const answer = await calls.make((id) => out.add(relayRoute, id, Buffer.from(JSON.stringify(question))))
    const { number, missing } = JSON.parse(Buffer.from(answer).toString())
    if (number === undefined) throw new Error(`nobody is called ${missing}`)
    return number
  }
  await askRelay({ register: name, group })

  return {
    address: (to) => askRelay({ find: to }),
    groupAddress: (to) => askRelay({ find: to }),
    send: (to, body) => out.add(/** @type {number} */ (to), tagOf(message, 0), body),
    broadcast: (to, body) => out.add(/** @type {number} */ (to), tagOf(message, 0), body),
    call: (to, body) => calls.make((id) => out.add(/** @type {number} */ (to), tagOf(request, id), body)),
    async close() {
      socket.destroy()
    },
  }
}

/** Frames on their way out: gathered until a write is full or the event loop's turn ends. */
class Out {
  #used = 0
  #block = Buffer.alloc(0)
  #scheduled = false
  /** @type {Promise<unknown> | undefined} */
  #drained

  /** @param {net.Socket} socket */
  constructor(socket) {
    this.socket = socket
  }

  /**
   * @param {number} route
   * @param {number} tag
   * @param {Buffer} body copied, unless it is large
   * @returns {Promise<unknown> | undefined}
   */
  add(route, tag, body) {
    const own = body.length >= ownWriteBytes
    const needed = prefixBytes + (own ? 0 : body.length)
    if (this.#block.length - this.#used < needed) {
      this.#flush()
      this.#block = Buffer.allocUnsafeSlow(writeBytes)
    }
    const at = this.#used
    writePrefix(this.#block, at, route, tag, body.length)
    this.#used = at + needed
    if (own) {
      this.socket.cork()
      this.#flush()
      this.socket.write(body)
      this.socket.uncork()
    } else {
      body.copy(this.#block, at + prefixBytes)
      if (!this.#scheduled) {
        this.#scheduled = true
        setImmediate(() => {
          this.#scheduled = false
          this.#flush()
        })
      }
    }
    if (this.socket.writableLength < highWaterBytes) return undefined
    this.#drained ??= new Promise((resolve) =>
      this.socket.once('drain', () => {
        this.#drained = undefined
        resolve(undefined)
      }),
    )
    return this.#drained
  }

  /** Writes what was gathered; the rest of the block goes on to be filled. */
  #flush() {
    if (this.#used === 0) return
    this.socket.write(this.#block.subarray(0, this.#used))
    this.#block = this.#block.subarray(this.#used)
    this.#used = 0
  }
}
