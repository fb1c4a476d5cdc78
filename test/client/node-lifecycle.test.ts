import type { ClientTransport, ConnectionEvents } from '@sealway/protocol'
import type { Node } from '../../client-lib/src/node.js'
import { VirtualTime } from '../support/clock.js'
import { Net } from '../support/net.js'
import { rejection, turns, until } from '../support/until.js'

let net: Net
let time: VirtualTime
beforeEach(() => {
  time = new VirtualTime()
  net = new Net({ time })
})
afterEach(() => net.close())

/** The second comes back behind the first, so that what waited finds him there. */
async function pair(): Promise<[Node, Node]> {
  const bob = await net.join('bob')
  return [await net.join('alice', { limits: { reconnectMinMs: 40 } }), bob]
}

/** Never ready right after a write. */
function oneWritePerTurn(name: string): ClientTransport {
  const inner = net.transport(name)
  return {
    name: 'memory',
    async connect(url, options) {
      const connection = await inner.connect(url, options)
      let events: ConnectionEvents | undefined
      return {
        transport: 'memory',
        remoteAddress: 'memory',
        start(given) {
          events = given
          connection.start(given)
        },
        write(parts) {
          connection.write(parts)
          setImmediate(() => events?.drain())
          return false
        },
        pause: () => connection.pause(),
        resume: () => connection.resume(),
        end: () => connection.end(),
        destroy: () => connection.destroy(),
      }
    },
  }
}

const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  let done = false
  const mark = () => {
    done = true
  }
  promise.then(mark, mark)
  await turns()
  return done
}

describe('a link that is lost', () => {
  it('loses calls in flight at once with LINK_LOST, outcome unknown', async () => {
    const [alice, bob] = await pair()
    bob.on('never', () => new Promise(() => {}))
    const failed = rejection(alice.call('bob', 'never'))
    await turns()
    net.cut('alice')
    expect(await failed).toMatchObject({ code: 'LINK_LOST', outcome: 'unknown', target: 'bob', retry: 'later' })
  })

  it('keeps sends and calls that were queued meanwhile, in order, and delivers them on the next', async () => {
    const [alice, bob] = await pair()
    const got: unknown[] = []
    bob.on('n', ({ body }) => {
      got.push(body)
      return body
    })
    await alice.call('bob', 'n', 0)
    net.kill()
    await turns()
    expect(alice.connected).toBe(false)
    await alice.send('bob', 'n', 1)
    const called = alice.call('bob', 'n', 2)
    await alice.send('bob', 'n', 3)
    net.start()
    await time.advance(200)
    expect(await called).toBe(2)
    await until(() => got.length === 4, 'all arrive')
    expect(got).toEqual([0, 1, 2, 3])
  })

  it('keeps what is queued until its target is back too, be it behind', async () => {
    const alice = await net.join('alice')
    const bob = await net.join('bob', { limits: { reconnectMinMs: 3_000 } })
    const got: unknown[] = []
    bob.on('n', ({ body }) => {
      got.push(body)
      return body
    })
    await alice.call('bob', 'n', 0)
    net.kill()
    await turns()
    await alice.send('bob', 'n', 1)
    net.start()
    await time.advance(100)
    expect([alice.connected, bob.connected]).toEqual([true, false])
    const called = alice.call('bob', 'n', 2)
    expect(await settled(called)).toBe(false)
    await time.advance(1_500)
    expect(bob.connected).toBe(true)
    expect(await called).toBe(2)
    expect(got).toEqual([0, 1, 2])
  })

  it('waits 2 s for a target that does not come back, and then says so', async () => {
    const alice = await net.join('alice')
    const bob = await net.join('bob', { limits: { reconnectMinMs: 60_000, reconnectMaxMs: 60_000 } })
    bob.on('n', () => 1)
    await alice.call('bob', 'n')
    net.kill()
    await turns()
    const failed = rejection(alice.call('bob', 'n'))
    net.start()
    await time.advance(1_900)
    expect(await settled(failed)).toBe(false)
    await time.advance(300)
    const { code, outcome } = await failed
    expect(['OFFLINE', 'UNKNOWN_NODE']).toContain(code)
    expect(outcome).toBe('not-delivered')
    expect((await rejection(alice.call('bob', 'n'))).outcome).toBe('not-delivered')
  })

  it("is restored with handlers, routes and watches without the user's doing, again and again", async () => {
    const [alice, bob] = await pair()
    bob.on('n', ({ body }) => body)
    alice.on('m', ({ body }) => body)
    const gaps: unknown[] = []
    for (const node of [alice, bob]) node.events.on('gap', (event) => gaps.push(event))
    for (let round = 0; round < 10; round++) {
      expect(await Promise.all([alice.call('bob', 'n', round), bob.call('alice', 'm', round)])).toEqual([round, round])
      expect((await alice.broadcast('g', 'n', round, { want: 'acks' })).ok).toEqual(['bob'])
      if (round % 2) net.cut(round % 4 === 1 ? 'alice' : 'bob')
      else {
        net.kill()
        await turns()
        net.start()
      }
      await time.advance(200)
      expect([alice.connected, bob.connected]).toEqual([true, true])
    }
    expect(gaps).toEqual([])
  })

  it('tells what it was by the events, in order', async () => {
    const [alice] = await pair()
    const events: string[] = []
    alice.events.on('disconnected', ({ error, retryInMs }) => events.push(`${error.code} ${retryInMs! >= 0}`))
    alice.events.on('connected', ({ transport, mediator }) => events.push(`${transport} ${mediator}`))
    net.cut('alice')
    await time.advance(200)
    expect(events).toEqual(['LINK_LOST true', 'memory test'])
  })
})

describe('close', () => {
  it('leaves at once: calls in flight are rejected with CLOSED, and the mediator knows', async () => {
    const [alice, bob] = await pair()
    bob.on('never', () => new Promise(() => {}))
    const failed = rejection(alice.call('bob', 'never'))
    await turns()
    await alice.close()
    expect(await failed).toMatchObject({ code: 'CLOSED', outcome: 'unknown' })
    expect(alice.connected).toBe(false)
    await until(() => net.relay!.live().length === 1, 'the mediator knows')
  })

  it('still delivers what was sent before it', async () => {
    const [alice, bob] = await pair()
    const got: unknown[] = []
    bob.on('n', ({ body }) => void got.push(body))
    for (let i = 0; i < 100; i++) await alice.send('bob', 'n', i)
    await alice.close()
    await until(() => got.length === 100, 'all arrive')
  })

  it('delivers it too over a link that takes one write per turn, as socket.io does, and tells of a wrong key there', async () => {
    const [slow, bob] = [
      await net.join('slow', { transport: oneWritePerTurn('slow') }),
      await net.join('bob', { transport: oneWritePerTurn('bob') }),
    ]
    const got: unknown[] = []
    bob.on('n', ({ body }) => void got.push(body))
    for (let i = 0; i < 100; i++) await slow.send('bob', 'n', i)
    await slow.close()
    await until(() => got.length === 100, 'all arrive')
    const stranger = await net.join('stranger', { keys: net.newKey() })
    expect((await rejection(stranger.call('bob', 'n'))).code).toBe('UNKNOWN_KEY')
  })

  it('resolves `closed` without an error, and can be called again and again', async () => {
    const [alice] = await pair()
    await Promise.all([alice.close(), alice.close()])
    await alice.close()
    await alice.drain()
    expect(await alice.closed).toBeUndefined()
  })

  it('comes back no more', async () => {
    const [alice] = await pair()
    await alice.close()
    const { dialled } = net
    await time.advance(120_000)
    expect(net.dialled).toBe(dialled)
  })

  it('while it is on its way back ends that too', async () => {
    const [alice] = await pair()
    net.kill()
    await turns()
    await alice.close()
    net.start()
    await time.advance(60_000)
    expect(alice.connected).toBe(false)
    expect(net.relay!.live().map(({ name }) => name)).toEqual(['bob'])
  })

  it('tells handlers that run', async () => {
    const [alice, bob] = await pair()
    let signal: AbortSignal | undefined
    bob.on('never', (_command, ctx) => {
      signal = ctx.signal
      return new Promise(() => {})
    })
    void alice.call('bob', 'never').catch(() => {})
    await until(() => signal !== undefined, 'the handler runs')
    await bob.close()
    expect(signal!.aborted).toBe(true)
    expect(signal!.reason).toMatchObject({ code: 'CLOSED' })
  })

  it('leaves no timer but the one that cuts the link', async () => {
    const alice = await net.join('alice')
    const before = time.pending
    await alice.send('alice', 'n')
    await alice.call('alice', 'n').catch(() => {})
    await alice.close()
    await time.advance(3_000)
    expect(time.pending).toBeLessThan(before)
  })
})

describe('a closed node', () => {
  it('refuses every verb with CLOSED, not delivered', async () => {
    const [alice] = await pair()
    await alice.close()
    const refused = { code: 'CLOSED', outcome: 'not-delivered', hop: 'client', message: 'alice was closed' }
    expect(await rejection(alice.send('bob', 'n'))).toMatchObject(refused)
    expect(await rejection(alice.call('bob', 'n'))).toMatchObject(refused)
    expect(await rejection(alice.broadcast('g', 'n'))).toMatchObject(refused)
    for (const error of [await rejection(alice.peers('g')), await rejection(alice.watchPeers('g').next())]) {
      expect(['CLOSED', 'NOT_CONNECTED']).toContain(error.code)
      expect(error.outcome).toBe('not-delivered')
    }
  })
})

describe('drain', () => {
  it('waits for calls in flight and handlers that run, and then leaves', async () => {
    const [alice, bob] = await pair()
    const open: (() => void)[] = []
    const slow = () => new Promise<string>((resolve) => open.push(() => resolve('done')))
    alice.on('slow', slow)
    bob.on('slow', slow)
    const [mine, theirs] = [alice.call('bob', 'slow'), bob.call('alice', 'slow')]
    await until(() => open.length === 2, 'both run')
    const drained = alice.drain()
    await time.advance(1_000)
    expect(await settled(drained)).toBe(false)
    expect(await settled(Promise.race([mine, theirs]))).toBe(false)
    for (const finish of open) finish()
    await time.advance(100)
    await drained
    expect(await Promise.all([mine, theirs])).toEqual(['done', 'done'])
    expect(await alice.closed).toBeUndefined()
  })

  it('is no member of its groups any more, and still sends for what it finishes', async () => {
    const [alice, bob] = await pair()
    const carol = await net.join('carol')
    for (const node of [bob, carol]) node.on('who', () => node.name)
    let finish: (() => void) | undefined
    alice.on('slow', async () => {
      await new Promise<void>((resolve) => (finish = resolve))
      return alice.call('bob', 'who')
    })
    const call = carol.call('alice', 'slow')
    await until(() => finish !== undefined, 'it runs')
    const drained = alice.drain()
    await turns()
    expect((await carol.peers('g')).map(({ name }) => name).sort()).toEqual(['bob', 'carol'])
    expect((await carol.broadcast('g', 'who')).targets).toEqual(['bob'])
    finish!()
    expect(await call).toBe('bob')
    await time.advance(100)
    await drained
  })

  it('gives up after 25 s, or its timeout', async () => {
    const [alice, bob] = await pair()
    bob.on('never', () => new Promise(() => {}))
    const failed = rejection(alice.call('bob', 'never'))
    await turns()
    const drained = alice.drain({ timeout: 500 })
    await time.advance(400)
    expect(await settled(drained)).toBe(false)
    await time.advance(200)
    await drained
    expect((await failed).code).toBe('CLOSED')
  })

  it('is one, however often it is called', async () => {
    const [alice, bob] = await pair()
    let answer: ((text: string) => void) | undefined
    bob.on('slow', () => new Promise<string>((resolve) => (answer = resolve)))
    const call = alice.call('bob', 'slow')
    await until(() => answer !== undefined, 'it runs')
    const both = Promise.all([alice.drain(), alice[Symbol.asyncDispose]()])
    await time.advance(500)
    expect(await settled(both)).toBe(false)
    answer!('done')
    await time.advance(100)
    await both
    expect(await call).toBe('done')
  })

  it('waits for a link that is gone, and loses nothing where it comes back', async () => {
    const [alice, bob] = await pair()
    const got: unknown[] = []
    bob.on('note', ({ body }) => void got.push(body))
    bob.on('ask', () => 'answer')
    await alice.send('bob', 'note', 'before')
    await turns()
    net.kill()
    await turns()
    await alice.send('bob', 'note', 'queued')
    const asked = alice.call('bob', 'ask')
    const drained = alice.drain()
    await time.advance(5_000)
    expect(await settled(drained)).toBe(false)
    net.start()
    await time.advance(5_000)
    await drained
    expect(await asked).toBe('answer')
    expect(got).toEqual(['before', 'queued'])
  })

  it('tells what is lost where no link comes back in its time', async () => {
    const [alice] = await pair()
    await turns()
    net.kill()
    await turns()
    const dropped: unknown[] = []
    alice.events.on('dropped', (event) => dropped.push(event))
    await alice.send('bob', 'note', 'queued')
    const failed = [alice.call('bob', 'ask'), alice.sendAcked('bob', 'ask')].map(rejection)
    const stream = alice.stream('bob', 'items')
    const drained = alice.drain({ timeout: 3_000 })
    await time.advance(2_900)
    expect(await settled(drained)).toBe(false)
    await time.advance(200)
    await drained
    const lost = { code: 'CLOSED', outcome: 'not-delivered' }
    expect(await Promise.all(failed)).toMatchObject([lost, lost])
    expect(await rejection(stream.next())).toMatchObject({ code: 'CLOSED' })
    expect(dropped).toEqual([{ to: 'bob', code: 'CLOSED' }])
  })

  it('does not wait for a link where nothing is to go over it', async () => {
    const [alice] = await pair()
    net.kill()
    await turns()
    await alice.drain()
    expect(alice.connected).toBe(false)
  })

  it('is cut short by close', async () => {
    const [alice, bob] = await pair()
    bob.on('never', () => new Promise(() => {}))
    const failed = rejection(alice.call('bob', 'never'))
    await turns()
    const drained = alice.drain()
    await alice.close()
    await time.advance(100)
    await drained
    expect((await failed).code).toBe('CLOSED')
  })

  it('is what asyncDispose does', async () => {
    const [alice, bob] = await pair()
    const got: unknown[] = []
    bob.on('n', ({ body }) => void got.push(body))
    await alice.send('bob', 'n', 1)
    const disposed = alice[Symbol.asyncDispose]()
    await time.advance(100)
    await disposed
    expect(got).toEqual([1])
    expect(await rejection(alice.send('bob', 'n'))).toMatchObject({ code: 'CLOSED' })
  })
})

describe('a mediator that shuts down', () => {
  it('lets work in flight finish, and new work waits for the next link', async () => {
    const [alice, bob] = await pair()
    let finish: ((text: string) => void) | undefined
    bob.on('slow', () => new Promise<string>((resolve) => (finish = resolve)))
    bob.on('quick', () => 'quick')
    const slow = alice.call('bob', 'slow')
    await until(() => finish !== undefined, 'it runs')
    const stop = new AbortController()
    const old = net.relay!
    const drained = old.drain(stop.signal)
    await turns()
    const quick = alice.call('bob', 'quick')
    expect(await settled(quick)).toBe(false)
    finish!('slow')
    await time.advance(50)
    expect(await slow).toBe('slow')
    net.relay = undefined
    await time.advance(50)
    await drained
    expect(await settled(quick)).toBe(false)
    net.start()
    await time.advance(500)
    expect(await quick).toBe('quick')
    expect(
      net
        .relay!.live()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['alice', 'bob'])
  })

  it('does not make new work wait beyond its timeout, nor against its signal', async () => {
    const [alice, bob] = await pair()
    bob.on('slow', () => new Promise(() => {}))
    void alice.call('bob', 'slow').catch(() => {})
    await turns()
    const stop = new AbortController()
    const drained = net.relay!.drain(stop.signal)
    await turns()
    const late = rejection(alice.call('bob', 'quick', 1, { timeout: 200 }))
    const giveUp = new AbortController()
    const aborted = rejection(alice.send('bob', 'quick', 1, { signal: giveUp.signal }))
    expect(await rejection(alice.call('bob', 'quick', 1, { timeout: -1 }))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    giveUp.abort()
    expect(await aborted).toMatchObject({ code: 'ABORTED', outcome: 'not-delivered' })
    await time.advance(250)
    expect(await late).toMatchObject({ code: 'TIMEOUT', outcome: 'not-delivered', afterMs: 200 })
    stop.abort()
    await drained
  })

  it('lets no call wait longer than its timeout in all: before and after the new link', async () => {
    const [alice, bob] = await pair()
    let runs = 0
    bob.on('never', () => {
      runs++
      return new Promise(() => {})
    })
    const failed = rejection(alice.call('bob', 'never'))
    await turns()
    const stop = new AbortController()
    void net.relay!.drain(stop.signal)
    await turns()
    const began = time.now
    let endedAt = 0
    const late = rejection(alice.call('bob', 'never', 1, { timeout: 3_000 })).then((error) => {
      endedAt = time.now
      return error
    })
    await time.advance(1_000)
    stop.abort()
    net.kill()
    net.start()
    await time.advance(3_000)
    expect((await late).code).toBe('TIMEOUT')
    expect(endedAt - began).toBeLessThanOrEqual(3_100)
    expect(runs).toBe(2)
    await failed
  })
})

describe('two nodes of one process', () => {
  it('share nothing: not keys, not handlers, not calls', async () => {
    const other = new Net({ time })
    try {
      const [alice, twin] = [await net.join('alice'), await other.join('alice')]
      const [bob, double] = [await net.join('bob'), await other.join('bob')]
      bob.on('who', () => 'bob')
      double.on('who', () => 'double')
      expect(await Promise.all([alice.call('bob', 'who'), twin.call('bob', 'who')])).toEqual(['bob', 'double'])
      await alice.close()
      expect(await twin.call('bob', 'who')).toBe('double')
    } finally {
      await other.close()
    }
  })

  it('may not hold one name: the second is refused as long as the first lives', async () => {
    const real = new Net()
    try {
      await real.join('alice')
      const ticking = setInterval(() => real.relay!.tick(), 10)
      const error = await rejection(real.join('alice')).finally(() => clearInterval(ticking))
      expect(error).toMatchObject({ code: 'NAME_IN_USE', hop: 'mediator' })
    } finally {
      await real.close()
    }
  })

  it('do not change the protocol of the process: no listener stays on it', async () => {
    const before = process.eventNames().map((name) => process.listenerCount(name))
    const alice = await net.join('alice')
    await alice.close()
    expect(process.eventNames().map((name) => process.listenerCount(name))).toEqual(before)
  })
})
