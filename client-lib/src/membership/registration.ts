import { SealwayError } from '@sealway/protocol'
import { aborted } from '../messaging/deadline.js'
import { onAbort } from '../session/abort-listener.js'
import type { Timers } from '../session/timers.js'

export interface RegistrationParts {
  readonly name: string
  readonly url: string
  /** ms; Infinity waits for ever. */
  readonly timeoutMs: number
  /** Gives up, and closes the node later. */
  readonly signal: AbortSignal | undefined
  readonly timers: Timers
  /** Ends the attempt. */
  readonly giveUp: (error: SealwayError) => void
  readonly close: () => void
}

/** The wait of `connect`: until the mediator has welcomed this node, or never will. */
export class Registration {
  /** What went wrong last. */
  obstacle: SealwayError | undefined
  /** It came to an end, either way. */
  isDone = false
  private onDone: ((error?: SealwayError) => void) | undefined
  private unlisten: (() => void) | undefined
  private readonly parts: RegistrationParts

  constructor(parts: RegistrationParts) {
    this.parts = parts
  }

  /** @throws SealwayError `NOT_CONNECTED`, `ABORTED`, or what it ended with */
  wait(): Promise<void> {
    const { url, timeoutMs, signal, timers, giveUp, close } = this.parts
    return new Promise((resolve, reject) => {
      const timer = Number.isFinite(timeoutMs) ? timers.set(() => giveUp(this.tooLate()), timeoutMs) : undefined
      const abort = (): void => giveUp(aborted(`connecting to ${url}`, signal!, 'not-delivered'))
      this.onDone = (error) => {
        this.onDone = undefined
        timers.clear(timer)
        if (error) reject(error)
        else resolve()
      }
      if (signal?.aborted) return abort()
      // Until the node has ended: the same signal closes it later.
      this.unlisten = signal && onAbort(signal, () => (this.onDone ? abort() : close()))
    })
  }

  /** It is ready, or it has ended. */
  done(error?: SealwayError): void {
    this.isDone = true
    this.onDone?.(error)
  }

  /** The node has ended: nothing is left for the signal to close. */
  end(): void {
    this.unlisten?.()
  }

  private tooLate(): SealwayError {
    const { name, url, timeoutMs } = this.parts
    const why = this.obstacle ? `: ${this.obstacle.message}` : ''
    return new SealwayError('NOT_CONNECTED', {
      message: `${name} could not register at ${url} within ${timeoutMs} ms${why}`,
      outcome: 'not-delivered',
      hop: 'client',
      cause: this.obstacle,
    })
  }
}
