import {
  type Code,
  decodeRequest,
  decodeTrailers,
  FrameType,
  type RawHeaders,
  type RequestHead,
  type ResponseHead,
  SealwayError,
} from '@sealway/protocol'
import type { Command, Context, Delivery } from '../../messaging/delivery.js'
import type { Handler } from '../../messaging/middleware.js'
import type { StreamWriter } from '../../messaging/streams/reader.js'
import type { Stream } from '../../messaging/streams/stream.js'
import { answersItself } from '../../messaging/streams/take.js'
import type { Asker, Exchange, ExchangeReader, Serve } from '../exchange.js'
import { dataFrames, endFrames, type Frame, framesOf, malformed, none, responseFrames, soleFrame } from './frames.js'
import { Outflow } from './outflow.js'

/** Of a request's body, handed to the app and not consumed yet, bytes; the stream's own credit comes on top. */
const windowBytes = 64 * 1024

export interface CarrierParts {
  /** Who answers; undefined while this node serves no HTTP. */
  readonly serve: () => Serve | undefined
  /** A request that was none. */
  readonly refused: (from: string, code: Code) => void
}

/** The handler of {@link httpAction}: turns what another node asks over a sealed stream into an exchange. */
export function carrier({ serve, refused }: CarrierParts): Handler {
  return (command, context) => {
    const { stream } = context as Delivery
    if (!stream) throw context.fail('INVALID_ARGUMENT', { message: 'HTTP is asked for by a stream' })
    const answer = serve()
    if (!answer) {
      stream.fail(new SealwayError('NO_HTTP', { message: 'this node serves no HTTP' }), true)
      return undefined
    }
    let exchange: SealedExchange
    try {
      exchange = new SealedExchange(command, context as Delivery)
    } catch (error) {
      // Whatever is wrong with it, no app has seen it.
      const code = error instanceof SealwayError ? error.code : 'MALFORMED'
      refused(context.from, code)
      stream.fail(new SealwayError(code, { message: 'the request is not HTTP' }), true)
      return undefined
    }
    answer(exchange)
    // Nothing here waits for it, and it takes no place among the handlers that run.
    return answersItself
  }
}

/** A request that came sealed from another node. */
class SealedExchange implements Exchange {
  readonly head: RequestHead
  readonly asker: Asker
  readonly signal: AbortSignal
  private readonly stream: Stream
  private readonly answer: Outflow
  private readonly frames: AsyncGenerator<Frame, undefined, undefined>
  private readonly first: Uint8Array
  private reader: ExchangeReader | undefined
  /** Handed out and not consumed, bytes. */
  private outstanding = 0
  private pulling = false
  /** The request has come to its end. */
  private complete: boolean
  /** The answer has a head that is not informational. */
  private answered = false
  private answerEnded = false
  /** After 101 both directions have to end. */
  private pipe = false
  /** Nothing is handed out any more. */
  private over = false

  /** @throws SealwayError `MALFORMED`, `TOO_LARGE` */
  constructor(command: Command, delivery: Delivery) {
    const frame = soleFrame(command.body)
    if (frame.type !== FrameType.request) throw malformed('a stream for HTTP is opened with a request')
    const { head, body } = decodeRequest(frame.body)
    const context: Context = delivery
    this.head = head
    this.first = body
    this.complete = frame.end
    this.asker = { sealed: true, from: context.from, group: context.groups[0], key: command.key }
    this.signal = context.signal
    this.frames = framesOf(context.input)
    this.stream = delivery.stream!
    this.answer = new Outflow(answerTo(this.stream), () => !this.over && this.reader?.drain())
    this.signal.addEventListener('abort', () => this.aborted(this.signal.reason as SealwayError), { once: true })
  }

  start(reader: ExchangeReader): void {
    if (this.over) return reader.aborted(this.signal.reason as SealwayError)
    this.reader = reader
    if (this.first.length > 0) this.hand(this.first)
    if (this.complete) reader.end([])
    else void this.pull()
  }

  consumed(bytes: number): void {
    this.outstanding -= bytes
    if (!this.complete) void this.pull()
  }

  inform(head: ResponseHead): void {
    if (!this.answered) this.answer.add(responseFrames(head, none, false))
  }

  respond(head: ResponseHead, body: Uint8Array | undefined, end: boolean): boolean {
    const frames = responseFrames(head, body, end)
    this.answered = true
    this.pipe = head.status === 101
    const roomy = this.answer.add(frames)
    if (end) this.endAnswer()
    return roomy
  }

  write(chunk: Uint8Array): boolean {
    return chunk.length === 0 || this.answer.add(dataFrames(chunk, false))
  }

  end(chunk?: Uint8Array, trailers: RawHeaders = []): void {
    if (this.answerEnded) return
    this.answer.add(endFrames(chunk, trailers))
    this.endAnswer()
  }

  reset(code: Code): void {
    this.over = true
    this.stream.fail(new SealwayError(code, { message: 'the exchange was broken off' }), true)
  }

  private endAnswer(): void {
    this.answerEnded = true
    // The end of the stream ends both directions; of a pipe the other one may still have something to say.
    if (!this.pipe || this.complete) this.answer.end()
  }

  private async pull(): Promise<void> {
    if (this.pulling || !this.reader) return
    this.pulling = true
    try {
      while (!this.over && !this.complete && this.outstanding < windowBytes) {
        const { done, value } = await this.frames.next()
        if (this.over) return
        if (done) throw malformed('a request that ends without its end')
        this.take(value)
      }
    } catch (error) {
      // What broke the stream has been told by its signal.
      if (!this.over) this.stream.fail(error as SealwayError, true)
    } finally {
      this.pulling = false
    }
  }

  private take({ type, end, body }: Frame): void {
    const trailers = type === FrameType.trailers ? decodeTrailers(body) : []
    if (type === FrameType.data) {
      if (body.length > 0) this.hand(body)
    } else if (type !== FrameType.trailers) throw malformed(`a frame of type ${type} in a request`)
    if (!end) return
    this.complete = true
    this.reader!.end(trailers)
    if (this.pipe && this.answerEnded) this.answer.end()
  }

  private hand(chunk: Uint8Array): void {
    this.outstanding += chunk.length
    this.reader!.data(chunk)
  }

  private aborted(error: SealwayError): void {
    if (this.over) return
    this.over = true
    this.reader?.aborted(error)
  }
}

/** The acceptance goes out with the first of the answer: where that is all of it, both are one frame. */
function answerTo(stream: Stream): StreamWriter<Uint8Array> {
  const { outbound } = stream
  stream.onStop = () => stream.fail(new SealwayError('ABORTED', { message: `${stream.what}: nobody reads` }), true)
  return {
    write: (frames) => {
      stream.accept(0)
      return outbound.write(frames)
    },
    end: async () => {
      await outbound.end()
      stream.finish()
    },
  }
}
