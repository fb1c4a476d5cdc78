import type { ServerResponse } from 'node:http'
import { HttpLinkHeader, maxHttpPieceBytes } from '@sealway/protocol'
import type { Backlog } from './backlog.js'
import { answer, beginEvents } from './http-answer.js'

/** Bytes in one event; base64 makes 64 KiB of them. */
const maxEventBytes = 48 * 1024
/** A silent stream of events says something so often, ms: proxies cut what is quiet for 30 s. */
const commentMs = 10_000

export interface PollParts {
  readonly response: ServerResponse
  readonly from: number
  readonly asEvents: boolean
  readonly backlog: Backlog
  readonly waitMs: number
  /** Of events: what may be on the way. */
  readonly windowBytes: number
  /** All before `to` is in an answer; `last`: nothing will follow. */
  readonly handed: (to: number, last: boolean) => void
  /** It is answered, or its client has gone. */
  readonly gone: () => void
}

/** One request for a link's bytes: a poll, answered once there are some, or events until one side ends it. */
export class Poll {
  private at: number
  private over = false
  private readonly timer: NodeJS.Timeout
  private readonly parts: PollParts

  constructor(parts: PollParts) {
    this.parts = parts
    this.at = parts.from
    const { response, asEvents } = parts
    response.on('close', () => this.close())
    if (asEvents) {
      beginEvents(response)
      response.on('drain', () => this.offer(this.ended))
      this.timer = setInterval(() => response.write(':\n\n'), commentMs).unref()
    } else {
      this.timer = setTimeout(() => this.answerEmpty(false), parts.waitMs).unref()
    }
  }

  private ended = false

  /** There may be more to send; `ended`: and nothing after it. */
  offer(ended: boolean): void {
    this.ended = ended
    if (this.over) return
    if (this.parts.asEvents) this.sendEvents()
    else this.answerOnce()
  }

  acknowledged(): void {
    if (this.parts.asEvents) this.offer(this.ended)
  }

  private answerOnce(): void {
    const { backlog, response, handed } = this.parts
    if (this.at === backlog.end) {
      if (this.ended) this.answerEmpty(true)
      return
    }
    const piece = backlog.slice(this.at, maxHttpPieceBytes)
    const to = this.at + piece.length
    const last = this.ended && to === backlog.end
    const headers = {
      'content-type': 'application/octet-stream',
      [HttpLinkHeader.offset]: String(this.at),
      ...(last ? { [HttpLinkHeader.end]: '1' } : {}),
    }
    this.close()
    answer(response, 200, headers, piece)
    handed(to, last)
  }

  private sendEvents(): void {
    const { backlog, response, windowBytes, handed } = this.parts
    while (this.at < backlog.end && this.at - backlog.base < windowBytes && !response.writableNeedDrain) {
      const piece = backlog.slice(this.at, maxEventBytes)
      this.at += piece.length
      response.write(`id: ${this.at}\ndata: ${piece.toString('base64')}\n\n`)
    }
    const last = this.ended && this.at === backlog.end
    if (last) {
      this.close()
      response.end('event: end\ndata:\n\n')
    }
    handed(this.at, last)
  }

  private answerEmpty(last: boolean): void {
    this.close()
    answer(this.parts.response, 204, last ? { [HttpLinkHeader.end]: '1' } : {})
    if (last) this.parts.handed(this.at, true)
  }

  /** Another took its place, or its link is over: whoever still waits is told to ask anew. */
  giveWay(): void {
    if (this.over) return
    this.close()
    if (this.parts.asEvents) this.parts.response.end()
    else answer(this.parts.response, 204, {})
  }

  private close(): void {
    if (this.over) return
    this.over = true
    clearTimeout(this.timer)
    this.parts.gone()
  }
}
