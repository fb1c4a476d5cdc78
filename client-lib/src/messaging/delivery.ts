import type { SealwayError } from '@sealway/protocol'
import type { Outcome } from './outcomes.js'
import { type Codec, decodeBody, metaFlag } from './payload.js'

/** What a handler receives. */
export interface Command<Body = unknown> {
  readonly action: string
  /** Bytes arrive as a Buffer that shares memory with its bundle; copy what is kept for long. */
  readonly body: Body
  /** Correlation: the same at sender and receiver. */
  readonly key: string
  readonly meta: { readonly [name: string]: unknown }
}

/** What a handler can ask and do beyond its command. */
export interface Context {
  /** Verified by the seal: the name of the node that sent it. */
  readonly from: string
  /** As it was addressed: this node's name, `any:<group>` or `group:<group>`. */
  readonly to: string
  readonly key: string
  /** When the caller stops waiting, ms since 1970; undefined where nobody waits. */
  readonly deadline: number | undefined
  /** Fires when the caller gave up, its deadline passed, or it disconnected. */
  readonly signal: AbortSignal
  /** `throw ctx.fail(code, data)`: an expected error, which the caller gets as such. */
  fail(code: string, data?: unknown): ExpectedError
}

/** Thrown by a handler to answer with an error that the caller is meant to handle. */
export class ExpectedError extends Error {
  override readonly name = 'ExpectedError'
  constructor(
    readonly code: string,
    readonly data: unknown,
  ) {
    super(`expected error ${code}`)
  }
}

/** One message on its way to a handler: command and context in one object, decoded when asked. */
export class Delivery implements Command, Context {
  private decoded: unknown
  private isDecoded = false
  private controller: AbortController | undefined
  private abortReason: SealwayError | undefined
  /** Where its answer is kept, if it may come again. */
  outcome: Outcome | undefined
  /** Sender and the user's id, if it has one. */
  messageId: string | undefined
  /** Of the deadline, while the handler runs. */
  timer: unknown

  constructor(
    readonly action: string,
    readonly from: string,
    readonly to: string,
    readonly scope: string,
    readonly kind: number,
    /** -1: nobody waits for an answer. */
    readonly corr: number,
    readonly deadline: number | undefined,
    private readonly encoding: number,
    private readonly bytes: Buffer,
    private readonly metaStart: number,
    private readonly bodyStart: number,
    private readonly bodyEnd: number,
    private readonly codec: Codec | undefined,
  ) {}

  get key(): string {
    return `${this.from}/${this.corr < 0 ? '-' : this.corr}`
  }

  get flags(): number {
    return this.encoding
  }

  /** Size of the body as sent, bytes. */
  get bodyBytes(): number {
    return this.bodyEnd - this.bodyStart
  }

  get body(): unknown {
    if (!this.isDecoded) {
      this.decoded = decodeBody(this.encoding, this.bytes, this.bodyStart, this.bodyEnd, this.codec)
      this.isDecoded = true
    }
    return this.decoded
  }

  get meta(): { readonly [name: string]: unknown } {
    if ((this.encoding & metaFlag) === 0) return noMeta
    return decodeBody(3, this.bytes, this.metaStart, this.bodyStart) as { [name: string]: unknown }
  }

  get signal(): AbortSignal {
    this.controller ??= new AbortController()
    if (this.abortReason) this.controller.abort(this.abortReason)
    return this.controller.signal
  }

  /** Why nobody waits for it any more. */
  get aborted(): SealwayError | undefined {
    return this.abortReason
  }

  abort(reason: SealwayError): void {
    this.abortReason ??= reason
    this.controller?.abort(this.abortReason)
  }

  fail(code: string, data?: unknown): ExpectedError {
    return new ExpectedError(code, data)
  }
}

const noMeta = Object.freeze({})

/** Reads a message out of its record. @returns undefined where the payload is malformed */
export function readPayload(
  bytes: Buffer,
  start: number,
  end: number,
): { encoding: number; actionStart: number; actionEnd: number; metaStart: number; bodyStart: number } | undefined {
  if (end - start < 2) return undefined
  const encoding = bytes[start]!
  const actionStart = start + 2
  const actionEnd = actionStart + bytes[start + 1]!
  if (actionEnd > end || actionEnd === actionStart) return undefined
  if ((encoding & metaFlag) === 0)
    return { encoding, actionStart, actionEnd, metaStart: actionEnd, bodyStart: actionEnd }
  if (actionEnd + 2 > end) return undefined
  const metaStart = actionEnd + 2
  const bodyStart = metaStart + bytes.readUInt16BE(actionEnd)
  return bodyStart > end ? undefined : { encoding, actionStart, actionEnd, metaStart, bodyStart }
}
