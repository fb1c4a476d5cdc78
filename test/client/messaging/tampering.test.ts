import {
  encodeAccepted,
  encodeAnnounce,
  encodeCredit,
  encodeFrame,
  encodeReject,
  encodeStatus,
  FrameType,
  headerBytes,
  readU32,
  sealedHeaderBytes,
  writeU32,
} from '@sealway/protocol'
import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let net: Net
let time: VirtualTime
let alice: Node
let bob: Node
beforeEach(async () => {
  time = new VirtualTime()
  net = new Net({ time })
  ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
})
afterEach(() => net.close())

/** Repeatable randomness (mulberry32), so that a failure is a reproducer. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Frames delivered to a node; each holds one message where every send is awaited and flushed. */
const delivered = (frame: Uint8Array) => frame[4] === FrameType.deliver

describe('C4: a mediator that reorders, drops and duplicates 10 % of what it delivers', () => {
  it.each([1, 2, 3, 4, 5])(
    'is found out: order kept, every drop reported, no duplicate handled (seed %i)',
    async (seed) => {
      const random = seeded(seed)
      const got: number[] = []
      const events: { type: string; n: number }[] = []
      bob.on('n', ({ body }) => void got.push(body as number))
      bob.events.on('gap', ({ missing, from }) => events.push({ type: `gap ${from}`, n: missing }))
      bob.events.on('refused', ({ code }) => events.push({ type: code, n: 1 }))
      let dropped = 0
      let duplicated = 0
      let late: Uint8Array | undefined
      let reordered = 0
      net.tamper = (frame, direction, node) => {
        if (node !== 'bob' || direction !== 'down' || !delivered(frame)) return [frame]
        const behind = late ? [late] : []
        late = undefined
        const dice = random()
        if (behind.length === 0 && dice < 0.1) {
          dropped++
          return []
        }
        if (behind.length === 0 && dice < 0.2) {
          late = frame
          return []
        }
        reordered += behind.length
        if (dice < 0.3) duplicated++
        return dice < 0.3 ? [frame, frame, ...behind] : [frame, ...behind]
      }
      const total = 500
      for (let i = 0; i < total; i++) {
        await alice.send('bob', 'n', i)
        await turns(2)
      }
      net.tamper = undefined
      // What is still held back is lost for good; one last frame shows where the order stands.
      if (late) dropped++
      await alice.send('bob', 'n', total)
      await until(() => got.at(-1) === total, 'the last one')

      expect(got).toEqual([...new Set(got)].sort((a, b) => a - b))
      const count = (type: string) => events.filter((event) => event.type === type).reduce((sum, { n }) => sum + n, 0)
      expect(count('DUPLICATE')).toBe(duplicated)
      // A frame behind a later one is reported missing, and then dropped as late.
      expect(count('LATE')).toBe(reordered)
      expect(count('gap alice')).toBe(dropped + reordered)
      expect(got).toHaveLength(total + 1 - dropped - reordered)
      expect(dropped).toBeGreaterThan(20)
      expect(reordered).toBeGreaterThan(20)
      expect(duplicated).toBeGreaterThan(20)
    },
  )

  it('still gets each call answered that it does not drop, once', async () => {
    const random = seeded(9)
    let handled = 0
    bob.on('ask', ({ body }) => {
      handled++
      return body
    })
    net.tamper = (frame, direction) => {
      if (direction !== 'down' || !delivered(frame)) return [frame]
      return random() < 0.3 ? [frame, frame] : [frame]
    }
    const answers: unknown[] = []
    for (let i = 0; i < 100; i++) answers.push(await alice.call('bob', 'ask', i))
    expect(answers).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect(handled).toBe(100)
  })
})

describe('a mediator that changes what it delivers', () => {
  it('is refused for a flipped bit anywhere in a frame, and the rest goes on', async () => {
    const got: unknown[] = []
    const refused: string[] = []
    bob.on('n', ({ body }) => void got.push(body))
    bob.events.on('refused', ({ code }) => refused.push(code))
    await alice.send('bob', 'n', 'first')
    await until(() => got.length === 1, 'the way is open')
    let bit = 0
    net.tamper = (frame, direction, node) => {
      if (node !== 'bob' || direction !== 'down' || !delivered(frame)) return [frame]
      const at = headerBytes + ((bit * 7) % (frame.length - headerBytes))
      frame[at]! ^= 1 << (bit++ % 8)
      return [frame]
    }
    for (let i = 0; i < 150; i++) {
      await alice.send('bob', 'n', i)
      await turns(2)
    }
    net.tamper = undefined
    await alice.send('bob', 'n', 'last')
    await until(() => got.length === 2, 'the last one')
    expect(got).toEqual(['first', 'last'])
    expect(
      refused.filter((code) => ['CANNOT_OPEN', 'UNKNOWN_KEY', 'STALE_INCARNATION', 'DUPLICATE'].includes(code)),
    ).toHaveLength(150)
    expect(bob.connected).toBe(true)
  })

  it('cannot change who sent it, whom it was for, or its scope', async () => {
    const handled: unknown[] = []
    const refused: string[] = []
    bob.on('*', ({ action }, { from }) => void handled.push([action, from]))
    bob.events.on('refused', ({ code }) => refused.push(code))
    const frames: Uint8Array[] = []
    net.tamper = (frame, direction, node) => {
      if (node !== 'bob' || direction !== 'down' || !delivered(frame)) return [frame]
      frames.push(new Uint8Array(frame))
      return []
    }
    await alice.send('bob', 'n', 1)
    await until(() => frames.length === 1, 'the frame')
    net.tamper = undefined
    const claims = [
      ['carol', 'bob', 'default'],
      ['alice', 'group:g', 'g'],
      ['alice', 'any:g', 'g'],
      ['alice', 'bob', 'g'],
      ['alice', 'carol', 'default'],
      ['bob', 'bob', 'default'],
    ] as const
    for (const [i, [from, to, scope]] of claims.entries()) {
      const forged = new Uint8Array(frames[0]!)
      writeU32(forged, 8, 9_000 + i)
      net.wire('bob').inject('down', encodeAnnounce(9_000 + i, from, to, scope))
      net.wire('bob').inject('down', forged)
    }
    await until(() => refused.length === claims.length, 'all are refused')
    expect(new Set(refused)).toEqual(new Set(['CANNOT_OPEN']))
    expect(handled).toEqual([])
    net.wire('bob').inject('down', frames[0]!)
    await until(() => handled.length === 1, 'the honest one')
    expect(handled).toEqual([['n', 'alice']])
  })

  it('cannot reflect a frame to its sender', async () => {
    const handled: unknown[] = []
    const refused: string[] = []
    alice.on('*', ({ action }) => void handled.push(action))
    alice.events.on('refused', ({ code }) => refused.push(code))
    let sent: Uint8Array | undefined
    net.tamper = (frame, direction, node) => {
      if (node === 'alice' && direction === 'up' && frame[4] === FrameType.send) sent = new Uint8Array(frame)
      return [frame]
    }
    await alice.send('bob', 'n', 1)
    await until(() => sent !== undefined, 'the frame')
    for (const [i, [from, to]] of [
      ['alice', 'bob'],
      ['alice', 'alice'],
      ['bob', 'alice'],
    ].entries()) {
      const reflected = new Uint8Array(sent!)
      reflected[4] = FrameType.deliver
      writeU32(reflected, 8, 9_000 + i)
      net.wire('alice').inject('down', encodeAnnounce(9_000 + i, from!, to!, 'default'))
      net.wire('alice').inject('down', reflected)
    }
    await until(() => refused.length === 3, 'all are refused')
    expect(handled).toEqual([])
  })

  it('cannot take a frame from one group to another', async () => {
    const [gina, harry] = await Promise.all([
      net.join('gina', { groups: ['g', 'h'] }),
      net.join('harry', { groups: ['h'] }),
    ])
    const handled: unknown[] = []
    const refused: string[] = []
    harry.on('*', () => void handled.push(1))
    harry.events.on('refused', ({ code }) => refused.push(code))
    let sent: Uint8Array | undefined
    net.tamper = (frame, direction, node) => {
      if (node === 'gina' && direction === 'up' && frame[4] === FrameType.send) sent = new Uint8Array(frame)
      return [frame]
    }
    await gina.send('group:g', 'n', 1)
    await until(() => sent !== undefined, 'the frame')
    sent![4] = FrameType.deliver
    writeU32(sent!, 8, 9_000)
    net.wire('harry').inject('down', encodeAnnounce(9_000, 'gina', 'group:h', 'h'))
    net.wire('harry').inject('down', sent!)
    await until(() => refused.length === 1, 'it is refused')
    expect(handled).toEqual([])
  })

  it('cannot replay: late, after a reconnect of the receiver, or on another route', async () => {
    const got: unknown[] = []
    const refused: string[] = []
    bob.on('n', ({ body }) => void got.push(body))
    bob.events.on('refused', ({ code }) => refused.push(code))
    const recorded: Uint8Array[] = []
    net.tamper = (frame, direction, node) => {
      if (node === 'bob' && direction === 'down' && delivered(frame)) recorded.push(new Uint8Array(frame))
      return [frame]
    }
    for (let i = 0; i < 20; i++) {
      await alice.send('bob', 'n', i)
      await turns(2)
    }
    await until(() => got.length === 20, 'all arrive')
    net.tamper = undefined
    for (const frame of recorded) net.wire('bob').inject('down', frame)
    await until(() => refused.length === recorded.length, 'replays are refused')
    net.cut('bob')
    await time.advance(100)
    net.wire('bob').inject('down', encodeAnnounce(9_000, 'alice', 'bob', 'default'))
    for (const frame of recorded) {
      writeU32(frame, 8, 9_000)
      net.wire('bob').inject('down', frame)
    }
    await until(() => refused.length === 2 * recorded.length, 'and again')
    expect(got).toHaveLength(20)
    expect(new Set(refused)).toEqual(new Set(['DUPLICATE']))
  })
})

describe('a mediator that lies about deliveries', () => {
  /** Sends a question of alice's whose frame is recorded, and not let through. */
  async function swallowed(ask: () => Promise<unknown>) {
    // One call before, so that the route is known.
    bob.on('ask', () => 'honest')
    await alice.call('bob', 'ask')
    let frame: Uint8Array | undefined
    net.tamper = (bytes, direction, node) => {
      if (node !== 'alice' || direction !== 'up' || bytes[4] !== FrameType.send) return [bytes]
      frame = bytes
      return []
    }
    const outcome = ask().then(
      (value) => ({ value }),
      (error: { code: string; outcome: string }) => ({ code: error.code, outcome: error.outcome }),
    )
    await until(() => frame !== undefined, 'the question leaves')
    const sealed = frame!.subarray(headerBytes)
    const frameId = Buffer.concat([sealed.subarray(20, 28), sealed.subarray(56, 64)])
    return { outcome, route: readU32(frame!, 8), frameId }
  }
  const swallowedCall = () => swallowed(() => alice.call('bob', 'ask', 1, { timeout: 1_000 }))

  it.each([
    ['a call', () => alice.call('bob', 'ask', 1, { timeout: 1_000 })],
    ['an acknowledged send', () => alice.sendAcked('bob', 'ask', 1, { timeout: 1_000 })],
    [
      'an acknowledged send that waits for delivery only',
      () => alice.sendAcked('bob', 'ask', 1, { timeout: 1_000, until: 'delivered' }),
    ],
  ])('C5: cannot make %s resolve by a forged accepted, status, credit or pong', async (_name, ask) => {
    const { outcome, route, frameId } = await swallowed(ask)
    const wire = net.wire('alice')
    wire.inject('down', encodeAccepted(route, frameId, ['bob']))
    wire.inject('down', encodeStatus(route, true, 0x01020304))
    wire.inject('down', encodeStatus(route, true, 1))
    wire.inject('down', encodeCredit(route, 65_536, 100))
    wire.inject('down', encodeFrame(FrameType.pong))
    await turns()
    await time.advance(2_500)
    expect(await outcome).toEqual({ code: expect.any(String), outcome: 'unknown' })
  })

  it('cannot answer a call itself: what it seals with no key, or with a key of its own, is refused', async () => {
    const { outcome } = await swallowedCall()
    const refused: string[] = []
    alice.events.on('refused', ({ code }) => refused.push(code))
    const wire = net.wire('alice')
    wire.inject('down', encodeAnnounce(9_000, 'bob', 'alice', 'default'))
    const forged = Buffer.alloc(sealedHeaderBytes + 40)
    forged.set([1, 1, 9, 0], 0)
    forged.writeBigUInt64BE(BigInt(time.now), 64)
    wire.inject('down', encodeFrame(FrameType.deliver, 9_000, forged))
    await until(() => refused.length === 1, 'it is refused')
    expect(refused).toEqual(['UNKNOWN_KEY'])
    await time.advance(2_500)
    expect(await outcome).toEqual({ code: 'TIMEOUT', outcome: 'unknown' })
  })

  it('can make a call fail, as whoever carries it always can, and no other call', async () => {
    const { outcome, route, frameId } = await swallowedCall()
    net.tamper = undefined
    const other = alice.call('bob', 'ask')
    const foreign = Buffer.from(frameId)
    foreign[15]! ^= 0x40
    net.wire('alice').inject('down', encodeReject(route, 14, foreign))
    expect(await other).toBe('honest')
    net.wire('alice').inject('down', encodeReject(route, 14, frameId))
    expect(await outcome).toMatchObject({ code: 'BUSY', outcome: 'not-delivered' })
  })

  it('cannot have a member of the scope answer for another', async () => {
    // Carol holds the key, and guesses the number of the call.
    const carol = await net.join('carol')
    bob.on('wait', () => new Promise(() => {}))
    const outcome = rejection(alice.call('bob', 'wait', 1, { timeout: 500 }))
    const refused: unknown[] = []
    alice.events.on('refused', (event) => refused.push(event))
    alice.on('ask', () => 1)
    await carol.call('alice', 'ask')
    const messenger = (carol as unknown as { messenger: { outlets: { get(to: string, scope: string): RawOutlet } } })
      .messenger
    for (let corr = 0; corr < 5; corr++) {
      messenger.outlets.get('alice', 'default').raw(4, Buffer.from([0, 2, 0x6e, 0x6f]), corr)
    }
    await until(() => refused.length > 0, 'the forged answer')
    expect(refused).toContainEqual({ from: 'carol', code: 'FORBIDDEN' })
    await time.advance(2_000)
    expect((await outcome).code).toBe('TIMEOUT')
  })
})

interface RawOutlet {
  raw(kind: number, payload: Uint8Array, corr: number): boolean
}

describe('a mediator that breaks the protocol', () => {
  it.each<[string, () => Uint8Array]>([
    ['a frame on a route that it did not announce', () => encodeFrame(FrameType.deliver, 77_777, new Uint8Array(200))],
    ['a frame type that is not for a node', () => encodeFrame(FrameType.send, 1, new Uint8Array(200))],
    [
      'a frame type that does not exist',
      () => {
        const frame = encodeFrame(FrameType.pong)
        frame[4] = 99
        return frame
      },
    ],
    [
      'reserved bits',
      () => {
        const frame = encodeFrame(FrameType.pong)
        frame[6] = 1
        return frame
      },
    ],
    [
      'a length beyond all limits',
      () => {
        const frame = encodeFrame(FrameType.pong)
        writeU32(frame, 0, 0xffff_ffff)
        return frame
      },
    ],
    ['control JSON that is none', () => encodeFrame(FrameType.goaway, 0, Buffer.from('{nonsense'))],
    ['control JSON with a poisoned key', () => encodeFrame(FrameType.answer, 1, Buffer.from('{"__proto__":{"x":1}}'))],
    ['an answer that is null', () => encodeFrame(FrameType.answer, 1, Buffer.from('null'))],
    ['a credit of the wrong size', () => encodeFrame(FrameType.credit, 1, new Uint8Array(7))],
    ['an announce that is cut', () => encodeFrame(FrameType.announce, 1, new Uint8Array([5, 97]))],
    [
      'an accepted that lies about its count',
      () => {
        const frame = encodeAccepted(1, new Uint8Array(16), ['bob'])
        writeU32(frame, headerBytes + 16, 0xffff_ffff)
        return frame
      },
    ],
    ['a peers frame that is a list', () => encodeFrame(FrameType.peers, 0, Buffer.from('[]'))],
    ['a goaway that is null', () => encodeFrame(FrameType.goaway, 0, Buffer.from('null'))],
  ])('loses no more than this link: %s', async (_what, frame) => {
    const unhandled = jest.fn()
    process.on('unhandledRejection', unhandled)
    try {
      bob.on('ask', () => 'fine')
      await alice.call('bob', 'ask')
      net.wire('alice').inject('down', frame())
      await turns()
      await time.advance(3_000)
      expect(alice.connected).toBe(true)
      expect(await alice.call('bob', 'ask')).toBe('fine')
      expect(unhandled).not.toHaveBeenCalled()
    } finally {
      process.off('unhandledRejection', unhandled)
    }
  })
})
