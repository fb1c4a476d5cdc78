import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Uploads } from '../../../server/src/proxy/uploads'

/** As much of a request as is looked at. */
class Request extends EventEmitter {
  complete = false
  destroyed = false
  paused = false
  readonly socket = {
    destroyed: false,
    bytesRead: 100,
    destroy() {
      this.destroyed = true
    },
  }
  isPaused(): boolean {
    return this.paused
  }
  resume(): void {
    this.paused = false
  }
  get message(): IncomingMessage {
    return this as unknown as IncomingMessage
  }
}

const time = { now: 0 }
const uploads = () => {
  time.now = 0
  const made = new Uploads(() => time.now)
  const advance = (ms: number, each: () => void = () => {}) => {
    for (const until = time.now + ms; time.now < until; ) {
      time.now += 250
      each()
      made.tick(time.now)
    }
  }
  return { made, advance }
}

describe('bodies that are still coming in', () => {
  it('are cut where they are not there in time, and forgotten where they are', () => {
    const { made, advance } = uploads()
    const [slow, quick] = [new Request(), new Request()]
    for (const { message } of [slow, quick]) made.limit(message, 15_000)
    advance(14_750)
    quick.complete = true
    expect(slow.socket.destroyed).toBe(false)
    advance(250)
    expect([slow.socket.destroyed, quick.socket.destroyed, made.size]).toEqual([true, false, 0])
  })

  it('are read on for 5 s after nobody wants them any more, paused or not', () => {
    const { made, advance } = uploads()
    const request = new Request()
    request.paused = true
    made.leave(request.message)
    expect(request.paused).toBe(false)
    advance(4_750)
    expect(request.socket.destroyed).toBe(false)
    advance(250)
    expect(request.socket.destroyed).toBe(true)
  })

  it('must keep a pace of 1 KiB/s from 10 s on, for the time in which we read', () => {
    const { made, advance } = uploads()
    const [trickle, steady, held] = [new Request(), new Request(), new Request()]
    for (const { message } of [trickle, steady, held]) made.pace(message)
    advance(10_250, () => {
      trickle.socket.bytesRead += 250
      steady.socket.bytesRead += 257
      held.paused = true
    })
    expect([trickle, steady, held].map(({ socket }) => socket.destroyed)).toEqual([true, false, false])
    advance(60_000, () => {
      steady.socket.bytesRead += 257
    })
    expect([steady, held].map(({ socket }) => socket.destroyed)).toEqual([false, false])
    held.paused = false
    advance(11_000)
    expect(held.socket.destroyed).toBe(true)
  })

  it('are forgotten with their connection', () => {
    const { made, advance } = uploads()
    const request = new Request()
    made.pace(request.message)
    request.socket.destroyed = true
    advance(250)
    expect(made.size).toBe(0)
  })
})
