import {
  decodeResponse,
  decodeTrailers,
  FrameType,
  type RawHeaders,
  type RequestHead,
  type ResponseHead,
  SealwayError,
} from '@sealway/protocol'
import { watchDeadline } from '../../messaging/deadline.js'
import { OwnBytes } from '../../messaging/payload.js'
import type { StreamOptions, StreamReader, StreamWriter } from '../../messaging/streams/reader.js'
import type { Timers } from '../../session/timers.js'
import { type Frame, framesOf, httpAction, none, requestFrame } from './frames.js'

/** Informational responses before the answer; more are a node gone wrong. */
const maxInformational = 32

export interface AskParts {
  readonly stream: (to: string, action: string, body: OwnBytes, options: StreamOptions) => StreamReader
  readonly timers: Timers
}

export interface Question {
  readonly to: string
  readonly head: RequestHead
  /** What goes with the head. */
  readonly body: Uint8Array | undefined
  /** What follows, as frames; without it, the request is complete. `pipe`: it asks for an upgrade, and more may follow. */
  readonly rest: AsyncIterable<Uint8Array> | 'pipe' | undefined
  /** How long to wait for the head of the answer, from the beginning or the last of the request that was sent since, ms. */
  readonly timeoutMs: number
  readonly idleTimeout?: number | undefined
  readonly credit?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Sends a request and waits for the head of its answer. @throws SealwayError as `fetch` */
export async function ask(parts: AskParts, question: Question): Promise<Answer> {
  const { to, head, rest, timeoutMs, idleTimeout, credit, signal } = question
  const { timers } = parts
  // When the wait began, or the request last moved on: who sends for long is not late.
  let movedAt = timers.monotonic()
  const opening = requestFrame(head, question.body, rest === undefined)
  const moved = (): void => {
    movedAt = timers.monotonic()
  }
  const input = typeof rest === 'object' ? watched(rest, moved) : undefined
  const what = `${head.method} http://${to}${head.target}`
  const options: StreamOptions = {
    timeout: timeoutMs,
    ...(idleTimeout === undefined ? {} : { idleTimeout }),
    ...(credit === undefined ? {} : { credit }),
    ...(signal ? { signal } : {}),
    ...(input ? { input } : {}),
  }
  let reader: StreamReader
  try {
    reader = parts.stream(to, httpAction, new OwnBytes(opening), options)
  } catch (error) {
    throw named(error, what, to)
  }
  // A request that is whole needs no end of its own: taken and not ended, it costs no record.
  const answer = new Answer(reader, what, to, input ? undefined : reader.input)
  let late: SealwayError | undefined
  let stopWatch: (() => void) | undefined
  const watch = (): void => {
    const leftMs = movedAt + timeoutMs - timers.monotonic()
    stopWatch = watchDeadline(timers, Math.max(1, leftMs), undefined, () => {
      if (timers.monotonic() - movedAt < timeoutMs) return watch()
      const message = `${to} did not answer within ${timeoutMs} ms`
      late = new SealwayError('TIMEOUT', {
        message,
        outcome: 'unknown',
        hop: 'receiver',
        target: to,
        afterMs: timeoutMs,
      })
      reader.cancel()
    })
  }
  reader.accepted.then(
    () => {
      if (!answer.head) watch()
    },
    () => {},
  )
  try {
    await answer.begin()
    return answer
  } catch (error) {
    throw named(late ?? error, what, to)
  } finally {
    stopWatch?.()
  }
}

/** The same, but that `moved` is called whenever the stream wants more, and gets it. Not a generator: it ends while it waits. */
function watched(rest: AsyncIterable<Uint8Array>, moved: () => void): AsyncIterableIterator<Uint8Array> {
  const frames = rest[Symbol.asyncIterator]()
  return {
    async next() {
      moved()
      const next = await frames.next()
      moved()
      return next
    },
    async return() {
      await frames.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

/** The same error, naming the request and not the stream under it. */
function named(error: unknown, what: string, to: string): unknown {
  if (!(error instanceof SealwayError)) return error
  const { code, outcome, hop, target, afterMs, data } = error
  const stream = `stream ${httpAction} to ${to}`
  const told = error.message.replace(`${stream}: `, '').replace(stream, 'it')
  return new SealwayError(code, {
    message: `${what}: ${told}`,
    outcome,
    cause: error.cause ?? error,
    ...(hop === undefined ? {} : { hop }),
    ...(target === undefined ? {} : { target }),
    ...(afterMs === undefined ? {} : { afterMs }),
    ...(data === undefined ? {} : { data }),
  })
}

/** What another node answers: a head, and then its body as it is read. */
export class Answer {
  /** Once `begin` has resolved. */
  head: ResponseHead | undefined
  /** After the last piece. */
  trailers: RawHeaders = []
  /** The answer is complete. */
  ended = false
  private from = ''
  private readonly frames: AsyncGenerator<Frame, undefined, undefined>
  private first: Uint8Array | undefined

  constructor(
    private readonly reader: StreamReader,
    private readonly what: string,
    private readonly to: string,
    /** Where bytes of a pipe go. */
    readonly writer: StreamWriter | undefined,
  ) {
    this.frames = framesOf(reader)
  }

  /** Who answers. */
  get node(): string {
    return this.from
  }

  /** Waits for the head. */
  async begin(): Promise<void> {
    try {
      for (let informed = 0; informed <= maxInformational; ) {
        const frame = await this.nextFrame()
        if (frame?.type !== FrameType.response) throw this.broken('it began with something else than a response')
        const { head, body } = decodeResponse(frame.body)
        if (head.status >= 200 || head.status === 101) {
          this.from = await this.reader.accepted
          this.head = head
          if (body.length > 0) this.first = body
          if (frame.end) this.finish()
          return
        }
        if (frame.end || body.length > 0) throw this.broken('an informational response with a body')
        informed++
      }
      throw this.broken(`more than ${maxInformational} informational responses`)
    } catch (error) {
      this.cancel()
      throw this.faulty(error)
    }
  }

  /** The next piece of the body; undefined after the last. @throws SealwayError `BAD_ANSWER`, and what broke the stream */
  async next(): Promise<Uint8Array | undefined> {
    const { first } = this
    if (first) {
      this.first = undefined
      return first
    }
    try {
      while (!this.ended) {
        const frame = await this.nextFrame()
        if (!frame) throw this.broken('it broke off')
        if (frame.type === FrameType.trailers) this.trailers = decodeTrailers(frame.body)
        else if (frame.type !== FrameType.data) throw this.broken('it has something else than a body')
        if (frame.end) this.finish()
        if (frame.type === FrameType.data && frame.body.length > 0) return frame.body
      }
      return undefined
    } catch (error) {
      this.cancel()
      throw named(this.faulty(error), this.what, this.to)
    }
  }

  /** All of the body, where it has come with the head. */
  get whole(): Uint8Array | undefined {
    return this.ended ? (this.first ?? none) : undefined
  }

  /** Nobody wants the rest: it ends at the other end, too. */
  cancel(): void {
    this.reader.cancel()
  }

  private async nextFrame(): Promise<Frame | undefined> {
    const { done, value } = await this.frames.next()
    return done ? undefined : value
  }

  /** Reads on to the end of the stream, which follows: until then the stream is open. */
  private finish(): void {
    this.ended = true
    this.frames.next().then(
      ({ done }) => done || this.cancel(),
      () => {},
    )
  }

  /** What the stream brings that is no HTTP is a bad answer; what broke the stream stays what it is. */
  private faulty(error: unknown): unknown {
    const { code, hop } = error as Partial<SealwayError>
    if (!(error instanceof SealwayError) || !(code === 'MALFORMED' || code === 'TOO_LARGE')) return error
    return hop === 'receiver' && error.target !== undefined ? error : this.broken(error.message, error)
  }

  private broken(why: string, cause?: unknown): SealwayError {
    return new SealwayError('BAD_ANSWER', {
      message: `what ${this.from || this.to} answered is not HTTP: ${why}`,
      outcome: 'unknown',
      hop: 'receiver',
      target: this.from || this.to,
      ...(cause === undefined ? {} : { cause }),
    })
  }
}
