import { type Code, SealwayError } from '@sealway/protocol'
import type { Budget } from '../session/outbox.js'
import type { Members, Way } from './directory.js'
import { type Entry, Gathered } from './gathered.js'
import { Taken } from './taken.js'
import type { Visit } from './visit.js'

/** Bounds of one request to all members. */
export const manyLimits = {
  /** Of the request, which is kept to be sent to each of them, bytes. */
  requestBytes: 1024 * 1024,
  /** Of one member's answer, bytes. */
  bodyBytes: 256 * 1024,
  /** Of all answers together, bytes. */
  totalBytes: 16 * 1024 * 1024,
  /** Members that are asked at once. */
  atOnce: 64,
} as const

/**
 * Asks every member, and answers with JSON: `{ "group", "answers": [ entry, ... ] }`, each entry as soon as it is there.
 */
export class Many {
  private readonly waiting: Members
  private readonly running = new Set<Gathered>()
  private readonly chunks: Buffer[] = []
  private body = Buffer.alloc(0)
  private requestBytes = 0
  private answerBytes = 0
  private written = 0
  private stopped = false
  private paused = false
  /** In the middle of starting: what is done at once must not start more from below. */
  private starting = false
  private taken: Taken | undefined

  constructor(
    private readonly visit: Visit,
    private readonly budget: Budget,
    members: Members,
  ) {
    this.waiting = [...members].reverse()
  }

  start(): void {
    const { visit } = this
    const { guarded } = visit
    const { request, response } = visit.streams
    visit.current = this
    if (guarded.bodyBytes > manyLimits.requestBytes) {
      this.tooLarge()
      return
    }
    if (guarded.bodyBytes === 0) {
      this.ask()
      return
    }
    if (guarded.expects) response.writeContinue()
    request.on('data', (chunk: Buffer) => {
      if (visit.over) return
      this.requestBytes += chunk.length
      if (this.requestBytes > manyLimits.requestBytes) this.tooLarge()
      else this.chunks.push(chunk)
    })
    request.on('end', () => {
      if (visit.over) return
      this.body = Buffer.concat(this.chunks)
      this.chunks.length = 0
      this.ask()
    })
  }

  private tooLarge(): void {
    this.visit.failed('TOO_LARGE', `a request to all members has a body of at most ${manyLimits.requestBytes} bytes`)
  }

  /** The client has gone: nobody needs the answers. */
  abort(code: Code): void {
    this.stopped = true
    for (const one of this.running) one.abort(code)
    this.taken?.close()
    this.running.clear()
  }

  private ask(): void {
    const { target } = this.visit
    const { response } = this.visit.streams
    this.visit.handedAt = this.visit.monotonic()
    response.writeHead(200, ['Content-Type', 'application/json', 'Cache-Control', 'no-store'])
    response.write(`{"group":${JSON.stringify(target.group)},"answers":[`)
    const taken = new Taken(response, this.budget, () => {})
    this.taken = taken
    response.on('close', () => taken.close())
    response.on('drain', () => {
      this.paused = false
      this.next()
    })
    this.next()
  }

  private next(): void {
    if (this.starting || this.stopped) return
    this.starting = true
    while (this.running.size < manyLimits.atOnce && !this.paused && !this.stopped) {
      const asked = this.waiting.pop()
      if (!asked) break
      if ('code' in asked) this.entry({ node: asked.node, durationMs: 0, error: asked })
      else this.askOne(asked)
    }
    this.starting = false
    if (this.waiting.length === 0 && this.running.size === 0 && !this.stopped) {
      this.stopped = true
      this.visit.streams.response.end(']}')
      this.visit.answered()
    }
  }

  private askOne({ destination, upstream }: Way): void {
    const node = destination.name
    const one: Gathered = new Gathered({
      node,
      monotonic: this.visit.monotonic,
      budget: this.budget,
      maxBodyBytes: Math.min(manyLimits.bodyBytes, manyLimits.totalBytes - this.answerBytes),
      done: (entry, bytes) => {
        this.running.delete(one)
        this.answerBytes += bytes
        this.entry(entry)
        this.next()
      },
    })
    const asked = upstream.ask(this.visit, destination, this.body, one)
    if (asked instanceof SealwayError) {
      this.entry({ node, durationMs: 0, error: { code: asked.code, detail: asked.message } })
      return
    }
    this.running.add(one)
    one.asked = asked
  }

  private entry(entry: Entry): void {
    if (this.stopped) return
    const { error } = entry
    const shown = error ? { ...entry, error: { code: error.code, detail: error.detail } } : entry
    const text = Buffer.from(`${this.written++ === 0 ? '' : ','}${JSON.stringify(shown)}`)
    this.taken!.wrote(text.length)
    if (!this.visit.streams.response.write(text, this.taken!.settle)) this.paused = true
  }
}
