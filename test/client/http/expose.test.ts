import { testNet } from '@sealway/client/testing'
import { encodeRequest, FrameType, headerBytes, limits, type Query, SealwayError } from '@sealway/protocol'

import type { Serve } from '../../../client-lib/src/http/exchange'
import { HttpService } from '../../../client-lib/src/http/expose'
import type { Link } from '../../../client-lib/src/session/link'
import { realTimers } from '../../../client-lib/src/session/timers'

/** A node's end of links that come and go; the mediator's answers by hand. */
function service() {
  const asked: Query[] = []
  const untold: unknown[] = []
  const served: (Serve | undefined)[] = []
  let link: Link | undefined
  let answer = (): Promise<unknown> => Promise.resolve({})
  const http = new HttpService({
    limits,
    timers: realTimers,
    afterBurst: queueMicrotask,
    link: () => link,
    query: (question) => {
      asked.push(question)
      return answer()
    },
    serving: (serve) => served.push(serve),
    onError: () => {},
    onUntold: (error) => untold.push(error),
  })
  const newLink = () => {
    const written: Uint8Array[] = []
    const write = (frames: readonly Uint8Array[]) => void written.push(...frames)
    return { written, link: { write, writableNow: true } as unknown as Link }
  }
  const connect = () => {
    const made = newLink()
    http.hello
    link = made.link
    http.up(link)
    return made
  }
  const request = (from: Link, number: number): void => {
    const frame = encodeRequest(number, { method: 'GET', target: '/', headers: [] })
    http.exchange(from, FrameType.request, 1, number, frame.subarray(headerBytes))
  }
  return {
    ...{ http, asked, untold, served, connect, request },
    lose: () => {
      link = undefined
      http.lost(new SealwayError('LINK_LOST'))
    },
    answers: (next: () => Promise<unknown>) => {
      answer = next
    },
  }
}

const app = () => {}
const types = (written: readonly Uint8Array[]) => written.map((frame) => frame[4])

describe('what a node exposes', () => {
  it('is said in the hello of each link, or asked for where there is a link already', async () => {
    const { http, asked, connect, lose } = service()
    expect(http.hello).toBeUndefined()
    connect()
    expect(asked).toEqual([])
    const exposure = http.expose(app, { public: ['GET /health'] })
    await exposure.ready
    expect(asked).toEqual([{ type: 'expose', http: { public: ['GET /health'] } }])
    lose()
    expect(http.hello).toEqual({ public: ['GET /health'] })
    connect()
    expect(asked).toHaveLength(1)
    exposure.close()
    expect(asked.at(-1)).toEqual({ type: 'expose', http: null })
    expect(http.hello).toBeUndefined()
  })

  it('is told after the welcome where it was exposed while the link was being made', async () => {
    const { http, asked, connect } = service()
    http.hello
    const exposure = http.expose(app)
    expect(asked).toEqual([])
    connect()
    await exposure.ready
  })

  it('is ready with the welcome where the hello said it', async () => {
    const { http, asked, connect } = service()
    const exposure = http.expose(app)
    connect()
    await exposure.ready
    expect(asked).toEqual([])
  })

  it('is not ready where the mediator refuses, and says so', async () => {
    const { http, answers, connect, untold } = service()
    connect()
    answers(() => Promise.reject(new SealwayError('FORBIDDEN')))
    await expect(http.expose(app).ready).rejects.toMatchObject({ code: 'FORBIDDEN' })
    expect(untold).toHaveLength(1)
  })

  it('is not ready where it was closed before', async () => {
    const { http } = service()
    const exposure = http.expose(app)
    exposure.close()
    exposure.close()
    await expect(exposure.ready).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('waits for the next link where the mediator could not be told', async () => {
    const { http, answers, connect, lose, untold } = service()
    connect()
    let fail!: (error: Error) => void
    answers(() => new Promise((_resolve, reject) => (fail = reject)))
    const exposure = http.expose(app)
    lose()
    fail(new SealwayError('LINK_LOST'))
    await Promise.resolve()
    connect()
    await exposure.ready
    expect(untold).toEqual([])
  })

  it('is one thing at a time, and another after it', () => {
    const { http, served } = service()
    const first = http.expose(app)
    expect(() => http.expose(app)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    first.close()
    http.expose('http://127.0.0.1:1').close()
    expect(served.map((serve) => typeof serve)).toEqual(['function', 'undefined', 'function', 'undefined'])
    expect(() => http.expose(app, { public: ['health'] })).toThrow(/"GET \/health"/)
  })

  it('answers on the link from which a request came, and ignores what comes late from one that is gone', async () => {
    const { http, connect, lose, request } = service()
    http.expose((_request, response) => response.end('x'))
    const old = connect()
    request(old.link, 1)
    await Promise.resolve()
    expect(types(old.written)).toEqual([FrameType.response])
    lose()
    const fresh = connect()
    request(old.link, 2)
    request(fresh.link, 1)
    await Promise.resolve()
    expect(types(old.written)).toEqual([FrameType.response])
    expect(types(fresh.written)).toEqual([FrameType.response])
  })

  it('takes a request that comes in one piece with the welcome', async () => {
    const { http, connect, request } = service()
    http.expose((_request, response) => response.end('x'))
    const early = connect()
    request(early.link, 1)
    await Promise.resolve()
    expect(types(early.written)).toEqual([FrameType.response])
  })

  it('finishes what is under way while it drains, and refuses the rest', async () => {
    const { http, connect, request } = service()
    let finish!: () => void
    http.expose((_request, response) => {
      finish = () => response.end('x')
    })
    const { link, written } = connect()
    request(link, 1)
    http.drain()
    request(link, 2)
    expect(http.busy).toBe(true)
    finish()
    await Promise.resolve()
    expect(types(written)).toEqual([FrameType.reset, FrameType.response])
    expect(http.busy).toBe(false)
  })

  it('answers other nodes, sealed, without a mediator that knows of HTTP', async () => {
    const net = testNet()
    const web = await net.connect('web-1', { groups: ['g'] })
    const client = await net.connect('client', { groups: ['g'] })
    await net.until(web.expose(({ url, sealway }, response) => response.end(JSON.stringify({ url, ...sealway }))).ready)
    const response = await net.until(client.fetch('http://web-1/hello'))
    expect(await net.until(response.json())).toMatchObject({ url: '/hello', sealed: true, from: 'client' })
    await net.close()
  })
})
