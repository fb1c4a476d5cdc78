import type { SealwayError } from '@sealway/protocol'
import type { Delivered } from './node.js'

/** What may wait for a program that does not ask. Above it the link is read no further, and in the end closed as slow. */
const maxFrames = 256
const maxBytes = 1024 * 1024

/** Frames that came for a program, until it asks for them: one asks at a time, the newest. */
export class Inbox {
  private readonly queue: Delivered[] = []
  private bytes = 0
  private full = false
  private taker: ((delivered: Delivered | undefined) => void) | undefined
  /** How often somebody asked: who sees another number than after his own asking was replaced. */
  turn = 0
  private error: SealwayError | undefined

  constructor(
    private readonly pause: () => void,
    private readonly resume: () => void,
  ) {}

  get waiting(): boolean {
    return this.taker !== undefined
  }

  put(delivered: Delivered): void {
    if (this.taker) return this.taker(delivered)
    this.queue.push(delivered)
    this.bytes += delivered.frame.length
    if (this.full || (this.queue.length < maxFrames && this.bytes < maxBytes)) return
    this.full = true
    this.pause()
  }

  /** The next frame; undefined where none came in time, or another asked. @throws SealwayError why the link ended */
  async take(waitMs: number, signal: AbortSignal): Promise<Delivered | undefined> {
    this.turn++
    this.taker?.(undefined)
    const next = this.queue.shift()
    if (next) {
      this.bytes -= next.frame.length
      if (this.full && this.queue.length < maxFrames / 2 && this.bytes < maxBytes / 2) {
        this.full = false
        this.resume()
      }
      return next
    }
    if (this.error) throw this.error
    const taken = await this.waitFor(waitMs, signal)
    if (!taken && this.error) throw this.error
    return taken
  }

  private waitFor(waitMs: number, signal: AbortSignal): Promise<Delivered | undefined> {
    return new Promise((resolve) => {
      const settle = (delivered: Delivered | undefined): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', onAbort)
        if (this.taker === settle) this.taker = undefined
        resolve(delivered)
      }
      const onAbort = (): void => settle(undefined)
      const timer = setTimeout(() => settle(undefined), waitMs).unref()
      if (signal.aborted) return settle(undefined)
      signal.addEventListener('abort', onAbort)
      this.taker = settle
    })
  }

  close(error: SealwayError): void {
    this.error = error
    this.taker?.(undefined)
  }
}
