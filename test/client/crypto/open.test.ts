import { Kind, SealFlag } from '@sealway/protocol'
import { Keyring } from '../../../client-lib/src/crypto/keyring.js'
import { type InboundRoute, Opener } from '../../../client-lib/src/crypto/open.js'
import { SealingFlow } from '../../../client-lib/src/crypto/seal.js'
import { incarnation, key, otherKey, outcome, pair, routeOf, SeededRandom, sealText, startedAt, wire } from './pair.js'

const minute = 60_000

it('opens what was sealed for it, once', () => {
  const { flow, opener, route } = pair()
  const sealed = wire(flow.seal(Kind.call, SealFlag.end, Buffer.from('hello'), 5_000, incarnation))
  const first = opener.open(sealed, route)
  expect(first).toMatchObject({
    type: 'opened',
    plaintext: Buffer.from('hello'),
    kind: Kind.call,
    flags: SealFlag.end,
    counter: 0,
    ts: startedAt,
    ttlMs: 5_000,
    unbound: false,
  })
  expect(opener.open(sealed, route)).toMatchObject({ type: 'duplicate', counter: 0 })
})

it('opens an empty plaintext, 32 KiB, and a frame at any place of a larger buffer', () => {
  const { flow, opener, route } = pair()
  for (const plaintext of [Buffer.alloc(0), Buffer.alloc(32_768, 7)]) {
    const arena = Buffer.concat([Buffer.alloc(13), wire(flow.seal(Kind.fire, 0, plaintext, 0, 0)), Buffer.alloc(5)])
    const sealed = new Uint8Array(arena).subarray(13, arena.length - 5)
    expect(opener.open(sealed, route)).toMatchObject({ type: 'opened', plaintext })
  }
})

it('gives the same flow object for each frame of a flow, on every route, and another one for another flow', () => {
  const { flow, opener, sender } = pair()
  const second = new SealingFlow(sender)
  const flowOf = (from: SealingFlow, route: InboundRoute) => {
    const result = opener.open(sealText(from, 'x'), route)
    return result.type === 'opened' ? result.flow : undefined
  }
  const route = routeOf('alpha', 'beta')
  const first = flowOf(flow, route)
  expect(first?.id).toEqual(flow.id)
  expect(flowOf(second, route)).not.toBe(first)
  expect(flowOf(flow, route)).toBe(first)
  expect(flowOf(flow, routeOf('alpha', 'beta'))).toBe(first)
  expect(opener.flowCount).toBe(2)
})

it('remembers flows in memory of its own, so that a transport may reuse its buffer', () => {
  const { flow, opener, route } = pair()
  const first = sealText(flow, 'x')
  const second = sealText(flow, 'y')
  const replay = Buffer.from(first)
  expect(outcome(opener, first, route)).toBe('opened')
  first.fill(0)
  expect(outcome(opener, second, route)).toBe('opened')
  expect(route.lastFlow?.id).toEqual(flow.id)
  expect(outcome(opener, replay, routeOf('alpha', 'beta'))).toBe('duplicate')
  expect(opener.flowCount).toBe(1)
})

describe('C2: what the mediator could swap', () => {
  it.each([
    ['the sender', routeOf('mallory', 'beta')],
    ['the target, to a group of the receiver', routeOf('alpha', 'group:g1')],
    ['the target, to any of a group', routeOf('alpha', 'any:g1')],
    ['the scope', routeOf('alpha', 'beta', 'g2')],
    ['the sender, by another spelling of the same bytes', routeOf('alph', 'abeta')],
  ])('%s', (_, route) => {
    const { flow, opener, route: honest } = pair()
    const sealed = sealText(flow, 'x')
    expect(outcome(opener, sealed, route)).toBe('CANNOT_OPEN')
    expect(opener.flowCount).toBe(0)
    expect(outcome(opener, sealed, honest)).toBe('opened')
    expect(outcome(opener, sealText(flow, 'known now'), route)).toBe('CANNOT_OPEN')
  })

  it.each([
    ['the kind', 2, Kind.fire],
    ['the flag durable', 3, SealFlag.durable],
    ['the ttl', 75, 9],
    ['the time', 71, 9],
  ])('%s', (_, at, value) => {
    const { flow, opener, route } = pair()
    const sealed = sealText(flow, 'x')
    sealed[at] = value
    expect(outcome(opener, sealed, route)).toBe('CANNOT_OPEN')
  })

  it('the flag durable taken away', () => {
    const { flow, opener, route } = pair()
    const sealed = sealText(flow, 'x', { flags: SealFlag.durable })
    sealed[3] = 0
    expect(outcome(opener, sealed, route)).toBe('CANNOT_OPEN')
  })
})

/** More than two windows of 4,096. */
const recorded = 10_000

describe('C3: recorded frames, replayed', () => {
  const record = (options: Parameters<typeof pair>[0], inc: number) => {
    const made = pair(options)
    const frames = Array.from({ length: recorded }, () => sealText(made.flow, 'x', { inc }))
    return { ...made, frames }
  }
  const opened = (opener: Opener, frames: readonly Uint8Array[], route: InboundRoute) =>
    frames.filter((sealed) => outcome(opener, sealed, route) === 'opened').length

  it('live: all of them are duplicates, or older than the window', () => {
    const { frames, opener, route } = record({}, incarnation)
    expect(opened(opener, frames, route)).toBe(recorded)
    expect(opened(opener, frames, routeOf('alpha', 'beta'))).toBe(0)
    expect(opened(opener, [...frames].reverse(), route)).toBe(0)
  })

  it('late: refused, also by a process that never saw them', () => {
    const { frames, opener, newOpener, route, clock } = record({}, incarnation)
    expect(opened(opener, frames, route)).toBe(recorded)
    clock.now += 3 * minute
    expect(opened(opener, frames, route)).toBe(0)
    expect(opened(newOpener(), frames, routeOf('alpha', 'beta'))).toBe(0)
  })

  it('after a restart of the receiver: frames sealed for the process before are refused', () => {
    const { frames, newOpener } = record({}, incarnation)
    const restarted = newOpener({ incarnation: incarnation + 1 })
    expect(opened(restarted, frames, routeOf('alpha', 'beta'))).toBe(0)
    expect(outcome(restarted, frames[0]!, routeOf('alpha', 'beta'))).toBe('STALE_INCARNATION')
  })

  it('after a restart: unbound ones open within ttl and skew unless strictInc is on, and say so', () => {
    const { frames, newOpener, route, clock } = record({}, 0)
    const restarted = { incarnation: incarnation + 1 }
    expect(newOpener(restarted).open(frames[0]!, route)).toMatchObject({ type: 'opened', unbound: true })
    clock.now += 1
    expect(opened(newOpener({ ...restarted, strictInc: true }), frames, routeOf('alpha', 'beta'))).toBe(0)
    clock.now += 30_000 + 120_000
    expect(opened(newOpener(restarted), frames, routeOf('alpha', 'beta'))).toBe(0)
  })

  it('as a broadcast after a restart: refused with strictInc, while new broadcasts open', () => {
    const { frames, flow, newOpener, clock } = record({ to: 'group:g1' }, 0)
    clock.now += 1
    const restarted = newOpener({ strictInc: true, incarnation: incarnation + 1 })
    const route = routeOf('alpha', 'group:g1')
    expect(opened(restarted, frames, route)).toBe(0)
    clock.now += 1
    expect(outcome(restarted, sealText(flow, 'new'), route)).toBe('opened')
  })
})

it('strictInc lets receipts and handshakes through, by which a sender learns the incarnation', () => {
  const { flow, newOpener, route } = pair()
  const opener = newOpener({ strictInc: true })
  const seal = (kind: Kind) => wire(flow.seal(kind, 0, Buffer.alloc(1), 0, 0))
  expect([Kind.receipt, Kind.handshake].map((kind) => outcome(opener, seal(kind), route))).toEqual(['opened', 'opened'])
  for (const kind of [Kind.fire, Kind.acked, Kind.call, Kind.reply, Kind.stream, Kind.broadcast, Kind.bundle]) {
    expect(outcome(opener, seal(kind), route)).toBe('STALE_INCARNATION')
  }
})

describe('C6: reflection and crossing over', () => {
  it('refuses to open what this node itself sealed, under whatever labels it comes back', () => {
    const { flow, newOpener } = pair()
    const alpha = newOpener({ name: 'alpha' })
    const sealed = sealText(flow, 'x')
    for (const [from, to] of [
      ['alpha', 'beta'],
      ['beta', 'alpha'],
      ['alpha', 'alpha'],
      ['beta', 'any:g1'],
    ] as const) {
      expect(outcome(alpha, sealed, routeOf(from, to))).toBe('CANNOT_OPEN')
    }
  })

  it('refuses what is for another node, or for a group that this node is not in, or not any more', () => {
    const { flow, opener, sender } = pair({ to: 'group:g1' })
    expect(outcome(opener, sealText(flow, 'x'), routeOf('alpha', 'group:g1'))).toBe('opened')
    opener.setGroups(['g2'])
    expect(outcome(opener, sealText(flow, 'x'), routeOf('alpha', 'group:g1'))).toBe('CANNOT_OPEN')
    const other = new SealingFlow({ ...sender, to: 'gamma' })
    expect(outcome(opener, sealText(other, 'x'), routeOf('alpha', 'gamma'))).toBe('CANNOT_OPEN')
  })

  it('refuses a frame of one group in another one that shares the key', () => {
    const { flow, newOpener } = pair({ to: 'group:g1' })
    const opener = newOpener({ groups: ['g1', 'g2'] })
    expect(outcome(opener, sealText(flow, 'x'), routeOf('alpha', 'group:g2', 'g2'))).toBe('CANNOT_OPEN')
  })
})

describe('C7: downgrade', () => {
  it.each([
    ['version 0', 0, 0],
    ['version 2', 0, 2],
    ['suite 0', 1, 0],
    ['suite 2', 1, 2],
    ['kind 0', 2, 0],
    ['kind 10', 2, 10],
    ['the flag compressed', 3, SealFlag.compressed],
    ['the flag signed', 3, SealFlag.signed],
    ['the flag forward-secret', 3, SealFlag.forwardSecret],
    ['an unknown flag', 3, 64],
    ['all flags', 3, 255],
  ])('refuses %s', (_, at, value) => {
    const { flow, opener, route } = pair()
    const sealed = sealText(flow, 'x')
    sealed[at] = value
    expect(outcome(opener, sealed, route)).toBe('CANNOT_OPEN')
  })

  it('refuses flags that it does not implement even where the sender sealed them', () => {
    const { flow, opener, route } = pair()
    for (const flags of [SealFlag.compressed, SealFlag.signed, SealFlag.forwardSecret]) {
      expect(outcome(opener, sealText(flow, 'x', { flags }), route)).toBe('CANNOT_OPEN')
    }
    expect(outcome(opener, sealText(flow, 'x', { flags: 1 | 2 | 32 }), route)).toBe('opened')
  })

  it('refuses plaintext, whatever its length', () => {
    const { opener, route } = pair()
    for (const length of [0, 1, 79, 80, 95, 96, 200]) {
      expect(outcome(opener, Buffer.alloc(length, '{"role":"admin"}'), route)).toBe('CANNOT_OPEN')
    }
  })

  it('says which key it does not hold, tries no other, and opens nothing with a key that was removed', () => {
    const { flow, opener, route, keyring } = pair()
    const stranger = pair({ key: otherKey, random: new SeededRandom('stranger') })
    expect(opener.open(sealText(stranger.flow, 'x'), route)).toEqual({
      type: 'refused',
      code: 'UNKNOWN_KEY',
      kid: new Uint8Array(otherKey.kid),
    })
    expect(outcome(opener, sealText(flow, 'x'), route)).toBe('opened')
    keyring.update({ default: otherKey })
    expect(outcome(opener, sealText(flow, 'x'), route)).toBe('UNKNOWN_KEY')
  })

  it('does not open under another key of the ring when the kid is exchanged', () => {
    const { flow, opener, route } = pair({ keys: { default: [key, otherKey] } })
    const sealed = sealText(flow, 'x')
    sealed.set(otherKey.kid, 4)
    expect(outcome(opener, sealed, route)).toBe('CANNOT_OPEN')
  })

  it('opens a group that has its own keys with those only', () => {
    const { flow, opener, route } = pair({ key, keys: { default: key, groups: { g1: otherKey } } })
    expect(outcome(opener, sealText(flow, 'x'), route)).toBe('UNKNOWN_KEY')
  })
})

it('C9: refuses tags of 4, 8 and 12 bytes', () => {
  const { flow, opener, route } = pair()
  const frame = flow.seal(Kind.fire, 0, Buffer.alloc(100), 0, 0)
  for (const length of [4, 8, 12, 15]) {
    const short = Buffer.concat([frame.header.subarray(12), frame.ciphertext, frame.tag.subarray(0, length)])
    expect(outcome(opener, short, route)).toBe('CANNOT_OPEN')
  }
  expect(outcome(opener, wire(frame), route)).toBe('opened')
})

describe('time', () => {
  const at = (sentAt: number, receivedAt: number, options: Parameters<typeof sealText>[2] = {}) => {
    const { flow, opener, route, clock } = pair()
    clock.now = startedAt + sentAt
    const sealed = sealText(flow, 'x', options)
    clock.now = startedAt + receivedAt
    return outcome(opener, sealed, route)
  }

  it('is allowed to differ by 120 s', () => {
    expect([at(120_000, 0), at(120_001, 0)]).toEqual(['opened', 'CANNOT_OPEN'])
    expect([at(0, 125_000, { ttl: 5_000 }), at(0, 125_001, { ttl: 5_000 })]).toEqual(['opened', 'CANNOT_OPEN'])
  })

  it('runs out after 30 s where a live frame names no ttl, and after 7 days where a durable one does not', () => {
    expect([at(0, 150_000), at(0, 150_001)]).toEqual(['opened', 'CANNOT_OPEN'])
    const week = 7 * 24 * 60 * minute
    const durable = { flags: SealFlag.durable }
    expect([at(0, week + 120_000, durable), at(0, week + 120_001, durable)]).toEqual(['opened', 'CANNOT_OPEN'])
  })

  it('is at most 15 min for a live frame, and longer for a durable one', () => {
    expect([at(0, 0, { ttl: 15 * minute }), at(0, 0, { ttl: 15 * minute + 1 })]).toEqual(['opened', 'CANNOT_OPEN'])
    expect(at(0, 0, { ttl: 2 ** 32 - 1, flags: SealFlag.durable })).toBe('opened')
  })
})

describe('flows that are remembered', () => {
  const flowsOf = (sender: ReturnType<typeof pair>['sender'], count: number) =>
    Array.from({ length: count }, () => new SealingFlow(sender))

  it('are not made by forgeries, however many', () => {
    const { flow, opener, route } = pair()
    const sealed = sealText(flow, 'x')
    for (let i = 0; i < 1_000; i++) {
      sealed.writeUInt32BE(i, 20)
      expect(outcome(opener, sealed, route)).toBe('CANNOT_OPEN')
    }
    expect(opener.flowCount).toBe(0)
    expect(route.lastFlow).toBeUndefined()
  })

  it('do not count what was forged: the frame itself still opens', () => {
    const { flow, opener, route } = pair()
    expect(outcome(opener, sealText(flow, 'the flow is known'), route)).toBe('opened')
    const sealed = sealText(flow, 'x')
    const forged = Buffer.from(sealed)
    forged[sealed.length - 1]! ^= 1
    expect([forged, sealed, sealed].map((frame) => outcome(opener, frame, route))).toEqual([
      'CANNOT_OPEN',
      'opened',
      'duplicate',
    ])
  })

  it('are bounded, and what was opened of a forgotten one does not open again', () => {
    const forgotten: unknown[] = []
    const { clock, sender, newOpener } = pair()
    const opener = newOpener({ maxFlows: 8, onForget: (flow) => void forgotten.push(flow) })
    const replays = flowsOf(sender, 50).map((flow) => {
      clock.now += 1
      const sealed = sealText(flow, 'x')
      expect(outcome(opener, sealed, routeOf('alpha', 'beta'))).toBe('opened')
      expect(opener.flowCount).toBeLessThanOrEqual(8)
      return sealed
    })
    expect(forgotten).toHaveLength(42)
    for (const sealed of replays) expect(outcome(opener, sealed, routeOf('alpha', 'beta'))).not.toBe('opened')
    expect(opener.flowCount).toBe(8)
  })

  it('a forgotten flow goes on with newer frames, on the route that it had, and without its old ones', () => {
    const { clock, flow, sender, newOpener, route } = pair()
    const opener = newOpener({ maxFlows: 4 })
    const old = sealText(flow, 'old')
    expect(outcome(opener, old, route)).toBe('opened')
    for (const other of flowsOf(sender, 20)) {
      clock.now += 1
      expect(outcome(opener, sealText(other, 'x'), routeOf('alpha', 'beta'))).toBe('opened')
    }
    clock.now += 1
    expect(outcome(opener, sealText(flow, 'new'), route)).toBe('opened')
    expect(outcome(opener, old, route)).toBe('CANNOT_OPEN')
  })

  it('keep those that are used: the one without traffic goes first', () => {
    const { clock, sender, newOpener } = pair()
    const forgotten: Uint8Array[] = []
    const opener = newOpener({ maxFlows: 4, onForget: (flow) => void forgotten.push(flow.id) })
    const [busy, idle, ...others] = flowsOf(sender, 12)
    const send = (flow: SealingFlow) => {
      clock.now += 1
      expect(outcome(opener, sealText(flow, 'x'), routeOf('alpha', 'beta'))).toBe('opened')
    }
    send(busy!)
    send(idle!)
    for (const flow of others) {
      send(busy!)
      send(flow)
    }
    expect(forgotten).toContainEqual(idle!.id)
    expect(forgotten).not.toContainEqual(busy!.id)
  })

  it('go by themselves when none of their frames could open any more', () => {
    const { clock, flow, sender, opener, route } = pair()
    expect(outcome(opener, sealText(flow, 'x'), route)).toBe('opened')
    clock.now += 150_001
    expect(outcome(opener, sealText(new SealingFlow(sender), 'x'), route)).toBe('opened')
    expect(opener.flowCount).toBe(1)
  })

  it('stay as long as a durable frame of theirs could be replayed', () => {
    const { clock, flow, sender, opener, route } = pair()
    const durable = sealText(flow, 'x', { flags: SealFlag.durable })
    expect(outcome(opener, durable, route)).toBe('opened')
    for (let day = 0; day < 6; day++) {
      clock.now += 24 * 60 * minute
      expect(outcome(opener, sealText(new SealingFlow(sender), 'x'), route)).toBe('opened')
      expect(outcome(opener, durable, route)).toBe('duplicate')
    }
    expect(opener.flowCount).toBe(2)
  })
})

it('never throws: 100,000 random and spoilt frames are refused', () => {
  const { flow, opener, route } = pair()
  const random = new SeededRandom('noise')
  let noise = Buffer.alloc(0)
  for (let i = 0; i < 100_000; i++) {
    if (i % 64 === 0) noise = Buffer.concat([random.salt(), random.salt(), random.salt(), random.salt()])
    const length = (i * 31) % 128
    const sealed = Buffer.from(noise.subarray(0, length))
    // Half of them get past the first checks.
    if (i % 2 === 0 && length > 4) sealed.set([1, 1, 1 + (i % 9), 0], 0)
    if (length > 20) sealed[20] = i & 255
    expect(opener.open(sealed, route).type).toBe('refused')
  }
  expect(opener.flowCount).toBe(0)
  expect(outcome(opener, sealText(flow, 'x'), route)).toBe('opened')
})

it('shares nothing between two openers of one process', () => {
  const { flow, newOpener, route } = pair()
  const sealed = sealText(flow, 'x')
  expect(outcome(newOpener(), sealed, route)).toBe('opened')
  const second = new Opener({
    keyring: new Keyring({ default: key }),
    name: 'beta',
    groups: [],
    incarnation: 1,
    clock: () => startedAt,
  })
  expect(outcome(second, sealed, routeOf('alpha', 'beta'))).toBe('opened')
})
