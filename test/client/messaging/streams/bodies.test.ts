import { randomBytes } from 'node:crypto'
import type { Node } from '@sealway/client'
import { FrameType } from '@sealway/protocol'
import { Op } from '../../../../client-lib/src/messaging/streams/wire.js'
import { VirtualTime } from '../../../support/clock.js'
import { Net } from '../../../support/net.js'
import { patienceMs } from '../../../support/patience.js'
import { deaf, openStreams, sayRaw, u64 } from '../../../support/stream-end.js'
import { rejection, turns, until } from '../../../support/until.js'

const MiB = 1024 * 1024
let net: Net
beforeEach(() => {
  net = new Net()
})
afterEach(() => net.close())

const pair = () => Promise.all([net.join('alice'), net.join('bob')])
const quiet = (...nodes: Node[]) => until(() => nodes.every((node) => openStreams(node) === 0), 'no stream is left')

/** Jest compares large values by the byte, which takes seconds. */
const same = (a: unknown, b: unknown): boolean =>
  Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : JSON.stringify(a) === JSON.stringify(b)

describe('a body over the frame limit', () => {
  it.each<[string, unknown]>([
    ['bytes', randomBytes(3 * MiB)],
    ['text', 'grüß dich '.repeat(300_000)],
    ['JSON', { rows: Array.from({ length: 100_000 }, (_, i) => ({ i, name: `row ${i}` })) }],
    ['bytes that just do not fit', Buffer.alloc(MiB, 1)],
  ])('arrives as one by send and call, and comes back as an answer: %s', async (_what, body) => {
    const [alice, bob] = await pair()
    const got: unknown[] = []
    bob.on('take', (command, ctx) => {
      got.push({ same: same(command.body, body), meta: command.meta, from: ctx.from, deadline: ctx.deadline })
    })
    await alice.send('bob', 'take', body, { meta: { n: 1 } })
    await until(() => got.length === 1, 'it arrives')
    expect(got).toEqual([{ same: true, meta: { n: 1 }, from: 'alice', deadline: undefined }])
    bob.on('echo', (command, ctx) => {
      expect(ctx.deadline! - Date.now()).toBeGreaterThan(1_000)
      return command.body
    })
    expect(same(await alice.call('bob', 'echo', body), body)).toBe(true)
    await quiet(alice, bob)
  })

  it('goes to one member of a group, and its answer comes from there', async () => {
    const [alice, bob, carol] = await Promise.all([net.join('alice'), net.join('bob'), net.join('carol')])
    const asked: string[] = []
    for (const node of [bob, carol]) {
      node.on('size', ({ body }) => {
        asked.push(node.name)
        return (body as Buffer).length
      })
    }
    for (let i = 0; i < 4; i++) expect(await alice.call('any:g', 'size', Buffer.alloc(2 * MiB))).toBe(2 * MiB)
    await alice.send('any:g', 'size', Buffer.alloc(2 * MiB))
    await until(() => asked.length === 5, 'all arrive')
    expect(new Set(asked).size).toBe(2)
    await quiet(alice, bob, carol)
  })

  it('may be as large as the limit, and no larger: TOO_LARGE before anything is sent', async () => {
    const limits = { maxBodyBytes: 2 * MiB }
    const [alice, bob] = await Promise.all([net.join('alice', { limits }), net.join('bob', { limits })])
    bob.on('size', ({ body }) => (body as Buffer).length)
    expect(await alice.call('bob', 'size', Buffer.alloc(2 * MiB))).toBe(2 * MiB)
    let sent = 0
    net.tamper = (frame, direction) => {
      if (direction === 'up' && frame[4] === FrameType.send) sent++
      return [frame]
    }
    for (const verb of [
      () => alice.call('bob', 'size', Buffer.alloc(2 * MiB + 1)),
      () => alice.send('bob', 'size', Buffer.alloc(2 * MiB + 1)),
      () => alice.sendAcked('bob', 'size', Buffer.alloc(2 * MiB + 1)),
      () => alice.broadcast('g', 'size', Buffer.alloc(2 * MiB + 1)),
    ]) {
      expect(await rejection(verb())).toMatchObject({ code: 'TOO_LARGE', outcome: 'not-delivered', hop: 'client' })
    }
    expect(sent).toBe(0)
  })

  it('is refused by a receiver whose limit is lower', async () => {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob', { limits: { maxBodyBytes: 2 * MiB } })])
    bob.on('size', ({ body }) => (body as Buffer).length)
    const body = Buffer.alloc(3 * MiB)
    expect(await rejection(alice.call('bob', 'size', body))).toMatchObject({
      code: 'TOO_LARGE',
      outcome: 'not-delivered',
    })
    expect(await rejection(alice.send('bob', 'size', body))).toMatchObject({
      code: 'TOO_LARGE',
      outcome: 'not-delivered',
    })
    expect(await alice.call('bob', 'size', Buffer.alloc(2 * MiB))).toBe(2 * MiB)
  })

  it('is taken as it was when it was sent', async () => {
    const [alice, bob] = await pair()
    bob.on('sum', ({ body }) => (body as Buffer).every((byte) => byte === 1))
    const body = Buffer.alloc(3 * MiB, 1)
    const answer = alice.call('bob', 'sum', body)
    body.fill(2)
    expect(await answer).toBe(true)
  })

  it('keeps the errors of a call: expected ones with large data, crashes, no handler', async () => {
    const [alice, bob] = await pair()
    const large = 'x'.repeat(2 * MiB)
    bob.on('fail', (_command, ctx) => {
      throw ctx.fail('NO', { large })
    })
    bob.on('crash', () => {
      throw new Error('crash')
    })
    const error = await rejection(alice.call('bob', 'fail', large))
    expect(error).toMatchObject({ code: 'APPLICATION_ERROR', data: { code: 'NO' } })
    expect((error.data as { data: { large: string } }).data.large).toBe(large)
    expect(await rejection(alice.call('bob', 'crash', large))).toMatchObject({ code: 'EXCEPTION' })
    expect(await rejection(alice.call('bob', 'none', large))).toMatchObject({ code: 'NO_HANDLER' })
    expect(await rejection(alice.call('nobody', 'none', large))).toMatchObject({ code: 'UNKNOWN_NODE' })
    await quiet(alice, bob)
  })

  it.each([['alice'], ['bob']])('that is cut on the way, at %s, was not delivered', async (where) => {
    const [alice, bob] = await pair()
    const ran = jest.fn()
    bob.on('take', ran)
    const body = Buffer.alloc(8 * MiB)
    let frames = 0
    net.tamper = (frame, direction, node) => {
      if (direction === 'up' && node === 'alice' && frame.length > 10_000 && ++frames === 20) net.cut(where)
      return [frame]
    }
    const call = rejection(alice.call('bob', 'take', body))
    const send = rejection(alice.send('bob', 'take', body))
    expect(await call).toMatchObject({ code: 'STREAM_LOST', outcome: 'not-delivered' })
    expect(await send).toMatchObject({ code: 'STREAM_LOST' })
    await until(() => alice.connected && bob.connected, 'they are back')
    await turns(30)
    expect(ran).not.toHaveBeenCalled()
    await quiet(alice, bob)
  })

  it('of a call that is given up stops, at both ends', async () => {
    const [alice, bob] = await pair()
    const ran = jest.fn()
    bob.on('take', ran)
    const abort = new AbortController()
    let bytes = 0
    net.tamper = (frame, direction, node) => {
      if (direction === 'up' && node === 'alice') bytes += frame.length
      if (bytes > 2 * MiB) abort.abort()
      return [frame]
    }
    const { signal } = abort
    const body = Buffer.alloc(30 * MiB)
    expect(await rejection(alice.call('bob', 'take', body, { signal }))).toMatchObject({ code: 'ABORTED' })
    await quiet(alice, bob)
    expect(bytes).toBeLessThan(4 * MiB)
    expect(ran).not.toHaveBeenCalled()
  })

  it('of a send that is given up rejects with ABORTED', async () => {
    const [alice, bob] = await pair()
    const abort = new AbortController()
    net.wire('bob').hold('down')
    const sent = rejection(alice.send('bob', 'take', Buffer.alloc(30 * MiB), { signal: abort.signal }))
    await turns(20)
    abort.abort()
    expect(await sent).toMatchObject({ code: 'ABORTED' })
    net.wire('bob').release('down')
    await quiet(alice, bob)
  })

  it('that nobody takes in ends at the deadline, not delivered', async () => {
    const time = new VirtualTime()
    net = new Net({ time })
    const [alice] = await pair()
    net.wire('bob').hold('down')
    const call = rejection(alice.call('bob', 'take', Buffer.alloc(2 * MiB), { timeout: 500 }))
    const send = rejection(alice.send('bob', 'take', Buffer.alloc(2 * MiB), { timeout: 700 }))
    await time.advance(1_000)
    expect(await call).toMatchObject({ code: 'TIMEOUT', outcome: 'not-delivered' })
    expect(await send).toMatchObject({ code: 'BUSY', outcome: 'not-delivered' })
    await quiet(alice)
  })

  it('whose sender falls silent gives its place to the others', async () => {
    const time = new VirtualTime()
    net = new Net({ time })
    const limits = { maxBodyBytes: 2 * MiB }
    const [alice, mallory] = await Promise.all([net.join('alice', { limits }), net.join('mallory')])
    alice.on('size', ({ body }) => (body as Buffer).length)
    deaf(mallory)
    for (let i = 0; i < 4; i++) sayRaw(mallory, 'alice', i, Op.carry, 1, u64(2 * MiB), u64(0), 1, 4, 'size')
    await until(() => openStreams(alice) === 4, 'he holds all there is')
    const bob = await net.join('bob', { limits })
    const answer = bob.call('alice', 'size', Buffer.alloc(2 * MiB), { timeout: 120_000 })
    await time.advance(20_000)
    expect(openStreams(alice)).toBe(5)
    await time.advance(30_000)
    expect(await answer).toBe(2 * MiB)
  })

  it('as an answer that nobody waits for any more is not taken in', async () => {
    const [alice, bob] = await pair()
    let answered = false
    let go!: () => void
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    bob.on('slow', async () => {
      await gate
      answered = true
      return Buffer.alloc(20 * MiB)
    })
    const abort = new AbortController()
    const call = rejection(alice.call('bob', 'slow', undefined, { signal: abort.signal }))
    await turns(20)
    let bytes = 0
    net.tamper = (frame, direction, node) => {
      if (direction === 'up' && node === 'bob') bytes += frame.length
      return [frame]
    }
    abort.abort()
    expect((await call).code).toBe('ABORTED')
    go()
    await until(() => answered, 'he answers')
    await turns(30)
    await quiet(alice, bob)
    expect(bytes).toBeLessThan(MiB)
  })

  it('waits at its sender while the receiver puts others together, so that its memory is bounded', async () => {
    const limits = { maxBodyBytes: 2 * MiB }
    const alice = await net.join('alice', { limits })
    const bob = await net.join('bob', { limits })
    let got = 0
    bob.on('take', ({ body }) => {
      got += (body as Buffer).length
    })
    let come = 0
    let most = 0
    net.tamper = (frame, direction, node) => {
      if (direction === 'down' && node === 'bob') come += frame.length
      most = Math.max(most, come - got)
      return [frame]
    }
    const body = Buffer.alloc(2 * MiB, 1)
    await Promise.all(Array.from({ length: 40 }, () => alice.send('bob', 'take', body, { timeout: patienceMs })))
    await until(() => got === 80 * MiB, 'all arrive')
    // Four at a time.
    expect(most).toBeLessThan(10 * MiB)
    await quiet(alice, bob)
  })

  it('leaves the memory it took when it is broken off', async () => {
    const limits = { maxBodyBytes: 2 * MiB }
    const [alice, bob] = await Promise.all([net.join('alice', { limits }), net.join('bob', { limits })])
    bob.on('size', ({ body }) => (body as Buffer).length)
    for (let round = 0; round < 10; round++) {
      const abort = new AbortController()
      const calls = Array.from({ length: 6 }, () =>
        alice.call('bob', 'size', Buffer.alloc(2 * MiB), { signal: abort.signal }).catch(() => {}),
      )
      await turns(round)
      abort.abort()
      await Promise.all(calls)
    }
    await quiet(alice, bob)
    expect(await alice.call('bob', 'size', Buffer.alloc(2 * MiB))).toBe(2 * MiB)
  })

  it('travels with small frames too', async () => {
    net = new Net({ limits: { maxFrameBytes: 128 * 1024 } })
    const [alice, bob] = await pair()
    bob.on('echo', ({ body }) => body)
    const body = randomBytes(MiB)
    expect(((await alice.call('bob', 'echo', body)) as Buffer).equals(body)).toBe(true)
  })
})
