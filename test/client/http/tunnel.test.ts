import type { ServerResponse } from 'node:http'
import {
  codeFromNumber,
  decodeGrant,
  decodeReset,
  decodeResponse,
  decodeTrailers,
  encodeData,
  encodeGrant,
  encodeRequest,
  encodeReset,
  encodeTrailers,
  FrameReader,
  FrameType,
  headerBytes,
  limits,
  readU32,
  SealwayError,
} from '@sealway/protocol'
import type { Exchange, ExchangeReader, Serve } from '../../../client-lib/src/http/exchange'
import { createServe } from '../../../client-lib/src/http/serve'
import { Tunnel } from '../../../client-lib/src/http/tunnel'

interface Frame {
  readonly type: number
  readonly number: number
  readonly end: boolean
  readonly body: Uint8Array
}

/** An app by hand: keeps its exchanges and what they heard. */
class App {
  readonly exchanges: Exchange[] = []
  readonly heard: string[] = []
  readonly serve: Serve = (exchange) => {
    const n = this.exchanges.push(exchange)
    const reader: ExchangeReader = {
      data: (chunk) => this.heard.push(`${n} data ${chunk.length > 20 ? chunk.length : Buffer.from(chunk)}`),
      end: (trailers) => this.heard.push(`${n} end ${trailers}`),
      aborted: (error) => this.heard.push(`${n} aborted ${error.code}`),
      drain: () => this.heard.push(`${n} drain`),
    }
    exchange.start(reader)
  }

  get last(): Exchange {
    return this.exchanges.at(-1)!
  }
}

/** The mediator's end of a tunnel. */
function open(options: { app?: App; serve?: Serve; window?: number; most?: number } = {}) {
  const app = options.app ?? new App()
  const frames: Frame[] = []
  const writes: number[] = []
  const errors: unknown[] = []
  const bursts: (() => void)[] = []
  let room = true
  const reader = new FrameReader(limits.maxFrameBytes)
  const parts = {
    serve: () => options.serve ?? app.serve,
    limits: { exchangeWindowBytes: options.window ?? 1_000, maxExchangesPerLink: options.most ?? 4 },
    write: (parts: readonly Uint8Array[]) => {
      writes.push(parts.length)
      for (const part of parts) {
        reader.push(part, (bytes, at, end) =>
          frames.push({
            type: bytes[at + 4]!,
            end: bytes[at + 5] === 1,
            number: readU32(bytes, at + 8),
            body: bytes.slice(at + headerBytes, end),
          }),
        )
      }
    },
    roomy: () => room,
    afterBurst: (work: () => void) => bursts.push(work),
    onError: (error: unknown) => errors.push(error),
  }
  const tunnel = new Tunnel(parts)
  /** As a link does: the bytes lie in its buffer, and are others afterwards. */
  const receive = (frame: Uint8Array): void => {
    const copy = Uint8Array.from(frame)
    tunnel.receive(copy[4]!, copy[5]!, readU32(copy, 8), copy.subarray(headerBytes))
    copy.fill(0)
  }
  const flush = (): Frame[] => {
    for (const burst of bursts.splice(0)) burst()
    return frames.splice(0)
  }
  const request = (number: number, body?: string, end = true): void =>
    receive(encodeRequest(number, { method: 'POST', target: '/x', headers: ['Host', 'a'] }, bytes(body), end))
  return {
    ...{ app, tunnel, receive, flush, request, writes, errors },
    setRoom: (value: boolean) => {
      room = value
      if (value) tunnel.writable()
    },
  }
}

const bytes = (text: string | undefined) => (text === undefined ? undefined : Buffer.from(text))
const ok = { status: 200, reason: 'OK', headers: [] }
const shown = (frame: Frame): string => {
  const { type, number, end } = frame
  const last = end ? ' end' : ''
  switch (type) {
    case FrameType.response: {
      const { head, body } = decodeResponse(frame.body)
      return `${number} ${head.status} ${Buffer.from(body)}${last}`
    }
    case FrameType.data:
      return `${number} data ${frame.body.length}${last}`
    case FrameType.trailers:
      return `${number} trailers ${decodeTrailers(frame.body)}`
    case FrameType.grant:
      return `${number} grant ${decodeGrant(frame.body)}`
    default:
      return `${number} reset ${codeFromNumber(decodeReset(frame.body))}`
  }
}

describe('exchanges on a link', () => {
  it('hands a request to the app, and its answer back in one frame', () => {
    const { app, request, flush, tunnel } = open()
    request(7, 'hello')
    expect(app.last.head).toEqual({ method: 'POST', target: '/x', headers: ['Host', 'a'] })
    expect(app.heard).toEqual(['1 data hello', '1 end '])
    expect(tunnel.busy).toBe(true)
    expect(app.last.respond(ok, bytes('world'), true)).toBe(true)
    expect(flush().map(shown)).toEqual(['7 200 world end'])
    expect(tunnel.busy).toBe(false)
  })

  it('keeps the bytes of a body that nobody reads yet, although the link uses its buffer again', () => {
    const kept: Exchange[] = []
    const { request, receive } = open({ serve: (exchange) => kept.push(exchange) })
    request(1, 'be', false)
    receive(encodeData(1, bytes('gun')!, true))
    let text = ''
    kept[0]!.start({
      data: (chunk) => (text += Buffer.from(chunk)),
      end: () => (text += '.'),
      aborted() {},
      drain() {},
    })
    expect(text).toBe('begun.')
  })

  it('writes what belongs to one burst at once', () => {
    const { app, request, flush, writes } = open()
    for (let n = 1; n <= 3; n++) request(n)
    for (const exchange of app.exchanges) exchange.respond(ok, bytes('x'), true)
    expect(flush()).toHaveLength(3)
    expect(writes).toEqual([3])
  })

  it('passes bodies and trailers on in both directions', () => {
    const { app, request, receive, flush } = open()
    request(1, 'a', false)
    receive(encodeData(1, bytes('b')!, false))
    receive(encodeTrailers(1, ['X-Sum', '2']))
    expect(app.heard).toEqual(['1 data a', '1 data b', '1 end X-Sum,2'])
    app.last.inform({ status: 103, reason: 'Early Hints', headers: [] })
    app.last.respond(ok, undefined, false)
    app.last.write(bytes('xyz')!)
    app.last.end(undefined, ['X-End', '1'])
    expect(flush().map(shown)).toEqual(['1 103 ', '1 200 ', '1 data 3', '1 trailers X-End,1'])
  })

  it('copies what it is given to write', () => {
    const { app, request, flush } = open()
    request(1)
    const chunk = bytes('now')!
    app.last.respond(ok, chunk, false)
    app.last.write(chunk)
    chunk.fill(0)
    const [head, data] = flush()
    expect(shown(head!)).toBe('1 200 now')
    expect(Buffer.from(data!.body).toString()).toBe('now')
  })

  it('sends no more than the window, and goes on with a grant', () => {
    const { app, request, receive, flush } = open()
    request(1)
    expect(app.last.respond(ok, undefined, false)).toBe(true)
    expect(app.last.write(Buffer.alloc(1_500))).toBe(false)
    expect(app.last.write(Buffer.alloc(100))).toBe(false)
    expect(flush().map(shown)).toEqual(['1 200 ', '1 data 1000'])
    receive(encodeGrant(1, 550))
    expect(flush().map(shown)).toEqual(['1 data 500', '1 data 50'])
    expect(app.heard).not.toContain('1 drain')
    receive(encodeGrant(1, 1_000))
    expect(flush().map(shown)).toEqual(['1 data 50'])
    expect(app.heard).toContain('1 drain')
    app.last.end()
    expect(flush().map(shown)).toEqual(['1 data 0 end'])
  })

  it('sends the end of an answer behind what waits for the window', () => {
    const { app, request, receive, flush, tunnel } = open()
    request(1)
    app.last.respond(ok, Buffer.alloc(2_500), true)
    expect(flush().map((frame) => frame.body.length)).toEqual([4 + 6 + 1_000])
    expect(tunnel.busy).toBe(true)
    receive(encodeGrant(1, 5_000))
    expect(flush().map(shown)).toEqual(['1 data 1500 end'])
    expect(tunnel.busy).toBe(false)
  })

  it('cuts a long body into pieces of 64 KiB', () => {
    const { app, request, flush } = open({ window: 200_000 })
    request(1)
    app.last.respond(ok, Buffer.alloc(150_000), true)
    const [head, ...rest] = flush()
    expect(head!.body.length).toBe(4 + 6 + 65_536)
    expect(rest.map(shown)).toEqual(['1 data 65536', '1 data 18928 end'])
  })

  it('grants again what the app took, in halves of the window', () => {
    const { app, request, receive, flush } = open()
    request(1, undefined, false)
    receive(encodeData(1, Buffer.alloc(1_000), false))
    app.last.consumed(499)
    expect(flush()).toEqual([])
    app.last.consumed(1)
    expect(flush().map(shown)).toEqual(['1 grant 500'])
    receive(encodeData(1, Buffer.alloc(500), true))
    app.last.consumed(1_000)
    expect(flush()).toEqual([])
  })

  it('lets a slow link serve all in turn', () => {
    const { app, request, flush, setRoom } = open({ window: 300_000 })
    request(1)
    request(2)
    for (const exchange of app.exchanges) exchange.respond(ok, undefined, false)
    setRoom(false)
    for (const exchange of app.exchanges) expect(exchange.write(Buffer.alloc(130_000))).toBe(false)
    expect(flush().map(shown)).toEqual(['1 200 ', '2 200 '])
    setRoom(true)
    expect(flush().map(shown)).toEqual([...['1 data 65536', '2 data 65536', '1 data 64464', '2 data 64464']])
    expect(app.heard.filter((text) => text.endsWith('drain'))).toEqual(['1 drain', '2 drain'])
  })

  it('tells who answers that nobody waits any more, and ignores what still comes', () => {
    const { app, request, receive, flush } = open()
    request(1, undefined, false)
    const { signal } = app.last
    receive(encodeReset(1, 45))
    expect(app.heard).toEqual(['1 aborted ABORTED'])
    expect(signal.aborted).toBe(true)
    receive(encodeData(1, bytes('late')!, true))
    app.last.respond(ok, bytes('late'), true)
    expect(flush()).toEqual([])
  })

  it('has a signal that fired already where it is asked for late', () => {
    const { app, request, receive } = open()
    request(1)
    receive(encodeReset(1, 44))
    expect(app.last.signal.reason).toMatchObject({ code: 'TIMEOUT' })
  })

  it('breaks an exchange off where the app does', () => {
    const { app, request, flush } = open()
    request(1)
    app.last.respond(ok, bytes('half'), false)
    app.last.reset('BAD_ANSWER')
    app.last.write(bytes('late')!)
    expect(flush().map(shown)).toEqual(['1 200 half', '1 reset BAD_ANSWER'])
  })

  it('loses everything with the link', () => {
    const { app, request, flush, tunnel } = open()
    request(1)
    request(2)
    app.last.respond(ok, bytes('x'), true)
    tunnel.lost(new SealwayError('LINK_LOST'))
    expect(app.heard).toContain('1 aborted LINK_LOST')
    expect(app.heard).not.toContain('2 aborted LINK_LOST')
    expect(flush()).toEqual([])
  })

  it('pipes bytes after 101 until both directions have ended', () => {
    const { app, request, receive, flush, tunnel } = open()
    request(1, undefined, false)
    app.last.respond({ ...ok, status: 101 }, undefined, false)
    expect(tunnel.busy).toBe(false)
    receive(encodeData(1, bytes('ping')!, false))
    app.last.end(bytes('pong'))
    expect(flush().map(shown)).toEqual(['1 101 ', '1 data 4 end'])
    receive(encodeData(1, bytes('more')!, false))
    receive(encodeData(1, Buffer.alloc(0), true))
    expect(app.heard).toEqual(['1 data ping', '1 data more', '1 end '])
    request(1)
    expect(app.exchanges).toHaveLength(2)
  })

  it('refuses what it has no room for, or no app, or no time', () => {
    const few = open({ most: 1 })
    few.request(1)
    few.request(2)
    expect(few.flush().map(shown)).toEqual(['2 reset BUSY'])
    few.app.last.respond(ok, undefined, true)
    few.tunnel.drain()
    few.request(3)
    expect(few.flush().map(shown)).toEqual(['1 200  end', '3 reset DRAINING'])
    const none = new Tunnel({ ...few.tunnel.parts, serve: () => undefined })
    none.receive(FrameType.request, 1, 4, encodeRequest(4, { method: 'GET', target: '/', headers: [] }).slice(12))
    none.writable()
    expect(few.flush().map(shown)).toEqual(['4 reset NO_HTTP'])
  })

  it.each([
    [
      'data beyond the window',
      (end: ReturnType<typeof open>) => end.receive(encodeData(1, Buffer.alloc(1_001), false)),
    ],
    [
      'data after the end',
      (end: ReturnType<typeof open>) => {
        end.receive(encodeData(1, bytes('x')!, true))
        end.receive(encodeData(1, bytes('x')!, true))
      },
    ],
    [
      'trailers after the end',
      (end: ReturnType<typeof open>) => {
        end.receive(encodeData(1, bytes('x')!, true))
        end.receive(encodeTrailers(1, []))
      },
    ],
    ['trailers that are none', (end) => end.receive(encodeTrailers(1, ['a', 'b']).fill(58, 14))],
    ['a grant that is none', (end) => end.receive(Uint8Array.of(0, 0, 0, 1, 25, 0, 0, 0, 0, 0, 0, 1, 9))],
    ['unknown flags', (end) => end.receive(Uint8Array.of(0, 0, 0, 0, 23, 2, 0, 0, 0, 0, 0, 1))],
  ] as [string, (end: ReturnType<typeof open>) => void][])(
    'resets an exchange for %s, and leaves others alone',
    (_what, act) => {
      const end = open()
      end.request(1, undefined, false)
      end.request(2)
      act(end)
      expect(end.flush().map(shown)).toEqual(['1 reset MALFORMED'])
      expect(end.app.heard.filter((text) => text.includes('aborted'))).toEqual(['1 aborted MALFORMED'])
      expect(end.errors).toEqual([])
    },
  )

  it('resets a request that is not HTTP', () => {
    const { request, receive, flush, app } = open()
    const frame = encodeRequest(1, { method: 'GET', target: '/', headers: [] })
    receive(frame.fill(0, 16))
    request(2)
    expect(flush().map(shown)).toEqual(['1 reset MALFORMED'])
    expect(app.exchanges).toHaveLength(1)
  })

  it('refuses the link where a number was never begun, is open already, or is 0', () => {
    const { request, receive } = open()
    expect(() => receive(encodeData(1, bytes('x')!, true))).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
    request(3)
    expect(() => request(3)).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
    expect(() => request(0)).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
    expect(() => receive(encodeReset(4, 45))).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
    receive(encodeReset(2, 45))
  })

  it('breaks off only the exchange whose reader throws', () => {
    const { receive, request, flush, errors } = open({
      serve: (exchange) =>
        exchange.start({
          data() {
            throw new Error('oops')
          },
          end() {},
          aborted() {},
          drain() {},
        }),
    })
    request(1, undefined, false)
    receive(encodeData(1, bytes('x')!, false))
    expect(flush().map(shown)).toEqual(['1 reset BAD_ANSWER'])
    expect(errors).toMatchObject([{ message: 'oops' }])
  })

  it.each([
    ['trailers', (response: ServerResponse) => response.addTrailers(tooMany)],
    ['hints', (response: ServerResponse) => response.writeEarlyHints({ link: '</a>; rel=preload', ...tooMany })],
    ['headers', (response: ServerResponse) => response.writeHead(200, tooMany)],
  ])('survives an app with more %s than go into a frame, wherever it says them', async (what, say) => {
    const errors: unknown[] = []
    const serve = createServe(
      (_request, response) => {
        if (what === 'trailers') response.write('x')
        queueMicrotask(() => {
          say(response)
          response.end()
        })
      },
      { onError: (error) => errors.push(error) },
    )
    const { request, flush } = open({ serve })
    request(1)
    await new Promise(setImmediate)
    const last = shown(flush().at(-1)!)
    expect(last).toBe(what === 'trailers' ? '1 reset BAD_ANSWER' : '1 500 Internal Server Error end')
    expect(errors).toMatchObject([{ code: 'TOO_LARGE' }])
  })
})

const tooMany = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`x-${i}`, 'y']))
