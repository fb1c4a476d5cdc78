import { FrameType } from '@sealway/protocol'
import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let time: VirtualTime
let net: Net
let alice: Node
let bob: Node
/** What the handlers of bob have begun with, and what ends the oldest of them. */
let handled: unknown[]
let ends: (() => void)[]
let dropped: unknown[]

beforeEach(async () => {
  time = new VirtualTime()
  net = new Net({ time })
  handled = []
  ends = []
  dropped = []
  ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
  bob.on('slow', slow)
  bob.on('quick', ({ body }) => body)
  alice.events.on('dropped', (event) => dropped.push(event))
})
afterEach(() => net.close())

const slow = ({ body }: { body: unknown }) => {
  handled.push(body)
  return new Promise<void>((resolve) => ends.push(resolve))
}

/** Lets handlers end, one after the other. */
async function end(count: number) {
  for (let i = 0; i < count; i++) {
    await until(() => ends.length > 0, 'a handler runs')
    ends.shift()!()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Sends so many, and counts what became of each `send`. */
function sends(from: Node, to: string, count: number, timeout = 10_000) {
  const states = { queued: 0, refused: [] as string[] }
  for (let i = 0; i < count; i++) {
    from.send(to, 'slow', i, { timeout }).then(
      () => states.queued++,
      ({ code }) => states.refused.push(code),
    )
  }
  return states
}

/** How many frames a node has handed to the mediator since it was asked. */
function framesOf(node: string) {
  const count = { frames: 0 }
  net.tamper = (frame, direction, name) => {
    if (name === node && direction === 'up' && frame[4] === FrameType.send) count.frames++
    return [frame]
  }
  return count
}

/** From now on frames from one node to another, or to anybody, are lost. @returns a function that ends that */
function lose(node: string) {
  net.tamper = (frame, direction, name) =>
    name === node && direction === 'up' && frame[4] === FrameType.send ? [] : [frame]
  return () => {
    net.tamper = undefined
  }
}

describe('send to a handler that is slower than its sender', () => {
  it('waits when its share of the receiver is used up, and nothing is refused', async () => {
    const states = sends(alice, 'bob', 3_000)
    await turns()
    expect([states.queued, handled.length, dropped]).toEqual([1_024, 1, []])
    await end(200)
    expect(handled).toHaveLength(201)
    // What was handled makes room for as much, in steps.
    expect(states.queued).toBeGreaterThan(1_150)
    expect(states.queued).toBeLessThanOrEqual(1_024 + 201)
    expect([states.refused, dropped]).toEqual([[], []])
  })

  it('keeps its order, and each message is handled once', async () => {
    sends(alice, 'bob', 1_500)
    await end(1_500)
    expect(handled).toEqual(Array.from({ length: 1_500 }, (_, i) => i))
  })

  it('rejects with BUSY, not delivered, at its deadline: each message is handled or was refused', async () => {
    const states = sends(alice, 'bob', 1_500, 3_000)
    await turns()
    await time.advance(3_000)
    expect(states).toEqual({ queued: 1_024, refused: Array(476).fill('BUSY') })
    await end(1_024)
    await turns()
    expect([handled.length, dropped]).toEqual([1_024, []])
    expect(await rejection(alice.send('bob', 'slow', 0, { timeout: -1 }))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('lets calls, acknowledged sends, streams and answers pass', async () => {
    sends(alice, 'bob', 2_000)
    alice.on('ask', () => 'answer')
    await turns()
    expect(await alice.call('bob', 'quick', 1)).toBe(1)
    expect(await alice.sendAcked('bob', 'quick', 2)).toMatchObject({ status: 'processed' })
    expect(await alice.stream('bob', 'quick', 3).next()).toMatchObject({ value: 3 })
    expect(await bob.call('alice', 'ask')).toBe('answer')
  })

  it('delays no other sender', async () => {
    const carol = await net.join('carol')
    const seen: unknown[] = []
    bob.on('note', ({ body }) => void seen.push(body))
    sends(alice, 'bob', 2_000)
    await turns()
    for (let i = 0; i < 3_000; i++) void carol.send('bob', 'note', i)
    await until(() => seen.length === 3_000, 'carol is served')
  })

  it('goes on at full speed when the handler is fast again', async () => {
    const states = sends(alice, 'bob', 3_000)
    await turns()
    bob.replace('slow', ({ body }) => void handled.push(body))
    ends.shift()!()
    await until(() => handled.length === 3_000, 'all are handled')
    expect(states).toEqual({ queued: 3_000, refused: [] })
  })

  it('counts bytes as well as messages', async () => {
    let queued = 0
    for (let i = 0; i < 40; i++) {
      alice.send('bob', 'slow', Buffer.alloc(100_000)).then(
        () => queued++,
        () => {},
      )
    }
    await turns()
    // One is with its handler, 1 MiB waits, and one went beyond it.
    expect(queued).toBe(12)
    await end(40)
    expect(handled).toHaveLength(40)
  })
})

describe('a handler that returns no promise', () => {
  it('costs its sender a few receipts for ten thousands of messages', async () => {
    const count = framesOf('bob')
    let seen = 0
    bob.on('note', () => void seen++)
    for (let i = 0; i < 50_000; i++) await alice.send('bob', 'note', i)
    await until(() => seen === 50_000, 'all are handled')
    expect(count.frames).toBeGreaterThan(0)
    expect(count.frames).toBeLessThan(16)
  })
})

describe('credit that does not arrive', () => {
  it('is asked for after a second, and the sender goes on', async () => {
    const states = sends(alice, 'bob', 1_200, 60_000)
    await turns()
    const found = lose('bob')
    await end(1_024)
    expect(states.queued).toBe(1_024)
    found()
    await time.advance(1_100)
    expect(states.queued).toBe(1_200)
  })

  it('is made good where frames of the sender were lost', async () => {
    const found = lose('alice')
    let seen = 0
    bob.on('note', () => void seen++)
    for (let i = 0; i < 1_000; i++) void alice.send('bob', 'note', i)
    await turns()
    found()
    for (let i = 0; i < 1_000; i++) void alice.send('bob', 'note', i)
    await until(() => seen === 1_000, 'the second thousand is handled')
  })

  it('does not hold up a sender whose receiver knows nothing of credit, but for a second', async () => {
    lose('bob')
    let seen = 0
    bob.on('note', () => void seen++)
    for (let i = 0; i < 3_000; i++) void alice.send('bob', 'note', i)
    await turns()
    expect(seen).toBe(1_024)
    await time.advance(1_100)
    await until(() => seen === 3_000, 'all are handled')
  })
})

describe('a sender that waits for credit', () => {
  it.each(['alice', 'bob'])('goes on when the link of %s breaks and comes back', async (name) => {
    const states = sends(alice, 'bob', 1_200, 60_000)
    await turns()
    net.cut(name)
    await time.advance(100)
    await end(900)
    await time.advance(3_000)
    expect(states).toEqual({ queued: 1_200, refused: [] })
  })

  it('begins anew with the next process of its receiver', async () => {
    sends(alice, 'bob', 1_024)
    await turns()
    await bob.close()
    const next = await net.join('bob')
    let seen = 0
    next.on('slow', () => void seen++)
    const states = sends(alice, 'bob', 1_200)
    await turns()
    expect([states.queued, seen]).toEqual([1_200, 1_200])
  })

  it('is told at once that its receiver has left', async () => {
    const states = sends(alice, 'bob', 1_200, 60_000)
    await turns()
    await bob.close()
    await turns()
    expect(states.queued).toBe(1_200)
    expect(dropped).toContainEqual({ to: 'bob', code: 'OFFLINE', messages: 176 })
  })

  it('goes on when the payload key changes', async () => {
    const next = net.newKey()
    for (const node of [alice, bob]) node.updateKeys({ default: [net.key, next] })
    const states = sends(alice, 'bob', 1_200, 60_000)
    await turns()
    for (const node of [alice, bob]) node.updateKeys({ default: [next, net.key] })
    await time.advance(3_000)
    await end(1_100)
    await time.advance(3_000)
    expect(states).toEqual({ queued: 1_200, refused: [] })
  })
})

describe('messages to a group', () => {
  it.each([
    ['any:g', (i: number) => alice.send('any:g', 'slow', i)],
    ['group:g', (i: number) => alice.broadcast('g', 'slow', i)],
  ])('to %s wait while a member is slow, but not for ever', async (_, send) => {
    let queued = 0
    const sendSome = (count: number) => {
      for (let i = 0; i < count; i++) void Promise.resolve(send(i)).then(() => queued++)
    }
    sendSome(1_500)
    await turns()
    sendSome(3_000)
    await turns()
    expect(queued).toBe(1_500)
    await time.advance(350)
    expect(queued).toBe(1_500 + 1_024)
    await time.advance(260)
    expect(queued).toBe(1_500 + 2 * 1_024)
    bob.replace('slow', ({ body }) => void handled.push(body))
    ends.shift()!()
    await until(() => handled.length === 4_500, 'all are handled')
    expect(dropped).toEqual([])
  })

  it('are not held up by a member that held them and is gone', async () => {
    const carol = await net.join('carol')
    carol.on('slow', () => {})
    let queued = 0
    for (let i = 0; i < 1_500; i++) void alice.broadcast('g', 'slow', i).then(() => queued++)
    await turns()
    await bob.close()
    for (let i = 0; i < 20_000; i++) void alice.broadcast('g', 'slow', i).then(() => queued++)
    await time.advance(2_500)
    await until(() => queued === 21_500, 'all are queued')
  })
})

describe('messages that are refused all the same', () => {
  it('are told to their sender as a sum for each code', async () => {
    for (let i = 0; i < 300; i++) void alice.send('bob', 'nothing', i)
    for (let i = 0; i < 20; i++) void alice.send('any:g', 'nothing', i)
    await turns()
    await time.advance(100)
    expect(dropped).toEqual([
      { to: 'bob', code: 'NO_HANDLER', messages: 300, by: 'bob' },
      { to: 'any:g', code: 'NO_HANDLER', messages: 20, by: 'bob' },
    ])
  })

  it('are told at a limited rate, and none is left out', async () => {
    const count = framesOf('bob')
    for (let i = 0; i < 50; i++) {
      await alice.send('bob', 'nothing', i)
      await turns(3)
      await time.advance(10)
    }
    await time.advance(100)
    const sum = (dropped as { messages: number }[]).reduce((all, { messages }) => all + messages, 0)
    expect([sum, count.frames <= 8]).toEqual([50, true])
  })
})

describe('bodies that are larger than a frame', () => {
  it('wait until the receiver can queue them, and are BUSY at their deadline', async () => {
    const states = { queued: 0, refused: [] as string[] }
    for (let i = 0; i < 8; i++) {
      alice.send('bob', 'slow', Buffer.alloc(5_000_000)).then(
        () => states.queued++,
        ({ code, outcome }) => states.refused.push(`${code} ${outcome}`),
      )
    }
    await until(() => states.queued === 4, 'one is with its handler, and three wait')
    await turns()
    expect(states.queued).toBe(4)
    await end(1)
    await until(() => states.queued === 5, 'the next one goes')
    await time.advance(10_000)
    expect(states).toEqual({ queued: 5, refused: Array(3).fill('BUSY not-delivered') })
    await end(4)
    await turns()
    expect([handled.length, dropped]).toEqual([5, []])
  })
})
