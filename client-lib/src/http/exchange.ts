import type { Code, RawHeaders, RequestHead, ResponseHead, SealwayError } from '@sealway/protocol'

/** Who asks, as far as it is known. */
export interface Asker {
  /** The request and its answer are sealed between two nodes; otherwise the mediator has read them. */
  readonly sealed: boolean
  /** The node that asks; undefined where the request came to the mediator over HTTP. */
  readonly from: string | undefined
  /** The group that was addressed, where one was. */
  readonly group: string | undefined
  /** Correlation of the sealed request. */
  readonly key: string | undefined
}

/** What an exchange tells the one who answers it. */
export interface ExchangeReader {
  /** More of the request's body. The bytes are the reader's to keep. */
  data(chunk: Uint8Array): void
  /** The request's body is complete. */
  end(trailers: RawHeaders): void
  /** Nobody waits for the answer any more, or the way broke. Once; nothing follows it. */
  aborted(error: SealwayError): void
  /** After a `write` that returned false: there is room again. */
  drain(): void
}

/**
 * One HTTP request that arrived at this node, and its answer, whatever carried it: the link's exchange frames (tunnel) or
 * a sealed stream. A carrier makes it; `serve` answers it with the user's app.
 */
export interface Exchange {
  readonly head: RequestHead
  readonly asker: Asker
  /** Fires with `aborted`. */
  readonly signal: AbortSignal
  /** Begins to hand out the body, from the next call of `consumed` on as fast as it is taken. Called once. */
  start(reader: ExchangeReader): void
  /** So many bytes of the request's body were taken by the app: as many more may come. */
  consumed(bytes: number): void
  /** A response with status 100 to 199, but for 101. */
  inform(head: ResponseHead): void
  /**
   * The head of the answer; `body` is what there is of it already. `end`: that is all. 101 turns the exchange into a
   * pipe of bytes in both directions.
   * @returns false where the answer should wait for `drain`
   * @throws SealwayError `MALFORMED` or `TOO_LARGE`: the head is not HTTP; nothing was sent
   */
  respond(head: ResponseHead, body: Uint8Array | undefined, end: boolean): boolean
  /** More of the answer's body. The bytes may be changed as soon as this returns. @returns false: wait for `drain` */
  write(chunk: Uint8Array): boolean
  end(chunk?: Uint8Array, trailers?: RawHeaders): void
  /** Breaks the exchange off, towards whoever asked. */
  reset(code: Code): void
}

/** Answers one exchange. Never throws and never rejects: what goes wrong is answered or reset. */
export type Serve = (exchange: Exchange) => void
