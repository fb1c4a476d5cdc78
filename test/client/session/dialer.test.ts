import { encodeAnnounce, encodeFrame, encodeJson, FrameType, limits, SealwayError } from '@sealway/protocol'
import { formatKey, generateKey } from '../../../client-lib/src/crypto/keys.js'
import { connectWith, type Node } from '../../../client-lib/src/node.js'
import type { ConnectOptions } from '../../../client-lib/src/options.js'
import { VirtualTime } from '../../support/clock.js'
import { FakeMediator, refusalOf, typesOf, welcomeTo } from '../../support/fake-mediator.js'
import { rejection, turns, until } from '../../support/until.js'

let time: VirtualTime
let mediator: FakeMediator
let random: number
const nodes: Node[] = []
beforeEach(() => {
  time = new VirtualTime()
  mediator = new FakeMediator(time.read)
  random = 0.5
})
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.close()))
})

const key = formatKey(generateKey())

function begin(options: Partial<ConnectOptions> = {}): Promise<Node> {
  const node = connectWith(
    { name: 'alice', groups: ['g'], keys: key, token: 'a token', transport: mediator.transport, ...options },
    {
      environment: {},
      clock: time.read,
      random: () => random,
      afterBurst: process.nextTick,
      nextTurn: setImmediate,
      timers: time,
    },
  )
  node.then(
    (it) => nodes.push(it),
    () => {},
  )
  return node
}

/** Delays before each attempt, ms, as the node announces them. */
function delays(node: Node): number[] {
  const list: number[] = []
  node.events.on('disconnected', ({ retryInMs }) => {
    if (retryInMs !== undefined) list.push(retryInMs)
  })
  return list
}

describe('the first link', () => {
  it('says who it is, and resolves at the welcome', async () => {
    const node = await begin({
      meta: { role: 'x' },
      endpoints: [{ name: 'web', protocol: 'http', address: 'h', port: 80 }],
    })
    expect(mediator.last.hello).toMatchObject({
      versions: [1],
      name: 'alice',
      groups: ['g'],
      token: 'a token',
      meta: { role: 'x' },
      endpoints: [{ name: 'web', protocol: 'http', address: 'h', port: 80 }],
    })
    expect(mediator.last.hello.instance).toMatch(/^[0-9a-f]{32}$/)
    expect(node.connected).toBe(true)
    expect(node.transport).toBe('memory')
  })

  /** A frame that nobody can open: the node tells of it, once it is handed on. */
  const unreadable = () => [
    encodeAnnounce(7, 'bob', 'alice', ''),
    encodeFrame(FrameType.deliver, 7, new Uint8Array(200)),
  ]

  it('hands on what came with the welcome when whoever waited for it listens, and not before', async () => {
    mediator.onHello = ({ connection, hello }) => {
      const welcome = encodeJson(FrameType.welcome, welcomeTo(hello, time.now))
      // In one chunk, and behind it the beginning of a frame of which the rest comes later.
      connection.write([Buffer.concat([welcome, ...unreadable(), encodeFrame(FrameType.pong).subarray(0, 5)])])
      connection.write([encodeFrame(FrameType.pong).subarray(5), ...unreadable()])
    }
    const node = await begin()
    const from: string[] = []
    node.events.on('refused', (refusal) => from.push(refusal.from))
    await until(() => from.length === 2, 'both are told')
    expect(from).toEqual(['bob', 'bob'])
    expect(node.connected).toBe(true)
  })

  it('lets the mediator keep what does not fit while it is not ready, and loses none of it', async () => {
    const big = encodeFrame(FrameType.deliver, 7, new Uint8Array(60 * 1024))
    mediator.answersPolicies = false
    mediator.onHello = (link) => {
      link.welcome()
      link.connection.write([encodeAnnounce(7, 'bob', 'alice', '')])
      for (let i = 0; i < 40; i++) link.connection.write([big])
    }
    let refused = 0
    const beginning = begin().then((node) => {
      node.events.on('refused', () => refused++)
      return node
    })
    // It waits a second for the mediator's policies, and then does without.
    await time.advance(2_000)
    const node = await beginning
    await until(() => refused === 40, 'all are told')
    expect(node.connected).toBe(true)
  })

  it('hands on what comes with the welcome of a later link at once', async () => {
    const node = await begin()
    let refused = 0
    node.events.on('refused', () => refused++)
    mediator.onHello = (link) => {
      link.welcome()
      link.connection.write(unreadable())
    }
    mediator.last.connection.destroy()
    await turns(5)
    await time.advance(2_000)
    await until(() => refused === 1, 'it is told')
    expect(mediator.links.length).toBe(2)
  })

  it('keeps trying while the mediator cannot be reached, and gives up at its timeout, saying why', async () => {
    mediator.refusal = new SealwayError('NOT_CONNECTED', {
      message: 'host:1 cannot be reached',
      outcome: 'not-delivered',
    })
    const failed = rejection(begin({ timeout: 5_000 }))
    await time.advance(5_000)
    const error = await failed
    expect(error).toMatchObject({ code: 'NOT_CONNECTED', outcome: 'not-delivered', hop: 'client' })
    expect(error.message).toMatch(/^alice could not register at .* within 5000 ms: host:1 cannot be reached$/)
    const { dialled } = mediator
    expect(dialled).toBeGreaterThan(4)
    await time.advance(60_000)
    expect(mediator.dialled).toBe(dialled)
    expect(time.pending).toBeLessThanOrEqual(1)
  })

  it('is there as soon as the mediator is', async () => {
    mediator.refusal = refusalOf('NOT_CONNECTED')
    const pending = begin({ timeout: Number.POSITIVE_INFINITY })
    await time.advance(120_000)
    mediator.refusal = undefined
    await time.advance(30_000)
    expect((await pending).connected).toBe(true)
  })

  it.each(['UNAUTHORIZED', 'FORBIDDEN', 'UNSUPPORTED_VERSION', 'INVALID_NAME', 'NAME_OWNED', 'NAME_IN_USE', 'REVOKED'])(
    'is given up at once where the mediator says %s',
    async (code) => {
      mediator.onHello = (link) => {
        link.say(FrameType.close, { code, message: 'for a reason' })
        link.connection.end()
      }
      const error = await rejection(begin())
      expect(error).toMatchObject({ code, message: 'for a reason', hop: 'mediator' })
      await time.advance(60_000)
      expect(mediator.dialled).toBe(1)
    },
  )

  it.each(['DRAINING', 'OVERLOADED', 'STORAGE_UNAVAILABLE', 'HELLO_TIMEOUT', 'CONFLICT'])(
    'is tried again where the mediator says %s, when it says',
    async (code) => {
      mediator.onHello = (link) => {
        if (mediator.links.length > 1) return link.welcome()
        link.say(FrameType.close, { code, message: 'later', reconnectInMs: 3_000 })
        link.connection.end()
      }
      const pending = begin()
      await time.advance(2_999)
      expect(mediator.dialled).toBe(1)
      await time.advance(1)
      expect(mediator.dialled).toBe(2)
      await pending
    },
  )

  it('is tried again where the mediator says nothing to the hello', async () => {
    mediator.onHello = (link) => {
      if (mediator.links.length > 1) link.welcome()
    }
    const pending = begin()
    await time.advance(2 * limits.helloTimeoutMs + 1_000)
    await pending
    expect(mediator.links).toHaveLength(2)
    expect(mediator.links[0]!.closed).toBe(true)
  })

  it('is refused with a clear error where the other side is no mediator', async () => {
    mediator.onHello = (link) => void link.connection.write([Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')])
    const error = await rejection(begin())
    expect(['MALFORMED', 'TOO_LARGE']).toContain(error.code)
    expect(error.message).toMatch(/^the mediator sent what this library cannot read: /)
  })

  it('is given up when the signal fires', async () => {
    mediator.refusal = refusalOf('NOT_CONNECTED')
    const giveUp = new AbortController()
    const failed = rejection(begin({ signal: giveUp.signal }))
    await time.advance(1_000)
    giveUp.abort(new Error('enough'))
    expect(await failed).toMatchObject({ code: 'ABORTED', outcome: 'not-delivered', cause: { message: 'enough' } })
    const { dialled } = mediator
    await time.advance(60_000)
    expect(mediator.dialled).toBe(dialled)
  })

  it('is not even begun where the signal had fired before', async () => {
    const error = await rejection(begin({ signal: AbortSignal.abort() }))
    expect(error.code).toBe('ABORTED')
    await turns()
    expect(mediator.links).toHaveLength(0)
  })

  it('closes the node when its signal fires later', async () => {
    const giveUp = new AbortController()
    const node = await begin({ signal: giveUp.signal })
    giveUp.abort()
    expect(await node.closed).toBeUndefined()
    await until(() => mediator.last.closed, 'the link is closed')
  })

  it('ends where its transport throws at once, with that error', async () => {
    const transport = {
      name: 'memory' as const,
      connect: () => {
        throw new SealwayError('INVALID_ARGUMENT', { message: 'no such place' })
      },
    }
    expect(await rejection(begin({ transport }))).toMatchObject({ code: 'INVALID_ARGUMENT', message: 'no such place' })
  })
})

describe('a link that breaks', () => {
  it('comes back with jitter: from 50 to 150 ms at first, doubling, a retry a second while the outage is young', async () => {
    const node = await begin()
    const list = delays(node)
    mediator.refusal = refusalOf('NOT_CONNECTED')
    random = 1
    mediator.last.connection.destroy()
    await time.advance(30_000)
    expect(list.slice(0, 6)).toEqual([150, 250, 450, 850, 1_050, 1_050])
    expect(Math.max(...list)).toBeGreaterThan(1_050)
    random = 0
    list.length = 0
    await time.advance(60_000)
    expect(Math.min(...list)).toBe(50)
  })

  it('waits no longer than 30 s, however long the outage', async () => {
    const node = await begin()
    const list = delays(node)
    mediator.refusal = refusalOf('NOT_CONNECTED')
    random = 1
    mediator.last.connection.destroy()
    await time.advance(3_600_000)
    expect(Math.max(...list)).toBeLessThanOrEqual(30_050)
    expect(Math.max(...list)).toBeGreaterThan(29_000)
    mediator.refusal = undefined
    await time.advance(30_050)
    expect(node.connected).toBe(true)
  })

  it('begins anew with short delays after it was back', async () => {
    const node = await begin()
    const list = delays(node)
    random = 1
    for (let i = 0; i < 3; i++) {
      mediator.last.connection.destroy()
      await time.advance(200)
      expect(node.connected).toBe(true)
    }
    expect(list).toEqual([150, 150, 150])
  })

  it('comes back as the same process', async () => {
    const node = await begin()
    const { instance } = mediator.last.hello
    mediator.last.connection.destroy()
    await time.advance(200)
    expect(node.connected).toBe(true)
    expect(mediator.links).toHaveLength(2)
    expect(mediator.last.hello.instance).toBe(instance)
  })

  it('comes back although its name is still taken: by itself', async () => {
    const node = await begin()
    mediator.onHello = (link) => {
      if (mediator.links.length > 3) return link.welcome()
      link.say(FrameType.close, { code: 'NAME_IN_USE', message: 'still held' })
      link.connection.end()
    }
    mediator.last.connection.destroy()
    await time.advance(5_000)
    expect(node.connected).toBe(true)
    expect(mediator.links).toHaveLength(4)
  })

  it('comes back where it ended in the same chunk in which it was welcomed', async () => {
    mediator.onHello = (link) => {
      if (mediator.links.length > 1) return link.welcome()
      const both = Buffer.concat([
        encodeJson(FrameType.welcome, welcomeTo(link.hello, time.now)),
        encodeJson(FrameType.close, { code: 'DRAINING', message: 'too late' }),
      ])
      link.connection.write([both])
      link.connection.end()
    }
    const pending = begin()
    await time.advance(2_000)
    const node = await pending
    expect(mediator.links).toHaveLength(2)
    expect(node.connected).toBe(true)
  })

  it('comes back after what it could not read', async () => {
    const node = await begin()
    mediator.last.connection.write([Buffer.from('what is this, and how long will it be')])
    await time.advance(1_000)
    expect(mediator.links).toHaveLength(2)
    expect(node.connected).toBe(true)
  })

  it.each(['SUPERSEDED', 'REMOVED', 'REVOKED', 'UNAUTHORIZED'])(
    'stays away where the mediator says %s',
    async (code) => {
      const node = await begin()
      const lost = jest.fn()
      node.events.on('disconnected', lost)
      mediator.last.say(FrameType.close, { code, message: 'for good' })
      expect(await node.closed).toMatchObject({ code, message: 'for good' })
      await time.advance(60_000)
      expect(mediator.dialled).toBe(1)
      expect(lost).toHaveBeenCalledTimes(1)
      expect(lost.mock.calls[0][0].retryInMs).toBeUndefined()
      expect(await rejection(node.send('bob', 'x'))).toMatchObject({ code: 'CLOSED', outcome: 'not-delivered' })
    },
  )

  it('comes back when and only when the mediator says, if it says', async () => {
    await begin()
    mediator.last.say(FrameType.close, { code: 'SLOW', message: 'you did not read', reconnectInMs: 2_000 })
    await time.advance(1_999)
    expect(mediator.dialled).toBe(1)
    await time.advance(2)
    expect(mediator.dialled).toBe(2)
  })

  it.each([
    [0, 49, 50],
    [-5, 49, 50],
    [1e12, 299_999, 300_000],
  ])('neither spins nor stays away for good where the mediator says %d ms', async (told, before, after) => {
    await begin()
    mediator.last.say(FrameType.close, { code: 'DRAINING', message: 'bye', reconnectInMs: told })
    await turns()
    await time.advance(before)
    expect(mediator.dialled).toBe(1)
    await time.advance(after - before)
    expect(mediator.dialled).toBe(2)
  })

  it('is told of by events, with what carries it', async () => {
    const node = await begin()
    const events: unknown[] = []
    node.events.on('disconnected', ({ error, retryInMs }) => events.push([error.code, retryInMs]))
    const off = node.events.on('connected', (event) => events.push(event))
    mediator.last.connection.destroy()
    await time.advance(500)
    expect(events).toEqual([['LINK_LOST', 100], { mediator: 'fake', epoch: 1, transport: 'memory' }])
    off()
    mediator.last.connection.destroy()
    await time.advance(500)
    expect(events).toHaveLength(3)
  })
})

describe('a quiet link', () => {
  it('pings after 10 s, and answers pings with their own bytes', async () => {
    await begin()
    await time.advance(9_000)
    expect(typesOf(mediator.last.frames)).toEqual([])
    await time.advance(2_500)
    expect(typesOf(mediator.last.frames)).toEqual([FrameType.ping])
    mediator.last.connection.write([Buffer.from([0, 0, 0, 2, FrameType.ping, 0, 0, 0, 0, 0, 0, 0, 7, 9])])
    await turns()
    expect(mediator.last.frames.at(-1)).toEqual(new Uint8Array([0, 0, 0, 2, FrameType.pong, 0, 0, 0, 0, 0, 0, 0, 7, 9]))
  })

  it('is given up when nothing was heard for 25 s, and comes back', async () => {
    const node = await begin()
    const errors: string[] = []
    node.events.on('disconnected', ({ error }) => errors.push(error.code))
    await time.advance(24_000)
    expect(errors).toEqual([])
    await time.advance(2_500)
    expect(errors).toEqual(['HEARTBEAT_LOST'])
    expect(node.connected).toBe(true)
    expect(mediator.links).toHaveLength(2)
  })

  it('is kept by pongs alone', async () => {
    const node = await begin()
    const errors: string[] = []
    node.events.on('disconnected', ({ error }) => errors.push(error.code))
    for (let i = 0; i < 12; i++) {
      await time.advance(10_000)
      mediator.last.connection.write([Buffer.from([0, 0, 0, 0, FrameType.pong, 0, 0, 0, 0, 0, 0, 0])])
    }
    expect(errors).toEqual([])
  })
})

describe('a token', () => {
  it('is asked for anew for each link', async () => {
    let count = 0
    await begin({ token: async () => `token ${++count}` })
    mediator.last.connection.destroy()
    await time.advance(500)
    expect(mediator.links.map(({ hello }) => hello.token)).toEqual(['token 1', 'token 2'])
  })

  it('is renewed in band at 80 % of its life, again and again', async () => {
    let count = 0
    const node = await begin({ token: () => `token ${++count}` })
    const tokens = () =>
      mediator.last.frames
        .filter((frame) => frame[4] === FrameType.token)
        .map((frame) => Buffer.from(frame.subarray(12)).toString())
    const alive = async (ms: number) => {
      for (let t = 0; t < ms; t += 10_000) {
        await time.advance(10_000)
        mediator.last.connection.write([Buffer.from([0, 0, 0, 0, FrameType.pong, 0, 0, 0, 0, 0, 0, 0])])
      }
    }
    await alive(710_000)
    expect(tokens()).toEqual([])
    await alive(20_000)
    expect(tokens()).toEqual(['token 2'])
    // Opaque ones are renewed every 48 s.
    await alive(100_000)
    expect(tokens()).toEqual(['token 2', 'token 3', 'token 4'])
    expect(node.connected).toBe(true)
  })

  it('that cannot be had at its renewal is asked for again before the old one ends', async () => {
    let count = 0
    const renewed: number[] = []
    const logger = { debug() {}, info() {}, warn() {}, error: jest.fn() }
    await begin({
      logger,
      token: () => {
        count++
        if (count === 2 || count === 3) throw new Error('the token service is down')
        if (count > 1) renewed.push(time.now)
        return `token ${count}`
      },
    })
    const expiresAt = time.now + 900_000
    for (let t = 0; t < 900_000 && renewed.length === 0; t += 10_000) {
      await time.advance(10_000)
      mediator.last.connection.write([Buffer.from([0, 0, 0, 0, FrameType.pong, 0, 0, 0, 0, 0, 0, 0])])
    }
    expect(renewed).toHaveLength(1)
    expect(renewed[0]).toBeLessThan(expiresAt)
    expect(logger.error).toHaveBeenCalledTimes(2)
  })

  it('that never comes does not stop the node for ever', async () => {
    let count = 0
    const pending = begin({
      timeout: 60_000,
      token: () => (++count === 1 ? new Promise<string>(() => {}) : 'the second'),
    })
    await time.advance(20_000)
    await pending
    expect(mediator.last.hello.token).toBe('the second')
  })

  it('source that fails is tried again, and named in the end', async () => {
    const failed = rejection(
      begin({
        timeout: 3_000,
        token: () => {
          throw new Error('the vault is sealed')
        },
      }),
    )
    await time.advance(3_000)
    expect((await failed).message).toContain('the vault is sealed')
    expect(mediator.links).toHaveLength(0)
  })
})
