import type { Code } from '@sealway/protocol'
import type { Identity } from '../auth/authenticator.js'

/** A JSON Schema (2020-12), as OpenAPI 3.1 uses it. */
export type JsonSchema = { readonly [keyword: string]: unknown }

/** What an answer holds that is no JSON: bytes, or bytes and server-sent events, by what was asked for. */
export const octets: JsonSchema = { description: 'application/octet-stream' }
export const plainText: JsonSchema = { description: 'text/plain' }
export const events: JsonSchema = { description: 'application/octet-stream or text/event-stream' }

/** `public`: anybody. `token`: any good token, the handler decides. Else the scope that the token must hold. */
export type Access = 'public' | 'token' | 'admin:read' | 'admin:write'

/** One request, after everything in it was checked against its route. */
export interface Call {
  /** Names in the path, decoded, not yet checked against the grammar of names. */
  readonly params: ReadonlyMap<string, string>
  readonly query: { readonly [name: string]: unknown }
  /** Of a route that takes bytes: them. */
  readonly body: unknown
  /** By its lower-case name. */
  header(name: string): string | undefined
  /** Fires when whoever asked has gone. */
  readonly signal: AbortSignal
  /** Absent on public routes only. */
  readonly caller?: Identity
  /** Who is asking, for the audit trail: `node:orders-1`, `operator:ada`. */
  readonly actor: string
  /** Where it came from; `secure`: over TLS. */
  readonly peer: { readonly address: string; readonly cookie: string; readonly secure: boolean }
}

export interface Answer {
  readonly status: number
  /** Sent as JSON; absent: no body. */
  readonly body?: unknown
  readonly headers?: { readonly [name: string]: string }
  /** Sent instead, as application/octet-stream. */
  readonly bytes?: Uint8Array
  /** Sent instead, as text/plain unless a header says otherwise. */
  readonly text?: string
  /** Sent instead, as text/event-stream, as they come. */
  readonly events?: AsyncIterable<string>
}

/** One row of the routes table, from which both Express and the OpenAPI document are made. */
export interface Route {
  readonly id: string
  readonly method: 'get' | 'post' | 'patch' | 'delete'
  /** As OpenAPI writes it: `/v1/nodes/{name}`. */
  readonly path: string
  readonly access: Access
  readonly summary: string
  /** Schema of each query parameter. */
  readonly query?: { readonly [name: string]: JsonSchema }
  readonly body?: JsonSchema
  /** The body is bytes, at most so many: as application/octet-stream, or in base64 as `{ "frame": "..." }`. */
  readonly bytes?: { readonly maxBytes: number }
  /** What a good answer holds, by status; `null`: no body. */
  readonly answers: { readonly [status: number]: JsonSchema | null }
  /** What may go wrong, beyond what may go wrong with every route of this shape. */
  readonly errors?: readonly Code[]
  readonly handler: (call: Call) => Answer | Promise<Answer>
}

export const ok = (body: unknown): Answer => ({ status: 200, body })
export const noContent: Answer = { status: 204 }

export const pathParams = (path: string): string[] => [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!)
