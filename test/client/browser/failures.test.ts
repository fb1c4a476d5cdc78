import { FrameType, type SealwayError } from '@sealway/protocol'
import fc from 'fast-check'
import type { PageNode } from '../../../client-lib/src/browser/node'
import type { Node } from '../../../client-lib/src/node'
import { Net } from '../../support/net'
import { joinPage } from '../../support/pages'
import { rejection, until } from '../../support/until'

let net: Net
let page: PageNode
let node: Node
const pages: PageNode[] = []
const another = async (...args: Parameters<typeof joinPage>): Promise<PageNode> => {
  const one = await joinPage(...args)
  pages.push(one)
  return one
}
beforeEach(async () => {
  net = new Net()
  ;[page, node] = await Promise.all([another(net, 'page'), net.join('node')])
})
afterEach(async () => {
  await Promise.all(pages.splice(0).map((one) => one.close()))
  await net.close()
})

/** A promise for a handler to wait for, and what ends it. */
function gate(): { open: () => void; wait: Promise<void> } {
  let open!: () => void
  const wait = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, wait }
}

describe('a link that breaks under a page', () => {
  it('comes back by itself, and everything goes on', async () => {
    const seen: string[] = []
    page.events.on('connected', ({ epoch }) => seen.push(`connected ${epoch > 1}`))
    page.events.on('disconnected', ({ error }) => seen.push(error.code))
    page.on('hi', () => 'hi')
    net.cut('page')
    await until(() => seen.includes('connected true'), 'it is back')
    expect(seen).toEqual(['LINK_LOST', 'connected true'])
    expect(await node.call('page', 'hi')).toBe('hi')
    node.on('hi', () => 'hi')
    expect(await page.call('node', 'hi')).toBe('hi')
  })

  it('fails a call that had left as unknown, and answers an acked message once it is back', async () => {
    const { open, wait } = gate()
    let runs = 0
    node.on('slow', () => {
      runs++
      return wait
    })
    const called = rejection(page.call('node', 'slow'))
    const acked = page.sendAcked('node', 'slow')
    await until(() => runs === 2, 'both are there')
    net.cut('page')
    expect(await called).toMatchObject({ code: 'LINK_LOST', outcome: 'unknown' })
    open()
    expect(await acked).toMatchObject({ by: 'node', status: 'processed' })
    expect(runs).toBe(2)
  })

  it('keeps what was sent meanwhile, in its order, for the next one', async () => {
    const got: unknown[] = []
    node.on('n', ({ body }) => void got.push(body))
    net.kill()
    await until(() => !page.connected, 'the link is gone')
    for (let n = 0; n < 100; n++) await page.send('node', 'n', n)
    net.start()
    await until(() => got.length === 100, 'all are there')
    expect(got).toEqual(Array.from({ length: 100 }, (_, n) => n))
  })

  it('is told to those who watch peers, who are told of the changes meanwhile', async () => {
    const changes: string[] = []
    const watching = (async () => {
      for await (const { type, peer } of page.watchPeers('g')) {
        changes.push(`${peer.name} ${type}`)
        if (changes.length === 3) return
      }
    })()
    await until(() => changes.length === 2, 'both are there')
    const late = await net.join('late')
    net.cut('page')
    await watching
    expect(changes[2]).toBe('late joined')
    await late.close()
  })
})

describe('who is not there', () => {
  it('is OFFLINE or unknown, at once', async () => {
    expect(await rejection(page.call('nobody', 'x'))).toMatchObject({ code: 'UNKNOWN_NODE', outcome: 'not-delivered' })
    const gone = await net.join('gone')
    await gone.close()
    expect(await rejection(page.call('gone', 'x'))).toMatchObject({ code: 'OFFLINE', outcome: 'not-delivered' })
    const drops: string[] = []
    page.events.on('dropped', ({ to, code }) => drops.push(`${to} ${code}`))
    await page.send('gone', 'x')
    await until(() => drops.length > 0, 'it is told')
    expect(drops).toEqual(['gone OFFLINE'])
  })

  it('is PEER_GONE where it leaves before it answers, on both sides', async () => {
    const victim = await net.join('victim')
    const victimPage = await another(net, 'victim-page')
    let running = 0
    for (const one of [victim, victimPage]) {
      one.on('hang', () => {
        running++
        return new Promise<void>(() => {})
      })
    }
    const fromPage = rejection(page.call('victim', 'hang'))
    const fromNode = rejection(node.call('victim-page', 'hang'))
    const member = rejection(page.call('any:g', 'hang'))
    await until(() => running >= 2, 'the handlers run')
    await Promise.all([victim.close(), victimPage.close()])
    expect(await fromPage).toMatchObject({ code: 'PEER_GONE', outcome: 'unknown' })
    expect(await fromNode).toMatchObject({ code: 'PEER_GONE', outcome: 'unknown' })
    // The one of the group may have been any: it had no handler, or has left.
    expect(['PEER_GONE', 'NO_HANDLER', 'OFFLINE']).toContain((await member).code)
  })

  it('does not lose the answer that it gave before it left', async () => {
    const quick = await net.join('quick')
    quick.on('bye', () => {
      queueMicrotask(() => void quick.close())
      return 'bye'
    })
    expect(await page.call('quick', 'bye')).toBe('bye')
  })

  it('can be another page of the same name, which answers for itself', async () => {
    page.on('who', () => 'first')
    expect(await node.call('page', 'who')).toBe('first')
    await page.close()
    const next = await another(net, 'page')
    next.on('who', () => 'second')
    expect(await node.call('page', 'who')).toBe('second')
    node.on('who', () => 'node')
    expect(await next.call('node', 'who')).toBe('node')
  })
})

describe('keys', () => {
  it('that the other does not hold are said at once, in both directions', async () => {
    const stranger = await another(net, 'stranger', { keys: net.newKey() })
    stranger.on('x', () => 1)
    node.on('x', () => 1)
    expect(await rejection(stranger.call('node', 'x'))).toMatchObject({ code: 'UNKNOWN_KEY', outcome: 'not-delivered' })
    expect(await rejection(node.call('stranger', 'x'))).toMatchObject({ code: 'UNKNOWN_KEY', outcome: 'not-delivered' })
    expect((await node.broadcast('g', 'x', 1, { want: 'acks' })).failed).toEqual(
      expect.arrayContaining([expect.objectContaining({ name: 'stranger' })]),
    )
  })

  it('rotate without a lost message', async () => {
    const next = net.newKey()
    page.on('x', ({ body }) => body)
    node.on('x', ({ body }) => body)
    const both = async (n: number) => [await page.call('node', 'x', n), await node.call('page', 'x', n)]
    expect(await both(1)).toEqual([1, 1])
    await page.updateKeys([net.key, next])
    node.updateKeys({ default: [net.key, next] })
    expect(await both(2)).toEqual([2, 2])
    await page.updateKeys([next, net.key])
    expect(await both(3)).toEqual([3, 3])
    node.updateKeys({ default: [next, net.key] })
    await page.updateKeys(next)
    expect(await both(4)).toEqual([4, 4])
    await expect(page.updateKeys('mk1_wrong')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await both(5)).toEqual([5, 5])
  })

  it('of a group seal what goes to the group, and no other opens it', async () => {
    const groupKey = net.newKey()
    const keys = { default: net.key, groups: { h: groupKey } }
    const inside = await another(net, 'inside', { groups: ['g', 'h'], keys })
    const member = await net.join('member', { groups: ['g', 'h'], keys })
    member.on('x', () => 'opened')
    inside.on('x', () => 'opened')
    expect(await inside.call('any:h', 'x')).toBe('opened')
    expect([...(await member.broadcast('h', 'x', 1, { want: 'replies' })).replies]).toEqual([['inside', 'opened']])
    const outside = await another(net, 'outside', { groups: ['g', 'h'], keys: net.key })
    outside.on('x', () => 'opened')
    const report = await member.broadcast('h', 'x', 1, { want: 'acks' })
    expect(report.ok).toEqual(['inside'])
    expect(report.failed.map(({ name, error }) => [name, error.code])).toEqual([['outside', 'UNKNOWN_KEY']])
  })

  it('cannot be read out again', async () => {
    const secrets: CryptoKey[] = []
    const importKey = crypto.subtle.importKey.bind(crypto.subtle) as (...args: unknown[]) => Promise<CryptoKey>
    const spy = jest.spyOn(crypto.subtle, 'importKey').mockImplementation((async (...args: unknown[]) => {
      const key = await importKey(...args)
      secrets.push(key)
      return key
    }) as never)
    await another(net, 'careful')
    spy.mockRestore()
    expect(secrets.map(({ extractable }) => extractable)).toEqual([false])
    await expect(crypto.subtle.exportKey('raw', secrets[0]!)).rejects.toThrow()
  })
})

describe('what a page does not have', () => {
  it('large bodies: it refuses to send one, and who sends it one is told', async () => {
    const large = new Uint8Array(2 * 1024 * 1024)
    node.on('large', () => large)
    page.on('large', () => large)
    const sent = await rejection(page.call('node', 'large', large))
    expect(sent).toMatchObject({ code: 'TOO_LARGE', outcome: 'not-delivered' })
    expect(sent.message).toMatch(/a page sends at most 1048480 in one/)
    expect(await rejection(node.call('page', 'large', large))).toMatchObject({ code: 'TOO_LARGE' })
    expect(await rejection(node.sendAcked('page', 'large', large))).toMatchObject({ code: 'TOO_LARGE' })
    expect(await rejection(page.call('node', 'large'))).toMatchObject({ code: 'TOO_LARGE', outcome: 'unknown' })
    expect(await rejection(node.call('page', 'large'))).toMatchObject({ code: 'EXCEPTION' })
  })

  it('streams: who opens one is told at once', async () => {
    page.on('feed', () => 1)
    const reader = node.stream('page', 'feed')
    expect(await rejection(reader.next())).toMatchObject({ code: 'NO_HANDLER' })
  })

  it('subscriptions: publishers see that it takes nothing, and no handler is given an event', async () => {
    const got: unknown[] = []
    page.on('*', ({ action }) => void got.push(action))
    const other = await net.join('other')
    other.subscribe('orders.>', () => {})
    const report = await node.publish('orders.created', 1, { want: 'acks' })
    expect(report).toMatchObject({ ok: ['other'], failed: [] })
    expect(got).toEqual([])
  })
})

describe('bounds', () => {
  it('a queue that is full makes send wait, then say BUSY', async () => {
    const small = await another(net, 'small', { limits: { outletBytes: 1_000 } })
    net.kill()
    await until(() => !small.connected, 'the link is gone')
    const body = 'x'.repeat(600)
    await small.send('node', 'n', body)
    const busy = await rejection(small.send('node', 'n', body, { timeout: 20 }))
    expect(busy).toMatchObject({ code: 'BUSY', outcome: 'not-delivered' })
    const controller = new AbortController()
    const given = rejection(small.send('node', 'n', body, { signal: controller.signal }))
    controller.abort()
    expect(await given).toMatchObject({ code: 'ABORTED', outcome: 'not-delivered' })
    const got: unknown[] = []
    node.on('n', ({ body }) => void got.push(body))
    const waiting = small.send('node', 'n', 'last')
    net.start()
    await waiting
    await until(() => got.length === 2, 'both are there')
    expect(got).toEqual([body, 'last'])
  })

  it('a send that waits for room is told when the node is closed', async () => {
    const small = await another(net, 'small', { limits: { outletBytes: 1_000 } })
    net.kill()
    await until(() => !small.connected, 'the link is gone')
    await small.send('node', 'n', 'x'.repeat(900))
    const lost = rejection(small.send('node', 'n', 'x'.repeat(900)))
    await small.close()
    expect(await lost).toMatchObject({ code: 'CLOSED', outcome: 'not-delivered' })
  })

  it('handlers beyond the limit wait, in the order of each sender', async () => {
    const few = await another(net, 'few', { limits: { maxRunningHandlers: 2 } })
    const gates: ReturnType<typeof gate>[] = []
    const begun: unknown[] = []
    few.on('n', ({ body }) => {
      begun.push(body)
      const one = gate()
      gates.push(one)
      return one.wait
    })
    for (let n = 0; n < 4; n++) void node.send('few', 'n', `fire ${n}`)
    const calls = [0, 1, 2].map((n) => node.call('few', 'n', `call ${n}`))
    await until(() => begun.length === 2, 'two run')
    for (let opened = 0; opened < 7; opened++) {
      await until(() => gates.length > opened, 'one more runs')
      gates[opened]!.open()
    }
    await Promise.all(calls)
    expect(begun.filter((text) => String(text).startsWith('fire'))).toEqual(['fire 0', 'fire 1', 'fire 2', 'fire 3'])
    expect(begun.length).toBe(7)
  })

  it('a deadline ends a call, and its handler there is told', async () => {
    let signal: AbortSignal | undefined
    node.on('hang', (_, context) => {
      signal = context.signal
      return new Promise<void>(() => {})
    })
    const late = await rejection(page.call('node', 'hang', 1, { timeout: 30 }))
    expect(late).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown', target: 'node' })
    await until(() => signal?.aborted === true, 'the handler is told')
  })
})

describe('an acked message', () => {
  it('is handled once, though its receipt was lost and it came again', async () => {
    let runs = 0
    page.on('job', () => void runs++)
    node.on('job', () => void runs++)
    for (const [from, to] of [
      [page, 'node'],
      [node, 'page'],
    ] as const) {
      runs = 0
      let lost = 0
      net.tamper = (frame, direction, name) => {
        if (direction === 'up' && name === to && frame[4] === FrameType.send && lost === 0) {
          lost++
          return []
        }
        return [frame]
      }
      expect(await from.sendAcked(to, 'job')).toMatchObject({ by: to })
      expect({ runs, lost }).toEqual({ runs: 1, lost: 1 })
    }
  })

  it('with an id is handled once, whoever sends it again', async () => {
    let runs = 0
    page.on('job', () => void runs++)
    await node.sendAcked('page', 'job', 1, { id: 'order-7' })
    await node.sendAcked('page', 'job', 1, { id: 'order-7' })
    expect(runs).toBe(1)
    node.on('job', () => void runs++)
    await page.sendAcked('node', 'job', 1, { id: 'order-7' })
    await page.sendAcked('node', 'job', 1, { id: 'order-7' })
    expect(runs).toBe(2)
  })

  it('whose answer cannot be encoded fails, and does not wait for its deadline', async () => {
    page.on('odd', () => 1n)
    expect(await rejection(node.call('page', 'odd', 1, { idempotent: true }))).toMatchObject({ code: 'EXCEPTION' })
    expect(await node.sendAcked('page', 'odd')).toMatchObject({ status: 'processed' })
  })
})

describe('leaving', () => {
  it('sends what was sent before it', async () => {
    const got: unknown[] = []
    node.on('n', ({ body }) => void got.push(body))
    for (let n = 0; n < 50; n++) void page.send('node', 'n', n)
    await page.close()
    await until(() => got.length === 50, 'all are there')
    expect(await rejection(page.send('node', 'n'))).toMatchObject({ code: 'CLOSED' })
  })

  it('with drain, finishes what it was asked', async () => {
    const { open, wait } = gate()
    let running = false
    page.on('slow', async () => {
      running = true
      await wait
      return 'done'
    })
    const answer = node.call('page', 'slow')
    await until(() => running, 'it runs')
    const drained = page.drain()
    open()
    expect(await answer).toBe('done')
    await drained
    expect(page.connected).toBe(false)
  })

  it('rejects the calls in flight', async () => {
    node.on('hang', () => new Promise<void>(() => {}))
    const lost = rejection(page.call('node', 'hang'))
    await until(() => page.connected, 'it is there')
    await page.close()
    expect(await lost).toMatchObject({ code: 'CLOSED' })
    expect(await page.closed).toBeUndefined()
  })

  it('by a signal is the same, before and after it has connected', async () => {
    const controller = new AbortController()
    const one = await another(net, 'one', { signal: controller.signal })
    controller.abort()
    expect(await one.closed).toBeUndefined()
    expect(await rejection(another(net, 'two', { signal: controller.signal }))).toMatchObject({ code: 'ABORTED' })
  })
})

describe('a way that changes what it carries', () => {
  /** Frames with some bytes changed: in their header, or anywhere in what they hold. */
  const bent = fc.record({
    at: fc.nat(300),
    xor: fc.integer({ min: 1, max: 255 }),
    every: fc.integer({ min: 1, max: 7 }),
  })

  it('never makes a page handle what nobody sent, nor end for good', async () => {
    const odd: unknown[] = []
    const sent = new Set<unknown>()
    page.on('*', ({ action, body }, { from }) => {
      if (action !== 'n' || from !== 'node' || !sent.has(body)) odd.push({ action, body, from })
    })
    let n = 0
    await fc.assert(
      fc.asyncProperty(bent, async ({ at, xor, every }) => {
        let count = 0
        net.tamper = (frame, direction, name) => {
          // A welcome that cannot be read ends a node for good, as a mediator that speaks something else must.
          if (frame[4] === FrameType.welcome || name !== 'page' || direction !== 'down') return [frame]
          if (++count % every !== 0) return [frame]
          frame[at % frame.length]! ^= xor
          return [frame]
        }
        for (let i = 0; i < 8; i++) {
          sent.add(`message ${++n}`)
          await node.send('page', 'n', `message ${n}`)
        }
        await node.call('page', 'n', `message ${n}`, { timeout: 50 }).catch(() => {})
      }),
      { numRuns: 60 },
    )
    net.tamper = undefined
    // A length that was bent may have left the reader waiting for bytes that never come: a fresh link ends that.
    page.off('*')
    page.on('still', () => 'here')
    const back = new Promise((resolve) => page.events.on('connected', resolve))
    net.cut('page')
    await back
    expect(await node.call('page', 'still', 1, { timeout: 5_000 })).toBe('here')
    expect(odd).toEqual([])
  })
})

describe('options', () => {
  const wrong: [string, object, Partial<SealwayError>, RegExp][] = [
    ['a key that is none', { keys: 'mk1_short' }, { code: 'INVALID_ARGUMENT' }, /not a payload key/],
    ['no key', { keys: {} }, { code: 'NO_KEY' }, /no payload key/],
    [
      'a key twice',
      { keys: `${'mk1_'.padEnd(47, 'A')},${'mk1_'.padEnd(47, 'A')}` },
      { code: 'INVALID_ARGUMENT' },
      /twice/,
    ],
    ['no group', { groups: [] }, { code: 'INVALID_ARGUMENT' }, /at least one group/],
    ['a name that is none', { name: 'No Name' }, { code: 'INVALID_NAME' }, /is not valid/],
    ['a token that is none', { token: 7 }, { code: 'INVALID_ARGUMENT' }, /token must be/],
    ['a Unix socket', { transport: undefined, url: 'unix:/run/s' }, { code: 'INVALID_ARGUMENT' }, /wss:/],
    ['a token in clear', { transport: undefined, url: 'ws://far.example' }, { code: 'INVALID_ARGUMENT' }, /in clear/],
    [
      'a password in the URL',
      { transport: undefined, url: 'wss://a:b@far.example' },
      { code: 'INVALID_ARGUMENT' },
      /no password/,
    ],
  ]

  it.each(wrong)('%s is an error that says so, and shows no value', async (_, options, expected, text) => {
    const error = await rejection(joinPage(net, 'odd', options))
    expect(error).toMatchObject(expected)
    expect(error.message).toMatch(text)
    expect(error.message).not.toContain(net.key)
  })

  it('a mediator that is not there is NOT_CONNECTED after the timeout', async () => {
    net.kill()
    expect(await rejection(joinPage(net, 'odd', { timeout: 30 }))).toMatchObject({ code: 'NOT_CONNECTED' })
  })

  it('a page that is not secure has no crypto, and is told so', async () => {
    const given = Object.getOwnPropertyDescriptor(globalThis, 'crypto')!
    Object.defineProperty(globalThis, 'crypto', { configurable: true, value: { getRandomValues: () => {} } })
    try {
      const error = await rejection(joinPage(net, 'odd', { token: 'x' }))
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('https') })
    } finally {
      Object.defineProperty(globalThis, 'crypto', given)
    }
  })

  it('bodies that have no form are refused at once', async () => {
    for (const body of [1n, new Map(), () => {}, new Blob(['x']), Number.NaN, { ['__proto__']: 1, constructor: 1 }]) {
      expect(await rejection(page.send('node', 'x', body))).toMatchObject({ code: 'UNSERIALISABLE' })
    }
    expect(await rejection(page.send('node', '', 1))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await rejection(page.call('group:g', 'x'))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await rejection(page.sendAcked('any:g', 'x'))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await rejection(page.call('node', 'x', 1, { timeout: 0 }))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(() => page.on('$mine', () => {})).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})
