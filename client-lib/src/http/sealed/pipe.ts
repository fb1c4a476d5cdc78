import { Duplex } from 'node:stream'
import { limits, type RequestHead, type ResponseHead, SealwayError } from '@sealway/protocol'
import type { Answer } from './ask.js'
import { dataFrames, endFrames } from './frames.js'
import { Outflow } from './outflow.js'

type Callback = (error?: Error | null) => void

/**
 * The connection of a client that asks for an upgrade. It writes its request and reads the answer as text, as on a TCP
 * socket: here that is taken apart and put together. After 101, what it writes and reads are bytes of the new protocol.
 */
export class Pipe extends Duplex {
  /** What was written of the request; undefined once it has left. */
  private request: Buffer | undefined = Buffer.alloc(0)
  private answer: Answer | undefined
  private outflow: Outflow | undefined
  /** Of a write that waits for room, or for the answer. */
  private waiting: Callback | undefined
  private pulling = false
  private complete = false

  /** @param ask sends the request; rejects unless the answer is 101 */
  constructor(private readonly ask: (head: RequestHead) => Promise<Answer>) {
    super({ allowHalfOpen: false })
  }

  override _write(chunk: Buffer, _encoding: string, callback: Callback): void {
    if (this.outflow) {
      if (this.outflow.add(dataFrames(chunk, false))) callback()
      else this.waiting = callback
      return
    }
    if (!this.request) {
      this.waiting = () => this._write(chunk, _encoding, callback)
      return
    }
    this.request = Buffer.concat([this.request, chunk])
    const end = this.request.indexOf('\r\n\r\n')
    if (end < 0 && this.request.length > limits.maxHeadBytes) {
      callback(new SealwayError('HEADERS_TOO_LARGE', { outcome: 'not-delivered', hop: 'client' }))
      return
    }
    if (end >= 0) {
      const head = readHead(this.request.toString('latin1', 0, end))
      this.request = undefined
      void this.begin(head)
    }
    callback()
  }

  /** What was corked together leaves together: a frame of WebSocket is its header and its payload. */
  override _writev(chunks: { chunk: Buffer }[], callback: Callback): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'buffer', callback)
  }

  override _read(): void {
    if (this.answer) void this.pull(this.answer)
  }

  override _final(callback: Callback): void {
    this.outflow?.add(endFrames(undefined, []))
    this.outflow?.end()
    callback()
  }

  override _destroy(error: Error | null, callback: Callback): void {
    if (!this.complete || !this.writableFinished) this.answer?.cancel()
    this.waiting?.(error)
    this.waiting = undefined
    callback(error)
  }

  setTimeout(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  private async begin(head: RequestHead): Promise<void> {
    try {
      const answer = await this.ask(head)
      if (this.destroyed) return answer.cancel()
      this.outflow = new Outflow(answer.writer!, () => this.proceed())
      this.push(textOf(answer.head!))
      this.answer = answer
      this.proceed()
      await this.pull(answer)
    } catch (error) {
      this.destroy(error as Error)
    }
  }

  private proceed(): void {
    const { waiting } = this
    this.waiting = undefined
    waiting?.()
  }

  private async pull(answer: Answer): Promise<void> {
    if (this.pulling || this.complete) return
    this.pulling = true
    try {
      for (let more = true; more && !this.destroyed; ) {
        const piece = await answer.next()
        if (!piece) this.complete = true
        more = this.push(piece ?? null) && !this.complete
      }
    } catch (error) {
      this.destroy(error as Error)
    } finally {
      this.pulling = false
    }
  }
}

/** What Node's own client wrote. */
function readHead(text: string): RequestHead {
  const [start, ...lines] = text.split('\r\n')
  const [method, target] = start!.split(' ')
  const headers = lines.flatMap((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  return { method: method!, target: target!, headers }
}

function textOf({ status, reason, headers }: ResponseHead): Buffer {
  let text = `HTTP/1.1 ${status} ${reason}\r\n`
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
  return Buffer.from(`${text}\r\n`, 'latin1')
}
