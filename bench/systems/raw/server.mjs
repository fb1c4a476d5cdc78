import net from 'node:net'
import { listening } from '../../harness/listening.mjs'
import { kindOf, Names, relayRoute, reply, tagOf } from '../wire.mjs'
import { lengthBytes, prefixBytes, writeBytes, writePrefix } from './frames.mjs'

/** What may wait for one link before those who send to it are paused, bytes. */
const highWaterBytes = 4 * 1024 * 1024
/** Slices under this average are copied into one buffer before they are written: cheaper than many in one writev. */
const copyBytes = 4 * 1024

const names = new Names()

/** One connection. */
class Link {
  /** @param {net.Socket} socket */
  constructor(socket) {
    this.socket = socket
    this.number = 0
    /** The start of a frame whose head is not complete. @type {Buffer | undefined} */
    this.head = undefined
    /** A frame whose body is not complete: its parts so far, where it goes, and how much is missing. @type {Buffer[]} */
    this.parts = []
    /** @type {Link[]} */
    this.partsTargets = []
    this.missing = 0
    /** @type {Buffer[]} */
    this.queue = []
    this.queued = 0
    this.scheduled = false
    /** Links paused because this one is slow. @type {Set<Link>} */
    this.paused = new Set()
    socket.setNoDelay(true)
    socket.on('data', (/** @type {Buffer} */ chunk) => this.read(chunk))
    socket.on('drain', () => {
      this.flush()
      for (const link of this.paused) link.socket.resume()
      this.paused.clear()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      names.forget(this)
      for (const link of this.paused) link.socket.resume()
    })
  }

  /** Forwards the frames that a chunk completes, in runs of those that go to the same target. */
  read(/** @type {Buffer} */ chunk) {
    let bytes = chunk
    if (this.head !== undefined) {
      bytes = Buffer.concat([this.head, chunk])
      this.head = undefined
    }
    let at = 0
    if (this.missing > 0) {
      at = Math.min(this.missing, bytes.length)
      this.missing -= at
      this.parts.push(bytes.subarray(0, at))
      if (this.missing > 0) return
      for (const part of this.parts) this.forward(this.partsTargets, part)
      this.parts = []
    }
    /** @type {Link[]} */
    let targets = []
    let runRoute = -1
    let runFrom = at
    let lastFrom = at
    while (bytes.length - at >= prefixBytes) {
      const frameBytes = lengthBytes + bytes.readUInt32LE(at)
      const route = bytes.readUInt32LE(at + 4)
      if (route !== runRoute) {
        if (at > runFrom) this.forward(targets, bytes.subarray(runFrom, at))
        runRoute = route
        runFrom = at
        targets = route === relayRoute ? [] : (names.members(route) ?? [])
      }
      if (route === relayRoute) {
        if (bytes.length - at < frameBytes) break
        this.answer(bytes.subarray(at + prefixBytes, at + frameBytes), bytes.readUInt32LE(at + 8))
      } else {
        bytes.writeUInt32LE(this.number, at + 4)
      }
      lastFrom = at
      at += frameBytes
    }
    if (at > bytes.length) {
      this.missing = at - bytes.length
      this.parts = [bytes.subarray(lastFrom)]
      this.partsTargets = targets
      at = lastFrom
    } else if (at < bytes.length) {
      this.head = bytes.subarray(at)
    }
    if (at > runFrom) this.forward(targets, bytes.subarray(runFrom, at))
  }

  /** @param {readonly Link[]} targets @param {Buffer} slice */
  forward(targets, slice) {
    for (const target of targets) target.take(slice, this)
  }

  /** @param {Buffer} slice @param {Link} from */
  take(slice, from) {
    this.queue.push(slice)
    this.queued += slice.length
    if (this.queued >= writeBytes) this.flush()
    else this.schedule()
    if (this.queued + this.socket.writableLength > highWaterBytes && !this.paused.has(from)) {
      this.paused.add(from)
      from.socket.pause()
    }
  }

  schedule() {
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(flushLater, this)
  }

  flush() {
    if (this.queued === 0 || this.socket.writableLength > highWaterBytes) return
    const { queue, queued } = this
    this.queue = []
    this.queued = 0
    if (queue.length === 1) this.socket.write(/** @type {Buffer} */ (queue[0]))
    else if (queued / queue.length < copyBytes) this.socket.write(Buffer.concat(queue, queued))
    else {
      this.socket.cork()
      for (const slice of queue) this.socket.write(slice)
      this.socket.uncork()
    }
  }

  /** @param {Buffer} body @param {number} tag */
  answer(body, tag) {
    if (kindOf(tag) === reply) return
    const asked = JSON.parse(body.toString())
    const answer = names.answer(asked, this)
    if (asked.register !== undefined && 'number' in answer) this.number = answer.number
    const text = Buffer.from(JSON.stringify(answer))
    const frame = Buffer.alloc(prefixBytes + text.length)
    writePrefix(frame, 0, relayRoute, tagOf(reply, tag), text.length)
    text.copy(frame, prefixBytes)
    this.take(frame, this)
  }
}

/** @param {Link} link */
function flushLater(link) {
  link.scheduled = false
  link.flush()
}

const server = net.createServer({ noDelay: true }, (socket) => new Link(socket))
server.listen(0, '127.0.0.1', () => {
  listening({ port: /** @type {net.AddressInfo} */ (server.address()).port })
})
