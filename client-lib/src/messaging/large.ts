import { randomBytes } from 'node:crypto'
import { Kind, SealwayError } from '@sealway/protocol'
import { onAbort } from '../session/abort-listener.js'
import type { Timers } from '../session/timers.js'
import type { Acked } from './acked.js'
import type { Call, Pending } from './calls.js'
import { aborted } from './deadline.js'
import type { Outlet } from './outlet.js'
import type { Outlets } from './outlets.js'
import { type BodyWriter, messageBytes, writeMessage } from './payload.js'
import type { Streams } from './streams/streams.js'

export interface LargeParts {
  readonly outlets: Outlets
  readonly body: BodyWriter
  /** Made after this, as each needs the other. */
  readonly streams: () => Streams
  readonly timers: Timers
}

/** Waits before a broken one is sent again, ms: as between copies of a frame (SEMANTICS.md). */
const firstWaitMs = 1_000
const longestWaitMs = 4_000

/** Messages whose body does not fit a frame: each travels as a stream of its bytes, and arrives as what it is. */
export class Large {
  private readonly parts: LargeParts

  constructor(parts: LargeParts) {
    this.parts = parts
  }

  /** What is prepared in `body`. Resolves when all of it has left. */
  send(
    outlet: Outlet,
    action: string,
    name: Uint8Array,
    meta: Uint8Array | undefined,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const what = `send ${action} to ${outlet.to}`
    return new Promise((resolve, reject) => {
      let accepted = false
      const stop = this.parts.streams().carry({
        what,
        outlet,
        kind: Kind.fire,
        corr: -1,
        timeoutMs,
        ...this.take(name, meta, 0),
        accepted: () => {
          accepted = true
        },
        settled: (error) => {
          unlisten?.()
          if (!error) resolve()
          else if (signal?.aborted) reject(aborted(what, signal, 'unknown'))
          else reject(error.code === 'TIMEOUT' && !accepted ? neverAccepted(what, outlet.to, timeoutMs) : error)
        },
      })
      const unlisten = signal && onAbort(signal, stop)
    })
  }

  /** As soon as the last of it has left, it waits as any other call. */
  call(call: Call, outlet: Outlet, name: Uint8Array, meta: Uint8Array | undefined): void {
    let way: Outlet | undefined
    // What is put together anew each time cannot be the same bytes again.
    call.resends = false
    const stop = this.parts.streams().carry({
      what: call.what,
      outlet,
      kind: Kind.call,
      corr: call.corr,
      timeoutMs: Math.max(1, call.remainingMs()),
      ...this.take(name, meta, 0),
      waiter: call,
      accepted: (peer) => {
        way = this.parts.outlets.get(peer, outlet.scope)
        if (outlet !== way) call.accepted([peer])
      },
      // Without its end nobody was given it.
      settled: (error) => error && call.fail(notTaken(call, error)),
    })
    call.leaveQueue = () => {
      way?.awaiting.delete(call.corr)
      stop()
    }
  }

  /**
   * Its receipt comes when it was handled as a whole. What breaks on the way is sent again from its beginning, by its id,
   * until the receipt is there or the deadline has passed: a process handles it once.
   */
  acked(
    acked: Acked,
    outlet: Outlet,
    name: Uint8Array,
    meta: Uint8Array | undefined,
    flags: number,
    msgId: Uint8Array = randomBytes(16),
  ): void {
    const { head, bytes } = this.take(name, meta, flags)
    const message = { what: acked.what, outlet, corr: acked.corr, head: Buffer.concat([msgId, head]), bytes }
    const { timers } = this.parts
    let attempts = 0
    let stop: () => void = () => {}
    let timer: unknown
    const later = (): void => {
      timers.clear(timer)
      timer = timers.setBackground(carry, Math.min(firstWaitMs * 2 ** (attempts - 1), longestWaitMs))
    }
    const carry = (): void => {
      if (acked.settled) return
      attempts++
      try {
        stop = this.parts.streams().carry({
          ...message,
          kind: Kind.acked,
          timeoutMs: Math.max(1, acked.remainingMs()),
          waiter: acked,
          settled: (error) => {
            if (!error || acked.settled) return
            const again =
              error.code === 'STREAM_LOST' || error.code === 'LINK_LOST' || (attempts > 1 && error.retry !== 'never')
            if (again) later()
            else acked.fail(notTaken(acked, error))
          },
        })
      } catch (error) {
        acked.fail(error as SealwayError)
      }
    }
    acked.resends = false
    acked.again = later
    acked.leaveQueue = () => {
      timers.clear(timer)
      stop()
    }
    carry()
  }

  /** Head and body of the message that is prepared in `body`. */
  private take(name: Uint8Array, meta: Uint8Array | undefined, flags: number) {
    const { body } = this.parts
    const { encoding, size } = body
    const head = Buffer.allocUnsafe(messageBytes(name, meta, { size: 0 }))
    writeMessage(head, 0, name, meta, { encoding, write: (_target, at) => at }, flags)
    const bytes = Buffer.allocUnsafeSlow(size)
    body.write(bytes, 0)
    return { head, bytes }
  }
}

/** Its receiver accepts a body when it can queue it. */
const neverAccepted = (what: string, target: string, afterMs: number): SealwayError =>
  new SealwayError('BUSY', {
    message: `${what}: ${target} had no room for it within ${afterMs} ms`,
    outcome: 'not-delivered',
    hop: 'receiver',
    target,
    afterMs,
  })

/** Whoever had its end once may have handled it. */
function notTaken(pending: Pending, { code, message, data, hop }: SealwayError): SealwayError {
  const farHop = hop === 'mediator' || hop === 'receiver' ? { hop } : {}
  return pending.error(code, message, pending.flow ? 'unknown' : 'not-delivered', { data, ...farHop })
}
