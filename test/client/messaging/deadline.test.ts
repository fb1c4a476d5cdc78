import type { Context } from '../../../client-lib/src/messaging/delivery.js'
import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let net: Net
let time: VirtualTime
let alice: Node
let bob: Node
/** Contexts of the calls that `bob` never answers. */
let contexts: Context[]
beforeEach(async () => {
  time = new VirtualTime()
  net = new Net({ time })
  ;[alice, bob] = await Promise.all([
    // She comes back behind the others.
    net.join('alice', { limits: { reconnectMinMs: 40 } }),
    net.join('bob'),
  ])
  contexts = []
  bob.on('never', (_command, ctx) => {
    contexts.push(ctx)
    return new Promise(() => {})
  })
  bob.on('echo', ({ body }) => body)
})
afterEach(() => net.close())

const running = () => until(() => contexts.length > 0, 'the handler runs')

describe('a call', () => {
  it('rejects with TIMEOUT after 30 s, outcome unknown, naming who, what and how long', async () => {
    const failed = rejection(alice.call('bob', 'never'))
    await running()
    await time.advance(29_000)
    let settled = false
    void failed.then(() => (settled = true))
    await turns()
    expect(settled).toBe(false)
    await time.advance(1_500)
    const error = await failed
    expect(error).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown', target: 'bob', hop: 'client', retry: 'later' })
    expect(error.afterMs).toBeGreaterThanOrEqual(30_000)
    expect(error.message).toBe('call never to bob: no answer within 30000 ms')
  })

  it('rejects with TIMEOUT, not delivered, where it never left', async () => {
    net.kill()
    await turns()
    const failed = rejection(alice.call('bob', 'echo', 1, { timeout: 50 }))
    await time.advance(50)
    const error = await failed
    expect(error).toMatchObject({ code: 'TIMEOUT', outcome: 'not-delivered' })
    expect(error.message).toContain('it never left this process')
  })

  it('is taken out of the unsent bundle at its timeout, and the others in the bundle arrive', async () => {
    net.kill()
    await turns()
    const seen: unknown[] = []
    bob.on('note', ({ body }) => void seen.push(body))
    const before = alice.send('bob', 'note', 1)
    const failed = rejection(alice.call('bob', 'note', 'late', { timeout: 5 }))
    const between = alice.send('bob', 'note', 2)
    const alsoFailed = rejection(alice.call('bob', 'note', 'late too', { timeout: 5 }))
    const answered = alice.call('bob', 'echo', 3, { timeout: 60_000 })
    await time.advance(6)
    expect(await failed).toMatchObject({ code: 'TIMEOUT', outcome: 'not-delivered' })
    expect(await alsoFailed).toMatchObject({ code: 'TIMEOUT', outcome: 'not-delivered' })
    net.start()
    await time.advance(200)
    await Promise.all([before, between])
    expect(await answered).toBe(3)
    expect(seen).toEqual([1, 2])
  })

  it('is not delivered either where it was still waiting for room', async () => {
    const carol = await net.join('carol', { limits: { outletBytes: 50_000 } })
    await carol.call('bob', 'echo')
    net.kill()
    await turns()
    for (let i = 0; i < 2; i++)
      void carol.send('bob', 'note', Buffer.alloc(40_000), { timeout: 60_000 }).catch(() => {})
    const failed = rejection(carol.call('bob', 'echo', Buffer.alloc(40_000), { timeout: 20 }))
    await time.advance(25)
    expect(await failed).toMatchObject({ code: 'TIMEOUT', outcome: 'not-delivered' })
  })

  it('writes into its record what is left of the deadline when it leaves, and not what was asked for', async () => {
    net.kill()
    await turns()
    let left = 0
    bob.on('deadline', (_command, { deadline }) => {
      left = deadline! - time.now
    })
    const answered = alice.call('bob', 'deadline', undefined, { timeout: 10_000 })
    await time.advance(4_000)
    net.start()
    await time.advance(3_000)
    await answered
    expect(left).toBeLessThanOrEqual(6_000)
    expect(left).toBeGreaterThan(2_000)
  })

  it('rejects with ABORTED when its signal fires, and tells the handler', async () => {
    const giveUp = new AbortController()
    const failed = rejection(alice.call('bob', 'never', 1, { signal: giveUp.signal }))
    await running()
    expect(contexts[0]!.signal.aborted).toBe(false)
    giveUp.abort(new Error('changed my mind'))
    expect(await failed).toMatchObject({ code: 'ABORTED', outcome: 'unknown', cause: { message: 'changed my mind' } })
    await until(() => contexts[0]!.signal.aborted, 'the handler is told')
    expect(contexts[0]!.signal.reason).toMatchObject({ code: 'ABORTED' })
  })

  it('rejects with ABORTED, not delivered, where its signal fires before it leaves', async () => {
    net.kill()
    await turns()
    const giveUp = new AbortController()
    const failed = rejection(alice.call('bob', 'never', 1, { signal: giveUp.signal }))
    giveUp.abort()
    expect(await failed).toMatchObject({ code: 'ABORTED', outcome: 'not-delivered' })
    net.start()
    await time.advance(200)
    expect(contexts).toEqual([])
  })

  it('rejects at once where its signal had fired before', async () => {
    const failed = rejection(alice.call('bob', 'never', 1, { signal: AbortSignal.abort() }))
    expect(await failed).toMatchObject({ code: 'ABORTED', outcome: 'not-delivered' })
    await turns()
    expect(contexts).toEqual([])
  })

  it('tells the handler at the timeout too', async () => {
    const failed = rejection(alice.call('bob', 'never', 1, { timeout: 100 }))
    await running()
    const { signal } = contexts[0]!
    await time.advance(1_500)
    await failed
    await until(() => signal.aborted, 'the handler is told')
  })

  it('tells a handler that looks only afterwards', async () => {
    const failed = rejection(alice.call('bob', 'never', 1, { timeout: 100 }))
    await running()
    await time.advance(1_500)
    await failed
    await turns()
    expect(contexts[0]!.signal.aborted).toBe(true)
  })

  it('tells the handler of a call to any member at its deadline', async () => {
    await alice.close()
    const carol = await net.join('carol', { groups: ['g'] })
    const failed = rejection(carol.call('any:g', 'never', 1, { timeout: 100 }))
    await running()
    const { signal } = contexts[0]!
    await time.advance(1_500)
    await failed
    await until(() => signal.aborted, 'the handler is told')
  })

  it.each([0, -5, Number.NaN, '7' as unknown as number])('refuses a timeout of %p', async (timeout) => {
    expect(await rejection(alice.call('bob', 'echo', 1, { timeout }))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('waits 15 minutes at most, whatever was asked for', async () => {
    const failed = rejection(alice.call('bob', 'never', 1, { timeout: Number.POSITIVE_INFINITY }))
    await running()
    await time.advance(15 * 60_000 + 2_000)
    expect(await failed).toMatchObject({ code: 'TIMEOUT' })
  })

  it('leaves no timer and no listener behind', async () => {
    const giveUp = new AbortController()
    const added = jest.spyOn(giveUp.signal, 'addEventListener')
    const removed = jest.spyOn(giveUp.signal, 'removeEventListener')
    await alice.call('bob', 'echo', 1)
    const before = time.pending
    await alice.call('bob', 'echo', 1, { signal: giveUp.signal })
    await time.advance(2_000)
    expect(time.pending).toBeLessThanOrEqual(before)
    expect(removed.mock.calls.length).toBe(added.mock.calls.length)
  })

  it('has its answer counted as late where it comes after the timeout', async () => {
    const refused: unknown[] = []
    alice.events.on('refused', (event) => refused.push(event))
    let answer: ((value: number) => void) | undefined
    bob.on('slow', () => new Promise<number>((resolve) => (answer = resolve)))
    const failed = rejection(alice.call('bob', 'slow', 1, { timeout: 100 }))
    await until(() => answer !== undefined, 'the handler runs')
    await time.advance(1_500)
    await failed
    answer!(1)
    await until(() => refused.length > 0, 'the late answer')
    expect(refused).toEqual([{ from: 'bob', code: 'LATE' }])
  })
})

describe('whoever leaves', () => {
  it('takes his calls with him: the handler is told', async () => {
    const failed = rejection(alice.call('bob', 'never'))
    await running()
    const { signal } = contexts[0]!
    await alice.close()
    expect(await failed).toMatchObject({ code: 'CLOSED', outcome: 'unknown' })
    await until(() => signal.aborted, 'the handler is told')
    expect(signal.reason).toMatchObject({ code: 'PEER_GONE', target: 'alice' })
  })

  it('takes the answers with him: calls to him are rejected with PEER_GONE at once', async () => {
    const failed = rejection(alice.call('bob', 'never'))
    await running()
    net.cut('bob')
    const error = await failed
    expect(error).toMatchObject({ code: 'PEER_GONE', outcome: 'unknown', target: 'bob' })
  })

  it.each(['call', 'sendAcked'] as const)(
    'is no doubt for a %s that crosses the news: it was not delivered',
    async (verb) => {
      bob.on('take', () => 1)
      await alice.call('bob', 'take')
      net.wire('alice').hold('up')
      const failed = rejection(alice[verb]('bob', 'take', undefined, { timeout: 60_000 }))
      net.cut('bob')
      await turns()
      net.wire('alice').release('up')
      expect(await failed).toMatchObject({ code: 'OFFLINE', outcome: 'not-delivered', hop: 'mediator', target: 'bob' })
    },
  )

  it('is in doubt for what was handed on before, also where the mediator is slow to answer anything', async () => {
    const failed = rejection(alice.call('bob', 'never'))
    await running()
    net.wire('alice').hold('up')
    net.cut('bob')
    await turns()
    await time.advance(1_000)
    expect(await failed).toMatchObject({ code: 'PEER_GONE', outcome: 'unknown' })
  })

  it('lets the others go on', async () => {
    const carol = await net.join('carol')
    carol.on('echo', ({ body }) => body)
    const failed = rejection(alice.call('bob', 'never'))
    await running()
    net.cut('bob')
    await failed
    expect(await alice.call('carol', 'echo', 1)).toBe(1)
  })
})
