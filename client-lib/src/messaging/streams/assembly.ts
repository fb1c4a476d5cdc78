import type { SealwayError } from '@sealway/protocol'
import { Encoding } from '../payload.js'
import { type Fault, type Inflow, missing, wrong } from './inbound.js'
import { dataCost } from './wire.js'

export interface AssemblyParts {
  /** What stands before the body in the record that it replaces. */
  readonly head: Uint8Array
  /** Of the body, bytes. */
  readonly length: number
  readonly windowBytes: number
  grant(bytes: number): void
  /** Head and body in one piece. */
  complete(message: Buffer): void
}

/** One body that is too large for a frame, put together from a stream of its bytes. */
export class Assembly implements Inflow {
  offset = 0
  readonly starving = true
  private readonly parts: AssemblyParts
  private message: Buffer | undefined
  private allowed = 0
  private owed = 0

  constructor(parts: AssemblyParts) {
    this.parts = parts
  }

  begin(): number {
    const { head, length, windowBytes } = this.parts
    // Memory of its own: it is not touched, and so not used, before it is filled.
    this.message = Buffer.allocUnsafeSlow(head.length + length)
    this.message.set(head)
    this.allowed = windowBytes
    return windowBytes
  }

  push(offset: number, encoding: number, plaintext: Buffer, start: number, end: number): Fault | undefined {
    const { parts, message } = this
    const size = end - start
    if (!message || size + dataCost > this.allowed) return wrong('more data than was granted')
    if (encoding !== Encoding.bytes || size === 0) return wrong('a body that is not bytes')
    if (offset !== this.offset) return missing(`data at ${offset}, where ${this.offset} comes next`)
    if (offset + size > parts.length) return wrong('a body longer than it was said to be')
    plaintext.copy(message, parts.head.length + offset, start, end)
    this.offset += size
    this.allowed -= size + dataCost
    this.owed += size + dataCost
    if (this.owed * 4 >= parts.windowBytes && this.offset < parts.length) {
      this.allowed += this.owed
      parts.grant(this.owed)
      this.owed = 0
    }
    return undefined
  }

  end(length: number): Fault | undefined {
    if (length !== this.parts.length) return wrong(`an end at ${length} of a body of ${this.parts.length} bytes`)
    if (this.offset !== length) return missing(`an end at ${length}, where ${this.offset} had come`)
    this.parts.complete(this.message!)
    return undefined
  }

  fail(_error: SealwayError): void {
    this.message = undefined
  }
}
