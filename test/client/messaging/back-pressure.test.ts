import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

/** Two of them fill the queue of an outlet. */
const big = () => Buffer.alloc(40_000)
/** She comes back behind the others. */
const limits = { outletBytes: 90_000, reconnectMinMs: 40 }

let net: Net
let time: VirtualTime
beforeEach(() => {
  time = new VirtualTime()
  net = new Net({ time })
})
afterEach(() => net.close())

/** `alice` is not connected, and has filled her queue to `bob`. */
async function filled() {
  const alice = await net.join('alice', { limits })
  const bob = await net.join('bob')
  const got: unknown[] = []
  bob.on('take', ({ body }) => void got.push(body))
  bob.on('fill', () => {})
  await alice.send('bob', 'take', 'first')
  await until(() => got.length === 1, 'the way is open')
  got.length = 0
  net.kill()
  await turns()
  await alice.send('bob', 'fill', big())
  await alice.send('bob', 'fill', big())
  return { alice, bob, got }
}

/** The mediator is back, and so are the nodes. */
async function reconnect() {
  net.start()
  await time.advance(100)
}

const state = async (promise: Promise<unknown>) => {
  let settled = 'waits'
  promise.then(
    () => (settled = 'sent'),
    (error: { code: string }) => (settled = error.code),
  )
  await turns()
  return () => settled
}

describe('a send that finds no room', () => {
  it('waits, and goes out when there is room again', async () => {
    const { alice, got } = await filled()
    const sent = await state(alice.send('bob', 'take', big()))
    expect(sent()).toBe('waits')
    await reconnect()
    expect(sent()).toBe('sent')
    await until(() => got.length === 1, 'it arrives')
  })

  it('rejects with BUSY after 10 s, not delivered', async () => {
    const { alice } = await filled()
    const failed = rejection(alice.send('bob', 'take', big()))
    const sent = await state(failed)
    await time.advance(9_999)
    expect(sent()).toBe('waits')
    await time.advance(1)
    expect(await failed).toMatchObject({
      code: 'BUSY',
      outcome: 'not-delivered',
      target: 'bob',
      afterMs: 10_000,
      hop: 'client',
    })
  })

  it('rejects with BUSY at its own timeout, and is not sent later', async () => {
    const { alice, got } = await filled()
    const failed = rejection(alice.send('bob', 'take', big(), { timeout: 50 }))
    await time.advance(50)
    expect((await failed).code).toBe('BUSY')
    await reconnect()
    await turns()
    expect(got).toEqual([])
  })

  it('rejects with ABORTED when its signal fires, and is not sent later', async () => {
    const { alice, got } = await filled()
    const giveUp = new AbortController()
    const failed = rejection(alice.send('bob', 'take', big(), { signal: giveUp.signal }))
    giveUp.abort(new Error('changed my mind'))
    expect(await failed).toMatchObject({
      code: 'ABORTED',
      outcome: 'not-delivered',
      cause: { message: 'changed my mind' },
    })
    await reconnect()
    await turns()
    expect(got).toEqual([])
  })

  it('rejects with ABORTED at once where its signal had fired before', async () => {
    const alice = await net.join('alice')
    const error = await rejection(alice.send('bob', 'take', 1, { signal: AbortSignal.abort('no') }))
    expect(error).toMatchObject({ code: 'ABORTED', outcome: 'not-delivered', cause: 'no' })
  })

  it('rejects with CLOSED when the node is closed', async () => {
    const { alice } = await filled()
    const failed = rejection(alice.send('bob', 'take', big()))
    await alice.close()
    expect(await failed).toMatchObject({ code: 'CLOSED', outcome: 'not-delivered' })
  })

  it('keeps its place: sends, calls and small messages leave in the order in which they were asked for', async () => {
    const { alice, bob, got } = await filled()
    bob.on('ask', ({ body }) => void got.push((body as Buffer)[0]))
    bob.off('take')
    bob.on('take', ({ body }) => void got.push((body as Buffer)[0]))
    const numbered = (i: number, bytes: number) => Buffer.alloc(bytes, i)
    const all = Promise.all([
      alice.send('bob', 'take', numbered(1, 40_000)),
      alice.call('bob', 'ask', numbered(2, 10)),
      alice.send('bob', 'take', numbered(3, 10)),
      alice.send('bob', 'take', numbered(4, 40_000)),
      alice.call('bob', 'ask', numbered(5, 40_000)),
      alice.send('bob', 'take', numbered(6, 1)),
    ])
    await reconnect()
    await all
    await until(() => got.length === 6, 'all arrive')
    expect(got).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('leaves the order of the others as it was when one of them gives up', async () => {
    const { alice, got } = await filled()
    const giveUp = new AbortController()
    const sends = [1, 2, 3].map((i) =>
      alice.send('bob', 'take', Buffer.alloc(40_000, i), i === 2 ? { signal: giveUp.signal } : {}),
    )
    const gaveUp = rejection(sends[1]!)
    giveUp.abort()
    await gaveUp
    await reconnect()
    await Promise.all([sends[0], sends[2]])
    await until(() => got.length === 2, 'both arrive')
    expect(got.map((body) => (body as Buffer)[0])).toEqual([1, 3])
  })

  it('delays nothing that goes to somebody else', async () => {
    const limited = new Net({ time, limits: { routeWindowBytes: 65_536, routeWindowFrames: 4 } })
    try {
      const alice = await limited.join('alice', { limits: { outletBytes: 90_000 } })
      const [bob, carol] = await Promise.all([limited.join('bob'), limited.join('carol')])
      const got: unknown[] = []
      bob.on('take', () => {})
      carol.on('take', ({ body }) => void got.push(body))
      // No credit for bob comes back to alice.
      limited.tamper = (frame, direction, node) =>
        direction === 'down' && node === 'alice' && frame[4] === 13 ? [] : [frame]
      const stuck: Promise<unknown>[] = []
      for (let i = 0; i < 10; i++) stuck.push(alice.send('bob', 'take', big()))
      await turns()
      await alice.send('carol', 'take', 'free')
      await until(() => got.length === 1, 'carol is reached')
      await alice.close()
      const outcomes = await Promise.allSettled(stuck)
      expect(outcomes.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(2)
    } finally {
      await limited.close()
    }
  })

  it('takes a message larger than the whole queue where nothing waits', async () => {
    const alice = await net.join('alice', { limits: { outletBytes: 1_000 } })
    const bob = await net.join('bob')
    const got: number[] = []
    bob.on('take', ({ body }) => void got.push((body as Buffer).length))
    await Promise.all([alice.send('bob', 'take', big()), alice.send('bob', 'take', big())])
    await until(() => got.length === 2, 'both arrive')
  })

  it('tells of an error that shows only when its turn has come', async () => {
    const { alice } = await filled()
    const sends = [alice.send('bob', 'take', big()), alice.call('bob', 'ask', { n: 1n }, { timeout: 1_000 })]
    const error = rejection(sends[1]!)
    await reconnect()
    await sends[0]
    expect(await error).toMatchObject({ code: 'UNSERIALISABLE', outcome: 'not-delivered' })
  })

  it('ends in a few hundred queued kilobytes, and not in memory without end', async () => {
    const { alice } = await filled()
    const before = process.memoryUsage().arrayBuffers
    let queued = 0
    const sends = Array.from({ length: 2_000 }, () => alice.send('bob', 'take', 'x'.repeat(1_000)).then(() => queued++))
    await turns()
    expect(queued).toBeLessThan(100)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000)
    await alice.close()
    const outcomes = await Promise.allSettled(sends)
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(2_000 - queued)
  })
})

describe('the window of a route', () => {
  it('lets a sender run no further ahead than its target reads', async () => {
    const small = new Net({ time, limits: { routeWindowBytes: 65_536, routeWindowFrames: 8 } })
    try {
      const [alice, bob] = await Promise.all([small.join('alice'), small.join('bob')])
      let sent = 0
      let got = 0
      small.tamper = (frame, direction, node) => {
        if (direction === 'up' && node === 'alice' && frame[4] === 11) sent += frame.length
        return [frame]
      }
      bob.on('take', () => void got++)
      const sends: Promise<void>[] = []
      for (let i = 0; i < 200; i++) sends.push(alice.send('bob', 'take', Buffer.alloc(10_000)))
      await Promise.all(sends)
      await until(() => got === 200, 'everything arrives')
      expect(sent).toBeGreaterThan(2_000_000)
    } finally {
      await small.close()
    }
  })

  it('holds the sender at the window while no credit comes, and goes on when it does', async () => {
    const window = 131_072
    const small = new Net({ time, limits: { routeWindowBytes: window, routeWindowFrames: 64 } })
    try {
      const [alice, bob] = await Promise.all([small.join('alice'), small.join('bob')])
      let sent = 0
      let got = 0
      bob.on('take', () => void got++)
      await alice.send('bob', 'take')
      await until(() => got === 1, 'the way is open')
      const held: Uint8Array[] = []
      let holding = true
      small.tamper = (frame, direction, node) => {
        if (node === 'alice' && direction === 'up' && frame[4] === 11) sent += frame.length
        if (!holding || node !== 'alice' || direction !== 'down' || frame[4] !== 13) return [frame]
        held.push(frame)
        return []
      }
      for (let i = 0; i < 60; i++) void alice.send('bob', 'take', Buffer.alloc(20_000))
      await turns(100)
      expect(got).toBeLessThan(60)
      expect(sent).toBeGreaterThanOrEqual(window)
      expect(sent).toBeLessThan(window + 65_536)
      holding = false
      for (const frame of held) small.wire('alice').inject('down', frame)
      await until(() => got === 61, 'the rest arrives')
    } finally {
      await small.close()
    }
  })
})
