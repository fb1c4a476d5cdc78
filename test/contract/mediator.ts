import {
  limits as defaultLimits,
  FrameType,
  headerBytes,
  incarnationOf,
  type Limits,
  parseJson,
  sealedHeaderBytes,
  tagBytes,
  type Welcome,
} from '@sealway/protocol'
import { counterOf, type HelloFields, json, noise, type RawLink, sendFrame } from '../support/link.js'

/** A mediator in virtual time, and raw links to it. */
export interface MediatorWorld {
  connect(from?: { readonly highWaterBytes?: number }): RawLink
  /** A token that it takes for this name. */
  tokenOf(name: string): string
  settle(): Promise<void>
  advance(ms: number): Promise<void>
  drain(): { readonly done: boolean }
}

const KiB = 1024
const smallest = sealedHeaderBytes + tagBytes
/** A window small enough to look at. */
const small = {
  routeWindowBytes: 64 * KiB,
  routeWindowFrames: 100,
  maxFrameBytes: 32 * KiB,
  outboxBytes: 256 * KiB,
  outboxFrames: 400,
}
const frame = (bytes: number): Buffer => noise(0, bytes - headerBytes)
const instance = (digit: string): string => digit.repeat(32)
const counters = (link: RawLink): number[] => link.delivered.map(counterOf)

/** What SPEC.md says of a mediator, held against one: the real one, and the one of the test kit. */
export function describeMediator(name: string, create: (limits?: Partial<Limits>) => MediatorWorld): void {
  let world: MediatorWorld
  const begin = (limits?: Partial<Limits>): void => {
    world = create(limits)
  }
  beforeEach(() => begin())

  const hello = (name: string, fields: HelloFields = {}, from?: { readonly highWaterBytes?: number }) =>
    world.connect(from).hello({ name, token: world.tokenOf(name), ...fields })
  const welcomes = new WeakMap<RawLink, Welcome>()
  const welcomeOf = (link: RawLink): Welcome => welcomes.get(link)!
  /** A link that was welcomed; what it was sent by then is taken off. */
  const join = async (...args: Parameters<typeof hello>): Promise<RawLink> => {
    const link = hello(...args)
    await world.settle()
    if (!link.welcome) throw new Error(`${args[0]} was refused: ${JSON.stringify(link.closeFrame)}`)
    welcomes.set(link, link.welcome)
    link.take()
    return link
  }
  const node = (name: string, ...groups: string[]) => join(name, groups.length > 0 ? { groups } : {})
  /** A sender with route 1 open to an address. */
  const toward = async (to: string, ...groups: string[]): Promise<RawLink> => {
    const sender = await node('sender', ...groups)
    sender.open(1, to)
    await world.settle()
    return sender
  }

  describe(`${name}, when a link begins`, () => {
    it('welcomes a hello with the terms of the link', async () => {
      const link = hello('a', { groups: ['g1', 'g2'] })
      await world.settle()
      expect(link.welcome).toMatchObject({
        version: 1,
        name: 'a',
        groups: ['g1', 'g2'],
        epoch: 1,
        now: expect.any(Number),
        tokenExpiresAt: expect.any(Number),
        limits: {
          maxFrameBytes: defaultLimits.maxFrameBytes,
          routeWindowBytes: defaultLimits.routeWindowBytes,
          routeWindowFrames: defaultLimits.routeWindowFrames,
          pingEveryMs: defaultLimits.pingEveryMs,
          deadAfterMs: defaultLimits.deadAfterMs,
        },
      })
      expect(link.frames).toHaveLength(1)
    })

    it('counts how often a name was claimed', async () => {
      const first = await node('a')
      first.connection.end()
      await world.settle()
      expect(welcomeOf(await node('a')).epoch).toBe(2)
    })

    it.each([
      ['MALFORMED', 'no versions', { versions: [] }],
      ['UNSUPPORTED_VERSION', 'none that it speaks', { versions: [77] }],
      ['INVALID_NAME', 'a name outside the grammar', { name: 'A b' }],
      ['INVALID_NAME', 'a group outside the grammar', { groups: ['A b'] }],
      ['MALFORMED', 'no groups', { groups: [] }],
      ['UNAUTHORIZED', 'no token', { token: '' }],
      ['UNAUTHORIZED', 'a token that nobody made', { token: 'x.y.z' }],
      ['MALFORMED', 'an instance that is none', { instance: 'short' }],
    ])('ends it with %s where its hello has %s', async (code, _, fields) => {
      const link = hello('a', fields)
      await world.settle()
      expect([link.closeCode, link.welcome, link.closed]).toEqual([code, undefined, true])
    })

    it('does not take the token of another name', async () => {
      const link = hello('a', { token: world.tokenOf('b') })
      await world.settle()
      expect([link.closeCode, link.closed]).toEqual(['FORBIDDEN', true])
    })

    it('ends one whose first frame is no hello', async () => {
      const link = world.connect().open(1, 'b')
      await world.settle()
      expect([link.closeCode, link.closed]).toEqual(['MALFORMED', true])
    })

    it('ends one that says hello twice', async () => {
      const link = await node('a')
      link.hello({ token: world.tokenOf('a') })
      await world.settle()
      expect(link.closeCode).toBe('MALFORMED')
    })

    it('ends one that says more than 8 KiB before it was welcomed', async () => {
      const link = hello('a', { client: 'x'.repeat(9_000) })
      await world.settle()
      expect(link.closeCode).toBe('TOO_LARGE')
    })

    it('ends one that says nothing for 5 s', async () => {
      const link = world.connect()
      await world.advance(4_750)
      expect(link.closed).toBe(false)
      await world.advance(500)
      expect([link.closeCode, link.closed]).toEqual(['HELLO_TIMEOUT', true])
    })
  })

  describe(`${name}, when a name is claimed again`, () => {
    it('by the same process: it takes over at once', async () => {
      const old = await join('a', { instance: instance('1') })
      const fresh = await join('a', { instance: instance('1') })
      expect([old.closeCode, old.closed, welcomeOf(fresh).epoch]).toEqual(['SUPERSEDED', true, 2])
    })

    it('by another process, while the first answers: it is refused', async () => {
      const old = await join('a', { instance: instance('1') })
      const other = hello('a', { instance: instance('2') })
      await world.settle()
      expect(old.take(FrameType.ping)).toHaveLength(1)
      old.write(sendPong())
      await world.advance(500)
      expect([other.closeCode, other.closed, old.closed]).toEqual(['NAME_IN_USE', true, false])
    })

    it('by another process, while the first is silent for 2 s: it gets the name', async () => {
      const old = await join('a', { instance: instance('1') })
      const other = hello('a', { instance: instance('2') })
      await world.advance(1_750)
      expect(other.welcome).toBeUndefined()
      await world.advance(750)
      expect([old.closed, other.welcome?.epoch]).toEqual([true, 2])
    })
  })

  describe(`${name}, of time`, () => {
    it('answers a ping with its bytes and its number', async () => {
      const link = await node('a')
      link.write(Buffer.from([0, 0, 0, 2, FrameType.ping, 0, 0, 0, 0, 0, 0, 9, 1, 2]))
      await world.settle()
      expect(link.take().map(({ type, route, body }) => [type, route, [...body]])).toEqual([
        [FrameType.pong, 9, [1, 2]],
      ])
    })

    it('pings a silent link after 10 s, and ends it after 25', async () => {
      const link = await node('a')
      await world.advance(9_750)
      expect(link.of(FrameType.ping)).toHaveLength(0)
      await world.advance(500)
      expect(link.of(FrameType.ping)).toHaveLength(1)
      await world.advance(14_500)
      expect(link.closed).toBe(false)
      await world.advance(500)
      expect(link.closed).toBe(true)
    })

    it('lets a link live that answers', async () => {
      const link = await node('a')
      for (let i = 0; i < 6; i++) {
        await world.advance(10_000)
        link.write(sendPong())
        await world.settle()
      }
      expect(link.closed).toBe(false)
    })

    it('tells its own time', async () => {
      const link = await node('a')
      const { now } = welcomeOf(link)
      await world.advance(1_000)
      link.query(3, { type: 'time' })
      await world.settle()
      expect(answers(link)).toEqual([[3, { now: now + 1_000 }]])
    })
  })

  describe(`${name}, of routes`, () => {
    it('says at once whether a node is there, and which process', async () => {
      await join('b', { instance: instance('7') })
      const sender = await toward('b')
      sender.open(2, 'c')
      await world.settle()
      expect(sender.statuses).toEqual([
        { route: 1, online: true, incarnation: incarnationOf(instance('7')) },
        { route: 2, online: false, incarnation: 0 },
      ])
    })

    it('says when that changes', async () => {
      const sender = await toward('b')
      const other = await join('b', { instance: instance('7') })
      other.connection.end()
      await world.settle()
      expect(sender.statuses.map(({ online }) => online)).toEqual([false, true, false])
    })

    it('says of a process that took over: gone, and there', async () => {
      await join('b', { instance: instance('7') })
      const sender = await toward('b')
      sender.take()
      await join('b', { instance: instance('7') })
      expect(sender.statuses.map(({ online }) => online)).toEqual([false, true])
    })

    it('says nothing of groups', async () => {
      const sender = await toward('any:g1')
      sender.open(2, 'group:g1')
      await world.settle()
      expect(sender.frames.filter(({ type }) => type === FrameType.status)).toEqual([])
    })

    it('says nothing more once a route was given up', async () => {
      const sender = await toward('b')
      sender.retire(1)
      await node('b')
      expect(sender.statuses).toHaveLength(1)
    })

    it.each([
      ['INVALID_NAME', 'an address outside the grammar', (link: RawLink) => link.open(2, 'no where')],
      ['INVALID_NAME', 'a scope outside the grammar', (link: RawLink) => link.open(2, 'b', 'No')],
      ['MALFORMED', 'a number that is open', (link: RawLink) => link.open(1, 'c')],
      ['UNKNOWN_ROUTE', 'a send on one that is not open', (link: RawLink) => link.send(9, frame(200))],
      ['UNKNOWN_ROUTE', 'giving up one that is not open', (link: RawLink) => link.retire(9)],
      ['MALFORMED', 'a sealed frame that is too short', (link: RawLink) => link.send(1, noise(0, smallest - 1))],
      ['MALFORMED', 'flags that are not known', (link: RawLink) => link.write(sendFrame(1, noise(0), 2))],
    ])('ends a link with %s for %s', async (code, _, act) => {
      const sender = await toward('b')
      act(sender)
      await world.settle()
      expect([sender.closeCode, sender.closed]).toEqual([code, true])
    })

    it('announces one before its first frame, once, with whom it is from', async () => {
      const receiver = await node('b')
      const sender = await toward('b')
      sender.send(1, noise(1), noise(2))
      await world.settle()
      sender.send(1, noise(3))
      await world.settle()
      const [announced] = receiver.announces
      expect(announced).toEqual({ route: expect.any(Number), from: 'sender', to: 'b', scope: 'default' })
      expect(receiver.frames.map(({ type }) => type)).toEqual([
        FrameType.announce,
        FrameType.deliver,
        FrameType.deliver,
        FrameType.deliver,
      ])
      expect(receiver.of(FrameType.deliver).map(({ route }) => route)).toEqual(Array(3).fill(announced!.route))
    })

    it('hands on what was sealed byte for byte', async () => {
      const receiver = await node('b')
      const sender = await toward('b')
      sender.send(1, noise(7, 3_000))
      await world.settle()
      expect(receiver.delivered).toEqual([noise(7, 3_000)])
    })

    it('gives one the same number for all of a group', async () => {
      const receivers = [await node('b'), await node('c')]
      const sender = await toward('group:g1')
      sender.send(1, noise(1))
      await world.settle()
      const numbers = receivers.map((link) => link.announces[0]!.route)
      expect(numbers[0]).toBe(numbers[1])
    })

    it.each([
      ['gives it up', (sender: RawLink) => void sender.retire(1)],
      ['is gone', (sender: RawLink) => sender.connection.destroy()],
    ])('tells its receivers when its sender %s', async (_, act) => {
      const receiver = await node('b')
      const sender = await toward('b')
      sender.send(1, noise(1))
      await world.settle()
      act(sender)
      await world.settle()
      expect(receiver.of(FrameType.retire).map(({ route }) => route)).toEqual([receiver.announces[0]!.route])
    })
  })

  describe(`${name}, of what became of a frame`, () => {
    const refused = async (sender: RawLink): Promise<unknown[]> => {
      sender.send(1, noise(5))
      await world.settle()
      expect(sender.rejects.every(({ frameId }) => Buffer.from(frameId).equals(idOf(noise(5))))).toBe(true)
      return sender.rejectCodes
    }

    it('says UNKNOWN_NODE of a node that never was', async () => {
      expect(await refused(await toward('nobody'))).toEqual(['UNKNOWN_NODE'])
    })

    it('says OFFLINE of a node that has left', async () => {
      const other = await node('b')
      other.connection.end()
      expect(await refused(await toward('b'))).toEqual(['OFFLINE'])
    })

    it('says OFFLINE of a node that leaves after its route was opened', async () => {
      const other = await node('b')
      const sender = await toward('b')
      other.connection.end()
      await world.settle()
      expect(await refused(sender)).toEqual(['OFFLINE'])
    })

    it('says FORBIDDEN of a group that the sender is not in', async () => {
      await node('b', 'g2')
      expect(await refused(await toward('any:g2'))).toEqual(['FORBIDDEN'])
    })

    it('says FORBIDDEN of a node with which the sender shares no group, unless it answers it', async () => {
      const other = await node('b', 'g2', 'g3')
      const sender = await toward('b', 'g1')
      expect(await refused(sender)).toEqual(['FORBIDDEN'])
      const third = await node('c', 'g1', 'g2')
      other.open(1, 'c').send(1, noise(1))
      third.open(1, 'b').send(1, noise(2))
      await world.settle()
      expect([counters(other), counters(third)]).toEqual([[2], [1]])
    })

    it('lets whoever was sent something answer', async () => {
      // Who shares no group could not begin.
      const asker = await node('asker', 'g1', 'g2')
      const asked = await node('asked', 'g2')
      asker.open(1, 'asked').send(1, noise(1))
      await world.settle()
      asked.open(1, 'asker').send(1, noise(2))
      await world.settle()
      expect([counters(asker), asked.rejectCodes]).toEqual([[2], []])
    })

    it('names those who got it where the sender asked', async () => {
      await node('b')
      await node('c')
      const sender = await toward('group:g1')
      sender.write(sendFrame(1, noise(1), 1))
      sender.open(2, 'any:g1').write(sendFrame(2, noise(2), 1))
      await world.settle()
      const [all, one] = sender.accepted
      expect([all!.names.sort(), one!.names.length]).toEqual([['b', 'c'], 1])
    })

    it('names nobody where a group has nobody else', async () => {
      const sender = await toward('group:g1')
      sender.write(sendFrame(1, noise(1), 1))
      await world.settle()
      expect([sender.accepted.map(({ names }) => names), sender.rejectCodes]).toEqual([[[]], []])
    })

    it('says one thing of a frame, never both', async () => {
      const sender = await toward('nobody')
      sender.write(sendFrame(1, noise(1), 1))
      await world.settle()
      expect([sender.accepted, sender.rejectCodes]).toEqual([[], ['UNKNOWN_NODE']])
    })

    it('keeps the order of a route, whatever was asked', async () => {
      const receiver = await node('b')
      const sender = await toward('b')
      for (let i = 0; i < 20; i++) sender.write(sendFrame(1, noise(i), i % 3 === 0 ? 1 : 0))
      await world.settle()
      expect(counters(receiver)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    })
  })

  describe(`${name}, of groups`, () => {
    it('hands what is for any to one member, and not to the sender while there is another', async () => {
      const members = [await node('b'), await node('c')]
      const sender = await toward('any:g1')
      for (let i = 0; i < 10; i++) sender.send(1, noise(i))
      await world.settle()
      expect(members.map((link) => link.delivered.length)).toEqual([5, 5])
      expect(sender.delivered).toEqual([])
    })

    it('spreads it by bytes', async () => {
      const members = [await node('b'), await node('c')]
      const sender = await toward('any:g1')
      sender.send(1, noise(0, 10 * KiB))
      for (let i = 1; i <= 10; i++) sender.send(1, noise(i, KiB))
      await world.settle()
      expect(members.map((link) => link.delivered.length).sort((a, b) => a - b)).toEqual([1, 10])
    })

    it('hands it to the sender where it is alone', async () => {
      const sender = await toward('any:g1')
      sender.send(1, noise(1))
      await world.settle()
      expect(counters(sender)).toEqual([1])
    })

    it('hands what is for all to every other member', async () => {
      const members = [await node('b'), await node('c'), await node('d', 'g2')]
      const sender = await toward('group:g1')
      sender.send(1, noise(1))
      await world.settle()
      expect([sender, ...members].map((link) => link.delivered.length)).toEqual([0, 1, 1, 0])
    })

    it('hands nothing of either to a member that is leaving, and still what is for its name', async () => {
      const leaving = await node('b')
      const staying = await node('c')
      leaving.write(goaway())
      const sender = await toward('group:g1')
      sender.send(1, noise(1))
      sender.open(2, 'any:g1').send(2, noise(2))
      sender.open(3, 'b').send(3, noise(3))
      await world.settle()
      expect([counters(leaving), counters(staying)]).toEqual([[3], [1, 2]])
    })

    it('says OFFLINE of one whose members have left', async () => {
      const other = await node('b', 'g1', 'g2')
      const sender = await toward('any:g2', 'g1', 'g2')
      other.connection.end()
      sender.write(goaway())
      await world.settle()
      sender.send(1, noise(1))
      await world.settle()
      expect(sender.rejectCodes).toEqual(['OFFLINE'])
    })
  })

  describe(`${name}, of credit`, () => {
    beforeEach(() => begin(small))

    it('gives it back a quarter of the window at a time: bytes', async () => {
      await node('b')
      const sender = await toward('b')
      sender.send(1, frame(8 * KiB), frame(8 * KiB - 1))
      await world.settle()
      expect(sender.credits).toEqual([])
      sender.send(1, frame(200))
      await world.settle()
      expect(sender.credits).toEqual([{ route: 1, bytes: 16 * KiB + 199, frames: 3 }])
    })

    it('or frames', async () => {
      await node('b')
      const sender = await toward('b')
      for (let i = 0; i < 25; i++) sender.send(1, frame(108))
      await world.settle()
      expect(sender.credits).toEqual([{ route: 1, bytes: 25 * 108, frames: 25 }])
    })

    it('gives back what was refused', async () => {
      const sender = await toward('nobody')
      sender.send(1, frame(16 * KiB))
      await world.settle()
      expect(sender.credits).toEqual([{ route: 1, bytes: 16 * KiB, frames: 1 }])
    })

    it('gives none while the receiver does not read, and refuses what goes beyond it', async () => {
      const receiver = await join('b', {}, { highWaterBytes: KiB })
      const sender = await toward('b')
      receiver.connection.pause()
      for (let i = 0; i < 4; i++) sender.send(1, frame(24 * KiB))
      await world.settle()
      expect([sender.credits, sender.rejectCodes]).toEqual([[], []])
      sender.send(1, frame(24 * KiB))
      await world.settle()
      expect(sender.rejectCodes).toEqual(['BUSY'])
      receiver.connection.resume()
      await world.settle()
      expect([receiver.delivered.length, sender.credits.length > 0]).toEqual([4, true])
    })

    it('costs one window for a whole group', async () => {
      await node('b')
      await node('c')
      const sender = await toward('group:g1')
      sender.send(1, frame(16 * KiB))
      await world.settle()
      expect(sender.credits).toEqual([{ route: 1, bytes: 16 * KiB, frames: 1 }])
    })
  })

  describe(`${name}, of a receiver that does not read`, () => {
    let slow: RawLink
    let quick: RawLink
    let sender: RawLink
    beforeEach(async () => {
      begin(small)
      slow = await join('slow', {}, { highWaterBytes: KiB })
      quick = await node('quick')
      sender = await toward('group:g1')
      slow.connection.pause()
    })
    const offer = async (): Promise<void> => {
      sender.send(1, frame(16 * KiB))
      await world.settle()
    }

    it('holds the credit of a broadcast for about a second, and no longer', async () => {
      await offer()
      expect(sender.credits).toEqual([])
      await world.advance(2_000)
      expect(sender.credits).toEqual([{ route: 1, bytes: 16 * KiB, frames: 1 }])
      await offer()
      expect(sender.credits).toHaveLength(2)
      expect(quick.delivered).toHaveLength(2)
    })

    it('has no more than a quarter of its queue filled with broadcasts', async () => {
      await offer()
      await world.advance(2_000)
      for (let i = 0; i < 12; i++) await offer()
      expect(quick.delivered).toHaveLength(13)
      slow.connection.resume()
      await world.settle()
      expect(slow.delivered.length).toBe(4)
    })

    it('is passed over where any member will do', async () => {
      sender.open(2, 'any:g1')
      await offer()
      await world.advance(2_000)
      quick.take()
      for (let i = 0; i < 4; i++) sender.send(2, noise(i))
      await world.settle()
      expect(counters(quick)).toEqual([0, 1, 2, 3])
    })

    it('is ended after 10 s', async () => {
      await offer()
      await world.advance(10_000)
      expect(slow.closed).toBe(false)
      quick.write(sendPong())
      sender.write(sendPong())
      await world.advance(1_000)
      sender.open(2, 'slow').send(2, noise(1))
      await world.settle()
      expect(sender.rejectCodes).toEqual(['OFFLINE'])
    })
  })

  describe(`${name}, of questions`, () => {
    it('tells who is in a group', async () => {
      const link = await join('a', { meta: { role: 'x' } })
      await node('b')
      link.query(4, { type: 'peers', group: 'g1' })
      await world.settle()
      const [[number, { peers }]] = answers(link) as [[number, { peers: { name: string }[] }]]
      expect([number, peers.map((peer) => peer.name).sort()]).toEqual([4, ['a', 'b']])
      expect(peers.find((peer) => peer.name === 'a')).toEqual({
        name: 'a',
        groups: ['g1'],
        online: true,
        transport: 'memory',
        since: expect.any(Number),
        endpoints: [],
        meta: { role: 'x' },
      })
    })

    it('tells who watches of whoever comes and goes, until it has enough', async () => {
      const watcher = await node('a')
      watcher.query(1, { type: 'watch', group: 'g1' })
      const other = await node('b')
      other.connection.end()
      await world.settle()
      watcher.query(2, { type: 'unwatch', group: 'g1' })
      await node('c')
      expect(changes(watcher)).toEqual([
        ['g1', 'joined', 'b', true],
        ['g1', 'left', 'b', false],
      ])
    })

    it('reports a member that is leaving once', async () => {
      const watcher = await node('a')
      watcher.query(1, { type: 'watch', group: 'g1' })
      const other = await node('b')
      other.write(goaway())
      await world.settle()
      other.connection.end()
      await world.settle()
      expect(changes(watcher).map(([, type]) => type)).toEqual(['joined', 'left'])
    })

    it('does not tell of a group that the asker is not in', async () => {
      const link = await node('a')
      await node('b', 'g2')
      link.query(1, { type: 'peers', group: 'g2' })
      await world.settle()
      expect(answers(link)).toEqual([[1, { error: { code: 'FORBIDDEN', message: expect.any(String) } }]])
      expect(link.closed).toBe(false)
    })

    it('tells its policies for traffic: none where there are none', async () => {
      const link = await node('a')
      link.query(1, { type: 'policies' })
      await world.settle()
      expect(link.of(FrameType.policies).map(json)).toEqual([{ type: 'list', policies: [] }])
      expect(answers(link)).toEqual([[1, { policies: 0 }]])
    })

    it.each([
      ['MALFORMED', 'of a kind that is not known', { type: 'what', group: 'g1' }],
      ['INVALID_NAME', 'about a group outside the grammar', { type: 'peers', group: 'G 1' }],
    ])('ends a link with %s for one %s', async (code, _, question) => {
      const link = await node('a')
      link.query(1, question)
      await world.settle()
      expect(link.closeCode).toBe(code)
    })
  })

  describe(`${name}, when it drains`, () => {
    it('tells each node when to come back, and lets what is under way go on, answers included', async () => {
      const [a, b] = [await node('a'), await node('b')]
      a.open(1, 'b').send(1, noise(1))
      await world.settle()
      const drain = world.drain()
      await world.settle()
      expect(a.of(FrameType.goaway).map(json)).toEqual([
        { code: 'DRAINING', message: expect.any(String), reconnectInMs: expect.any(Number) },
      ])
      a.send(1, noise(2))
      b.open(1, 'a').send(1, noise(3))
      await world.settle()
      expect([counters(a), counters(b), drain.done]).toEqual([[3], [1, 2], false])
    })

    it('takes no new work: a route that is opened now leads to who has sent here, and to nobody else', async () => {
      const [a, b] = [await node('a'), await node('b')]
      world.drain()
      a.open(1, 'b').send(1, noise(1))
      a.open(2, 'any:g1').send(2, noise(2))
      a.open(3, 'group:g1').send(3, noise(3))
      await world.settle()
      expect([a.rejectCodes, counters(b)]).toEqual([['DRAINING', 'DRAINING', 'DRAINING'], []])
    })

    it('takes no new link', async () => {
      await node('a')
      world.drain()
      const late = hello('b')
      await world.settle()
      expect([late.closeCode, late.closed]).toEqual(['DRAINING', true])
      expect(late.closeFrame!.reconnectInMs).toEqual(expect.any(Number))
    })

    it('is done when the last one has left', async () => {
      const links = [await node('a'), await node('b')]
      const drain = world.drain()
      links[0]!.connection.end()
      await world.settle()
      expect(drain.done).toBe(false)
      links[1]!.connection.end()
      await world.settle()
      expect(drain.done).toBe(true)
    })
  })
}

/** A pong that nobody asked for, as a sign of life. */
const sendPong = (): Uint8Array => Buffer.from([0, 0, 0, 0, FrameType.pong, 0, 0, 0, 0, 0, 0, 0])

const goaway = (): Uint8Array => {
  const body = Buffer.from('{"code":"DRAINING","message":"the node is draining"}')
  const head = Buffer.alloc(headerBytes)
  head.writeUInt32BE(body.length)
  head[4] = FrameType.goaway
  return Buffer.concat([head, body])
}

const idOf = (sealed: Buffer): Buffer => Buffer.concat([sealed.subarray(20, 28), sealed.subarray(56, 64)])

const answers = (link: RawLink): [number, unknown][] =>
  link.of(FrameType.answer).map((answer) => [answer.route, parseJson(answer.body.toString())])

const changes = (link: RawLink): unknown[][] =>
  link.of(FrameType.peers).map((change) => {
    const { group, type, peer } = json(change) as {
      group: string
      type: string
      peer: { name: string; online: boolean }
    }
    return [group, type, peer.name, peer.online]
  })
