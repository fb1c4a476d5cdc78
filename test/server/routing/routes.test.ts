import { encodeFrame, FrameType, incarnationOf } from '@sealway/protocol'
import { counterOf, noise, type RawLink, sendFrame } from '../../support/link'
import { unavailable, World } from '../../support/relay'

let world: World
let a: RawLink
beforeEach(async () => {
  world = new World()
  a = await world.node('a')
})

const counters = (link: RawLink) => link.delivered.map(counterOf)

describe('an address', () => {
  it('of a node leads to that node, sealed bytes untouched, under a name that the mediator vouches for', async () => {
    const b = await world.node('b')
    const c = await world.node('c')
    const body = noise(7, 5_000)
    a.open(1, 'node:b', 'g1').send(1, body)
    await world.settle()
    expect(b.announces).toEqual([{ route: expect.any(Number), from: 'a', to: 'b', scope: 'g1' }])
    const [delivered] = b.of(FrameType.deliver)
    expect(delivered).toEqual({ type: FrameType.deliver, flags: 0, route: b.announces[0]!.route, body })
    expect([c.frames, a.rejectCodes]).toEqual([[], []])
  })

  it('of a node may be its own', async () => {
    a.open(1, 'a').send(1, noise(1))
    await world.settle()
    expect(counters(a)).toEqual([1])
  })

  it('of any member of a group leads to one, and not to the sender while there is another', async () => {
    const b = await world.node('b')
    a.open(1, 'any:g1').send(1, noise(0), noise(1), noise(2))
    await world.settle()
    expect([counters(a), counters(b)]).toEqual([[], [0, 1, 2]])
  })

  it('of any member of a group leads to the sender where it is the only one', async () => {
    a.open(1, 'any:g1').send(1, noise(0))
    await world.settle()
    expect(counters(a)).toEqual([0])
  })

  it('of a group leads to every other member', async () => {
    const others = [await world.node('b'), await world.node('c', { groups: ['g2', 'g1'] })]
    const stranger = await world.node('d', { groups: ['g2'] })
    a.open(1, 'group:g1').send(1, noise(0))
    await world.settle()
    expect([...others, stranger, a].map(counters)).toEqual([[0], [0], [], []])
    expect(a.rejectCodes).toEqual([])
  })
})

describe('what leads nowhere is rejected by its frame id', () => {
  it('to a node that never was: UNKNOWN_NODE', async () => {
    a.open(1, 'nobody').send(1, noise(5))
    await world.settle()
    expect(a.statuses).toEqual([{ route: 1, online: false, incarnation: 0 }])
    expect(a.rejects).toEqual([
      {
        route: 1,
        code: 'UNKNOWN_NODE',
        frameId: Buffer.concat([noise(5).subarray(20, 28), noise(5).subarray(56, 64)]),
      },
    ])
  })

  it('to a group that never was: UNKNOWN_GROUP', async () => {
    const { token } = world.token('roamer', { scopes: ['register:roamer@g1', 'send:nowhere/*', 'broadcast:nowhere'] })
    const roamer = await world.node('roamer', { token })
    roamer.open(1, 'any:nowhere').open(2, 'group:nowhere').send(1, noise(1)).send(2, noise(2))
    await world.settle()
    expect(roamer.rejectCodes).toEqual(['UNKNOWN_GROUP', 'UNKNOWN_GROUP'])
  })

  it('to a node that left: OFFLINE', async () => {
    const b = await world.node('b')
    a.open(1, 'b')
    await world.settle()
    b.connection.destroy()
    await world.settle()
    a.send(1, noise(0)).open(2, 'b').send(2, noise(1))
    await world.settle()
    expect(a.rejectCodes).toEqual(['OFFLINE', 'OFFLINE'])
  })

  it('to a group whose members left: OFFLINE', async () => {
    const { token } = world.token('roamer', { scopes: ['register:roamer@g1', 'send:g2/*', 'broadcast:g2'] })
    const roamer = await world.node('roamer', { token })
    const b = await world.node('b', { groups: ['g2'] })
    b.connection.destroy()
    await world.settle()
    roamer.open(1, 'any:g2').open(2, 'group:g2').send(1, noise(0)).send(2, noise(1))
    await world.settle()
    expect(roamer.rejectCodes).toEqual(['OFFLINE', 'OFFLINE'])
  })

  it('while the database is asked, it waits for the answer', async () => {
    let answer = () => {}
    world.registry.gate = () => new Promise((resolve) => (answer = resolve))
    a.open(1, 'nobody').send(1, noise(0))
    await world.settle()
    expect(a.rejectCodes).toEqual([])
    answer()
    await world.settle()
    expect(a.rejectCodes).toEqual(['UNKNOWN_NODE'])
  })

  it('rejects with STORAGE_UNAVAILABLE while the database is down, and asks again with the next frame', async () => {
    world.registry.gate = unavailable
    a.open(1, 'nobody').send(1, noise(0))
    await world.settle()
    expect([a.rejectCodes, a.closed]).toEqual([['STORAGE_UNAVAILABLE'], false])
    world.registry.gate = () => Promise.resolve()
    a.send(1, noise(1))
    await world.settle()
    expect(a.rejectCodes).toEqual(['STORAGE_UNAVAILABLE', 'UNKNOWN_NODE'])
  })

  it('asks the database once for all the names that come in one turn, and not again within a second', async () => {
    const names = Array.from({ length: 200 }, (_, i) => `nobody-${i}`)
    for (const [i, name] of names.entries()) a.open(i + 1, name).send(i + 1, noise(i))
    await world.settle()
    expect([world.registry.lookups, new Set(a.rejectCodes)]).toEqual([1, new Set(['UNKNOWN_NODE'])])
    for (const [i, name] of names.entries()) a.retire(i + 1).open(i + 1_001, name)
    await world.settle()
    expect(world.registry.lookups).toBe(1)
    await world.advance(1_000)
    a.retire(1_001).open(1, names[0]!)
    await world.settle()
    expect(world.registry.lookups).toBe(2)
  })

  it('uses no window once it was rejected, and only then', async () => {
    let answer = () => {}
    world.registry.gate = () => new Promise((resolve) => (answer = resolve))
    a.open(1, 'nobody')
    // Two fit the window and the frame that may overrun it; two do not.
    for (let i = 0; i < 4; i++) a.send(1, noise(i, 1024 * 1024))
    await world.settle()
    const credited = () => a.credits.reduce((sum, { frames }) => sum + frames, 0)
    expect([a.rejectCodes, credited()]).toEqual([['BUSY', 'BUSY'], 2])
    answer()
    await world.settle()
    expect([a.rejectCodes.slice(2), credited()]).toEqual([['UNKNOWN_NODE', 'UNKNOWN_NODE'], 4])
  })
})

describe('what a token does not allow is FORBIDDEN', () => {
  it('a node in no group of the sender', async () => {
    const stranger = await world.node('stranger', { groups: ['g2'] })
    a.open(1, 'stranger').send(1, noise(0))
    await world.settle()
    expect([a.rejectCodes, stranger.frames]).toEqual([['FORBIDDEN'], []])
  })

  it('a group that the sender is not in', async () => {
    const stranger = await world.node('stranger', { groups: ['g2'] })
    a.open(1, 'any:g2').open(2, 'group:g2').send(1, noise(0)).send(2, noise(1))
    await world.settle()
    expect([a.rejectCodes, stranger.frames]).toEqual([['FORBIDDEN', 'FORBIDDEN'], []])
  })

  it('but whoever was sent something may answer', async () => {
    const { token } = world.token('boss', { scopes: ['register:boss@g9', 'send:g1/*'] })
    const boss = await world.node('boss', { groups: ['g9'], token })
    a.open(1, 'boss').send(1, noise(0))
    boss.open(1, 'a').send(1, noise(1))
    await world.settle()
    expect([a.rejectCodes, counters(a)]).toEqual([['FORBIDDEN'], [1]])
    a.send(1, noise(2))
    await world.settle()
    expect([counters(boss), a.rejectCodes]).toEqual([[2], ['FORBIDDEN']])
  })

  it('and is asked again where another process took the name', async () => {
    const b = await world.node('b')
    a.open(1, 'b').send(1, noise(0))
    await world.settle()
    expect(counters(b)).toEqual([0])
    b.connection.destroy()
    await world.settle()
    const moved = await world.node('b', { groups: ['g2'] })
    a.send(1, noise(1))
    await world.settle()
    expect([counters(moved), a.rejectCodes]).toEqual([[], ['FORBIDDEN']])
  })

  it('scopes allow a prefix of names, and no more', async () => {
    const { token } = world.token('c', { scopes: ['register:c@g1', 'send:g1/orders-*'] })
    const c = await world.node('c', { token })
    const orders = await world.node('orders-1')
    const bills = await world.node('bills-1')
    c.open(1, 'orders-1').open(2, 'bills-1').open(3, 'group:g1').open(4, 'any:g1')
    for (const route of [1, 2, 3, 4]) c.send(route, noise(route))
    await world.settle()
    expect([counters(orders), counters(bills)]).toEqual([[1], []])
    expect(c.rejects.map(({ route, code }) => [route, code])).toEqual([
      [2, 'FORBIDDEN'],
      [3, 'FORBIDDEN'],
      [4, 'FORBIDDEN'],
    ])
  })
})

describe('a receiver is told', () => {
  it('once what a route stands for, before its first frame', async () => {
    const b = await world.node('b')
    a.open(1, 'b').send(1, noise(0)).send(1, noise(1), noise(2))
    await world.settle()
    expect(b.frames.map(({ type }) => type)).toEqual([FrameType.announce, ...Array(3).fill(FrameType.deliver)])
  })

  it('the same number for all of a group, and its own for each of its senders', async () => {
    const [b, c] = [await world.node('b'), await world.node('c')]
    a.open(1, 'group:g1').send(1, noise(0))
    b.open(1, 'group:g1').send(1, noise(1))
    await world.settle()
    const [from, other] = [c.announces.find(({ from }) => from === 'a')!, c.announces.find(({ from }) => from === 'b')!]
    expect(b.announces).toEqual([from])
    expect(other.route).not.toBe(from.route)
  })

  it('when the sender gives the route up, or is gone', async () => {
    const b = await world.node('b')
    a.open(1, 'b').open(2, 'b', 'other').send(1, noise(0)).send(2, noise(1))
    await world.settle()
    const [first, second] = b.announces.map(({ route }) => route)
    b.take()
    a.retire(1)
    await world.settle()
    expect(b.take()).toEqual([{ type: FrameType.retire, flags: 0, route: first, body: Buffer.alloc(0) }])
    a.connection.destroy()
    await world.settle()
    expect(b.take()).toEqual([{ type: FrameType.retire, flags: 0, route: second, body: Buffer.alloc(0) }])
  })

  it('anew when the route was given up and opened again', async () => {
    const b = await world.node('b')
    a.open(1, 'b').send(1, noise(0)).retire(1).open(1, 'b').send(1, noise(1))
    await world.settle()
    expect(b.frames.map(({ type }) => type)).toEqual([
      FrameType.announce,
      FrameType.deliver,
      FrameType.retire,
      FrameType.announce,
      FrameType.deliver,
    ])
    expect(new Set(b.announces.map(({ route }) => route)).size).toBe(2)
  })

  it('anew on its next link', async () => {
    const instance = '77'.repeat(16)
    await world.node('b', { instance })
    a.open(1, 'b').send(1, noise(0))
    await world.settle()
    const back = await world.node('b', { instance })
    a.send(1, noise(1))
    await world.settle()
    expect([back.announces.length, counters(back)]).toEqual([1, [1]])
  })
})

describe('a sender is told of its target', () => {
  const [one, two] = ['deadbeef'.repeat(4), '0000000012345678'.repeat(2)]

  it('whether it is there when the route is opened, and which process it is', async () => {
    await world.node('b', { instance: one })
    await world.node('c', { instance: two })
    a.open(1, 'b').open(2, 'c').open(3, 'd')
    await world.settle()
    expect(a.statuses).toEqual([
      { route: 1, online: true, incarnation: 0xdeadbeef },
      { route: 2, online: true, incarnation: 1 },
      { route: 3, online: false, incarnation: 0 },
    ])
    expect(incarnationOf(one)).toBe(0xdeadbeef)
  })

  it('when it goes and when it comes, on each route to it', async () => {
    a.open(1, 'b').open(2, 'b', 'other')
    await world.settle()
    a.take()
    const b = await world.node('b', { instance: one })
    expect(a.statuses).toEqual([1, 2].map((route) => ({ route, online: true, incarnation: 0xdeadbeef })))
    a.take()
    b.connection.destroy()
    await world.settle()
    expect(a.statuses).toEqual([1, 2].map((route) => ({ route, online: false, incarnation: 0 })))
  })

  it('when another process takes its place: gone, then there, with the new incarnation last', async () => {
    await world.node('b', { instance: one })
    a.open(1, 'b')
    await world.settle()
    a.take()
    await world.node('b', { instance: one })
    expect(a.statuses.at(-1)).toEqual({ route: 1, online: true, incarnation: 0xdeadbeef })
  })

  it('no more once it has given the route up', async () => {
    a.open(1, 'b').retire(1)
    await world.settle()
    a.take()
    await world.node('b')
    expect(a.frames).toEqual([])
  })
})

describe('a sender that wants to know who got a frame', () => {
  const ask = (route: number, i: number) => a.write(sendFrame(route, noise(i), 1))

  it('is told the names', async () => {
    const links = [await world.node('b'), await world.node('c')]
    a.open(1, 'group:g1').open(2, 'any:g1').open(3, 'c')
    for (const route of [1, 2, 3]) ask(route, route)
    await world.settle()
    const names = a.accepted
    expect(names.map(({ route, names }) => [route, names.length])).toEqual([
      [1, 2],
      [2, 1],
      [3, 1],
    ])
    expect([...names[0]!.names].sort()).toEqual(['b', 'c'])
    expect(names[2]!.names).toEqual(['c'])
    expect(links.map((link) => link.of(FrameType.deliver).every(({ flags }) => flags === 0))).toEqual([true, true])
  })

  it('is told that a group had nobody else in it', async () => {
    a.open(1, 'group:g1')
    ask(1, 0)
    await world.settle()
    expect([a.accepted, a.rejectCodes]).toEqual([[{ route: 1, names: [] }], []])
  })

  it('is told one thing of each frame, never both', async () => {
    a.open(1, 'nobody')
    ask(1, 0)
    await world.settle()
    expect([a.accepted, a.rejectCodes]).toEqual([[], ['UNKNOWN_NODE']])
  })

  it('has its frames in order with those about which it did not ask', async () => {
    const b = await world.node('b')
    a.open(1, 'b')
    a.write(Buffer.concat([sendFrame(1, noise(0)), sendFrame(1, noise(1), 1), sendFrame(1, noise(2))]))
    await world.settle()
    expect(counters(b)).toEqual([0, 1, 2])
  })
})

describe('a node that drains', () => {
  it('is given no more of what any or every member of its groups gets, but all that goes to its name', async () => {
    const [b, c] = [await world.node('b'), await world.node('c')]
    b.write(encodeFrame(FrameType.goaway, 0, Buffer.from('{}')))
    a.open(1, 'any:g1').open(2, 'group:g1').open(3, 'b')
    for (let i = 0; i < 10; i++) a.send(1, noise(i))
    a.send(2, noise(20)).send(3, noise(30))
    await world.settle()
    expect([counters(b), counters(c)]).toEqual([[30], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20]])
  })

  it('may still send, to the groups it is leaving too', async () => {
    const b = await world.node('b')
    b.write(encodeFrame(FrameType.goaway, 0, Buffer.from('{}')))
    b.open(1, 'group:g1').open(2, 'a').send(1, noise(1)).send(2, noise(2))
    await world.settle()
    expect(counters(a)).toEqual([1, 2])
  })

  it('is reported to those who watch once, however often it says so', async () => {
    const b = await world.node('b')
    a.query(1, { type: 'watch', group: 'g1' })
    await world.settle()
    a.take()
    for (let i = 0; i < 3; i++) b.write(encodeFrame(FrameType.goaway, 0, Buffer.from('{}')))
    await world.settle()
    b.connection.destroy()
    await world.settle()
    expect(a.of(FrameType.peers)).toHaveLength(1)
  })
})
