import type { Code, RawHeaders, ResponseHead } from '@sealway/protocol'
import type { Budget } from '../session/outbox.js'
import type { AnswerReader } from './exchange.js'
import { responseHeaders } from './response-headers.js'
import type { Asked } from './upstream.js'

/** What one member answered, or why it did not. */
export interface Entry {
  readonly node: string
  readonly durationMs: number
  readonly status?: number
  /** By name in lower case; what came more than once as a list. */
  readonly headers?: { readonly [name: string]: string | readonly string[] }
  readonly body?: string
  /** How `body` is written: as it is, or in base64 (RFC 4648 s4) where it is no UTF-8. */
  readonly encoding?: 'text' | 'base64'
  readonly error?: { readonly code: Code; readonly detail: string }
}

export interface GatheredParts {
  readonly node: string
  readonly monotonic: () => number
  /** Longest body, bytes. */
  readonly maxBodyBytes: number
  /** What waits here is part of it. */
  readonly budget: Budget
  /** Called once. */
  readonly done: (entry: Entry, bodyBytes: number) => void
}

/** One member's answer to what all were asked, kept until it is complete. */
export class Gathered implements AnswerReader {
  readonly upgrades = false
  asked: Asked | undefined
  private readonly startedAt: number
  private head: ResponseHead | undefined
  private headers: string[] = []
  private readonly chunks: Uint8Array[] = []
  private bytes = 0
  private heldBytes = 0

  constructor(private readonly parts: GatheredParts) {
    this.startedAt = parts.monotonic()
  }

  inform(): void {}

  answer(head: ResponseHead, body: Uint8Array, end: boolean): void {
    const read = responseHeaders(head)
    if (typeof read === 'string') {
      this.refuse('BAD_ANSWER', read)
      return
    }
    this.head = head
    this.headers = read.headers
    this.data(body, end)
  }

  data(chunk: Uint8Array, end: boolean): void {
    this.bytes += chunk.length
    if (this.bytes > this.parts.maxBodyBytes) {
      this.refuse('TOO_LARGE', `the body is over ${this.parts.maxBodyBytes} bytes`)
      return
    }
    // A copy: the whole read that it came in would wait with it.
    if (chunk.length > 0) this.chunks.push(new Uint8Array(chunk))
    this.heldBytes += chunk.length
    this.parts.budget.usedBytes += chunk.length
    this.asked?.taken(chunk.length)
    if (end) this.complete()
  }

  trailers(_trailers: RawHeaders): void {
    this.complete()
  }

  drain(): void {}

  failed(code: Code, detail: string): void {
    const { node, done } = this.parts
    this.release()
    done({ node, durationMs: this.durationMs(), error: { code, detail } }, 0)
  }

  private refuse(code: Code, detail: string): void {
    this.asked?.abort(code)
    this.failed(code, detail)
  }

  /** Nobody waits for it: what it holds is given back. */
  abort(code: Code): void {
    this.release()
    this.asked?.abort(code)
  }

  private release(): void {
    this.parts.budget.usedBytes -= this.heldBytes
    this.heldBytes = 0
  }

  private complete(): void {
    this.release()
    const body = Buffer.concat(this.chunks)
    const text = utf8(body)
    const entry: Entry = {
      node: this.parts.node,
      status: this.head!.status,
      headers: byName(this.headers),
      body: text ?? body.toString('base64'),
      encoding: text === undefined ? 'base64' : 'text',
      durationMs: this.durationMs(),
    }
    this.parts.done(entry, body.length)
  }

  private durationMs(): number {
    return Math.round((this.parts.monotonic() - this.startedAt) * 100) / 100
  }
}

function utf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function byName(headers: readonly string[]): { [name: string]: string | string[] } {
  const values = new Map<string, string | string[]>()
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase()
    // Whoever reads this JSON should not have to think of prototypes.
    if (name === '__proto__' || name === 'constructor' || name === 'prototype') continue
    const before = values.get(name)
    const value = headers[i + 1]!
    values.set(name, before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value])
  }
  return Object.fromEntries(values)
}
