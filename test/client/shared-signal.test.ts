import { getEventListeners } from 'node:events'
import type { Node } from '../../client-lib/src/node.js'
import { onAbort } from '../../client-lib/src/session/abort-listener.js'
import { follow } from '../../client-lib/src/session/timers.js'
import { Net } from '../support/net.js'
import { rejection, turns } from '../support/until.js'

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

describe('onAbort', () => {
  it('puts one listener on a signal for all waits, and takes it off with the last one', () => {
    const { signal } = new AbortController()
    const ends = Array.from({ length: 100 }, () => onAbort(signal, () => {}))
    expect(listeners(signal)).toBe(1)
    for (const end of ends) {
      expect(listeners(signal)).toBe(1)
      end()
      end()
    }
    expect(listeners(signal)).toBe(0)
  })

  it('runs each wait once, in order, but those that another one has ended', () => {
    const controller = new AbortController()
    const ran: string[] = []
    onAbort(controller.signal, () => {
      ran.push('first')
      endThird()
    })
    onAbort(controller.signal, () => void ran.push('second'))
    const endThird = onAbort(controller.signal, () => void ran.push('third'))
    controller.abort()
    controller.abort()
    expect(ran).toEqual(['first', 'second'])
  })

  it('lets a controller follow a signal, with its reason, until told otherwise', () => {
    const [source, followed, left, late] = Array.from({ length: 4 }, () => new AbortController())
    follow(followed!, source!.signal)
    follow(left!, source!.signal)()
    source!.abort('why')
    follow(late!, source!.signal)
    expect([followed!, left!, late!].map(({ signal }) => [signal.aborted, signal.reason])).toEqual([
      [true, 'why'],
      [false, undefined],
      [true, 'why'],
    ])
  })
})

describe('one signal for everything that a node does', () => {
  let net: Net
  let alice: Node
  let bob: Node
  let controller: AbortController
  const warnings: Error[] = []
  const warned = (warning: Error): void => void warnings.push(warning)

  beforeEach(async () => {
    net = new Net()
    controller = new AbortController()
    ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    bob.on('echo', ({ body }) => body)
    bob.on('never', () => new Promise(() => {}))
    bob.expose((_request, response) => void response.end('ok'))
    warnings.length = 0
    process.on('warning', warned)
  })
  afterEach(() => {
    process.off('warning', warned)
    return net.close()
  })

  it('takes 10,000 calls without a warning, and leaves no listener behind', async () => {
    const { signal } = controller
    const calls = Array.from({ length: 10_000 }, (_, i) => alice.call('bob', 'echo', i, { signal }))
    expect(listeners(signal)).toBe(1)
    expect(await Promise.all(calls)).toHaveLength(10_000)
    await turns()
    expect(listeners(signal)).toBe(0)
    expect(warnings).toEqual([])
  })

  it('has one listener for every verb that takes a signal, and aborts all of them', async () => {
    const { signal } = controller
    const more = await net.join('carol', { signal })
    const read = async (items: AsyncIterable<unknown>) => {
      for await (const _item of items);
    }
    const waits = Array.from({ length: 12 }, () => [
      alice.call('bob', 'never', 1, { signal }),
      alice.call('bob', 'never', 1, { signal, retries: 1 }),
      alice.sendAcked('bob', 'never', 1, { signal }),
      alice.broadcast('g', 'never', 1, { signal, want: 'acks' }),
      alice.gather('g', 'never', 1, { signal }),
      alice.publish('x.y', 1, { signal, want: 'acks' }),
      alice.call('bob', 'never', Buffer.alloc(2_000_000), { signal }),
      read(alice.stream('bob', 'never', 1, { signal })),
      alice.fetch('http://bob/', { signal }).then((answer) => answer.text()),
      alice.peers('g', { signal }),
      alice.ping(undefined, { signal }),
      read(alice.watchPeers('g', { signal })),
    ]).flat()
    const settled = Promise.allSettled(waits)
    await turns()
    expect(listeners(signal)).toBe(1)
    controller.abort()
    const results = await settled
    // A broadcast resolves with its report, a watch ends, and fetch, peers and ping had their answers.
    const codes = results.map((result) => (result.status === 'fulfilled' ? 'ok' : result.reason.code))
    expect(codes.filter((code) => code === 'ABORTED')).toHaveLength(12 * 7)
    expect(new Set(codes)).toEqual(new Set(['ABORTED', 'ok']))
    expect(await more.closed).toBeUndefined()
    expect(listeners(signal)).toBe(0)
    expect(warnings).toEqual([])
  })

  it('is let go by a node that has closed', async () => {
    const { signal } = controller
    const nodes = await Promise.all(Array.from({ length: 12 }, (_, i) => net.join(`n-${i}`, { signal })))
    expect(listeners(signal)).toBe(1)
    await Promise.all(nodes.map((node) => node.close()))
    expect(listeners(signal)).toBe(0)
    expect(warnings).toEqual([])
  })

  it('gives up messages that wait for room', async () => {
    const { signal } = controller
    const dave = await net.join('dave', { limits: { outletBytes: 1 } })
    net.wire('dave').hold('up')
    const waits = Array.from({ length: 20 }, () => dave.send('bob', 'echo', 'x'.repeat(100), { signal }))
    await turns()
    controller.abort()
    await Promise.allSettled(waits)
    expect(listeners(signal)).toBe(0)
    expect((await rejection(dave.send('bob', 'echo', 1, { signal }))).code).toBe('ABORTED')
    expect(warnings).toEqual([])
  })
})
