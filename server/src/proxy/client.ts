import type { IncomingMessage, ServerResponse } from 'node:http'

/** The head of a client's request: of Node's, or of one that came whole (`fast-path`). */
export interface ClientRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly httpVersion: string
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[]
  /** All of it has come. */
  readonly complete: boolean
  readonly socket: { readonly remoteAddress?: string | undefined; readonly encrypted?: boolean | undefined }
}

/** What a client is answered through, one write after the other. */
export interface ClientResponse {
  readonly headersSent: boolean
  readonly destroyed: boolean
  /** Bytes that the client has not taken yet. */
  readonly writableLength: number
  writeHead(status: number, headers: string[]): unknown
  writeHead(status: number, reason: string, headers: string[]): unknown
  flushHeaders(): void
  write(chunk: Uint8Array, written: () => void): unknown
  end(body?: Uint8Array): unknown
  addTrailers(pairs: [string, string][]): void
  /** Breaks it off, and the connection with it. */
  destroy(): unknown
  /** All of it was taken, or the client has gone. */
  on(event: 'close', listener: () => void): unknown
}

/** Node's own, for whatever reads a request or writes an answer as a stream. */
export interface Streams {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

export interface WholeResponse extends ClientResponse {
  /** An answer below 200, as text. */
  inform(text: string): void
}

/** A request that has come whole: its body is the caller's during the call in which it is told of. */
export interface Whole {
  readonly request: ClientRequest
  readonly response: WholeResponse
  readonly body: Uint8Array
}

export type Client = Whole | (Streams & { readonly body?: undefined })
