import type { IncomingMessage } from 'node:http'

interface Watched {
  readonly from: number
  /** Gone by then, or cut; 0: no such time. */
  readonly until: number
  /** Whether it must keep a pace. */
  readonly paced: boolean
  /** While we wanted to read, ms. */
  readingMs: number
  seenAt: number
  readonly bytesBefore: number
}

/** A body that nobody reads any more may still be sent for so long, ms: a client that is cut at once misses the answer. */
const leaveMs = 5_000
/** Slower than this, after so long, is holding a place and not sending (RELIABILITY, "Slowloris"). */
const minBytesPerSecond = 1_024
const paceAfterMs = 10_000

/** Bodies of requests that are still coming in, and must not do so for ever: Node's own limit is one for all. */
export class Uploads {
  private readonly watched = new Map<IncomingMessage, Watched>()

  /** @param now coarse clock, ms */
  constructor(private readonly now: () => number) {}

  get size(): number {
    return this.watched.size
  }

  /** All of it must be there within this time. */
  limit(request: IncomingMessage, ms: number): void {
    this.watch(request, this.now() + ms, false)
  }

  /** As long as it likes, but not at a trickle. */
  pace(request: IncomingMessage): void {
    this.watch(request, 0, true)
  }

  /** Nobody wants the rest. */
  leave(request: IncomingMessage): void {
    // Paused, it would stay for ever.
    request.resume()
    this.watch(request, this.now() + leaveMs, false)
  }

  private watch(request: IncomingMessage, until: number, paced: boolean): void {
    const from = this.now()
    this.watched.set(request, {
      ...{ from, until, paced, readingMs: 0, seenAt: from },
      bytesBefore: request.socket.bytesRead,
    })
  }

  tick(now: number): void {
    for (const [request, watched] of this.watched) {
      if (request.complete || request.destroyed || request.socket.destroyed) {
        this.watched.delete(request)
        continue
      }
      if (!request.isPaused()) watched.readingMs += now - watched.seenAt
      watched.seenAt = now
      if ((watched.until === 0 || now < watched.until) && !(watched.paced && tooSlow(request, watched))) continue
      this.watched.delete(request)
      request.socket.destroy()
    }
  }
}

function tooSlow({ socket }: IncomingMessage, { readingMs, bytesBefore }: Watched): boolean {
  return readingMs > paceAfterMs && (socket.bytesRead - bytesBefore) * 1_000 < minBytesPerSecond * readingMs
}
