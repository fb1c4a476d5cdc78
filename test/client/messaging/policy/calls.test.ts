import { FrameType, SealwayError, type TrafficPolicy } from '@sealway/protocol'
import type { Node } from '../../../../client-lib/src/node.js'
import { VirtualTime } from '../../../support/clock.js'
import { Net } from '../../../support/net.js'
import { rejection, turns } from '../../../support/until.js'

let time: VirtualTime
let net: Net
beforeEach(() => {
  time = new VirtualTime()
  net = new Net({ time })
})
afterEach(() => net.close())

/** Lets time go by until it is settled. */
async function passing<T>(promise: Promise<T>, limitMs = 120_000): Promise<T> {
  let settled = false
  const done = (): void => {
    settled = true
  }
  promise.then(done, done)
  for (const end = time.now + limitMs; !settled && time.now < end; ) await time.advance(5)
  return promise
}
/** What it fails with, and after how long, ms. */
async function failing(promise: Promise<unknown>) {
  const began = time.now
  const error = await passing(rejection(promise))
  return { error, afterMs: time.now - began }
}
/** Waits before further attempts, ms. */
function waits(node: Node): number[] {
  const found: number[] = []
  node.events.on('retry', ({ inMs }) => found.push(Math.round(inMs)))
  return found
}
const exact = { jitter: 0 }

describe('a call that was not delivered', () => {
  it('is made again after waits that double, as often as its policy says, and then says how often', async () => {
    const alice = await net.join('alice', { policies: [{ target: '*', retries: { max: 3, ...exact } }] })
    const waited = waits(alice)
    const { error, afterMs } = await failing(alice.call('nobody', 'ask'))
    expect(error).toMatchObject({ code: 'UNKNOWN_NODE', outcome: 'not-delivered', target: 'nobody' })
    expect(error.message).toContain('the last of 4 attempts')
    expect([waited, afterMs >= 700 && afterMs < 800]).toEqual([[100, 200, 400], true])
  })

  it('succeeds when the target is there in time', async () => {
    const alice = await net.join('alice')
    const asked = alice.call('bob', 'ask', 7, { retries: { max: 5, firstMs: 1_000, factor: 1, ...exact } })
    await time.advance(2_500)
    const bob = await net.join('bob')
    bob.on('ask', ({ body }) => Number(body) + 1)
    expect(await passing(asked)).toBe(8)
  })

  it('is not made again by itself, nor where the same would come of it', async () => {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    const waited = waits(alice)
    expect((await failing(alice.call('nobody', 'ask'))).error).toMatchObject({ code: 'UNKNOWN_NODE' })
    for (const attempt of [
      () => alice.call('bob', 'no such action', undefined, { retries: 5 }),
      () => alice.call('bob', 'ask', () => 1, { retries: 5 }),
      () => alice.call('nobody', 'ask', undefined, { retries: 0 }),
    ]) {
      expect((await failing(attempt())).afterMs).toBeLessThan(50)
    }
    expect([waited, bob.connected]).toEqual([[], true])
  })

  it('keeps to the deadline of the call, over all attempts together', async () => {
    const alice = await net.join('alice')
    const retries = { max: 100, firstMs: 400, factor: 1, ...exact }
    const { error, afterMs } = await failing(alice.call('nobody', 'ask', undefined, { retries, timeout: 1_000 }))
    expect(error).toMatchObject({ code: 'UNKNOWN_NODE', outcome: 'not-delivered' })
    expect(error.message).toContain('the last of 3 attempts')
    expect(afterMs).toBeLessThanOrEqual(1_000)
  })

  it('waits until its peer is there, where its policy says so, without counting', async () => {
    const alice = await net.join('alice')
    const policy = { retries: { max: 0, whenNoPeer: true, ...exact }, timeout: 60_000 }
    const asked = [alice.call('bob', 'ask', 1, policy), alice.call('any:late', 'ask', 2, policy)]
    await time.advance(40_000)
    const bob = await net.join('bob', { groups: ['g', 'late'] })
    bob.on('ask', ({ body }) => body)
    // A group of its own: alice may send there only as a member.
    expect(await passing(asked[0]!)).toBe(1)
    expect((await failing(asked[1]!)).error.code).toBe('FORBIDDEN')
  })

  it('has all its attempts left when its peer has come', async () => {
    const alice = await net.join('alice')
    const retries = { max: 1, whenNoPeer: true, attemptMs: 200, ...exact }
    const later = alice.call('bob', 'ask', undefined, { retries, idempotent: true, timeout: 60_000 })
    await time.advance(5_000)
    const bob = await net.join('bob')
    let runs = 0
    bob.on('ask', () => (++runs === 1 ? new Promise(() => {}) : 'bob'))
    expect([await passing(later), runs]).toEqual(['bob', 2])
  })

  it('that waits for a peer looks once more just before its deadline, and not after it', async () => {
    const alice = await net.join('alice')
    const retries = { max: 0, whenNoPeer: true, firstMs: 1_000, factor: 10, ...exact }
    const waited = waits(alice)
    const { error, afterMs } = await failing(alice.call('bob', 'ask', undefined, { retries, timeout: 3_000 }))
    expect(error).toMatchObject({ code: 'UNKNOWN_NODE', outcome: 'not-delivered' })
    expect(waited).toHaveLength(2)
    expect(afterMs).toBeGreaterThan(2_900)
    expect(afterMs).toBeLessThanOrEqual(3_000)
  })
})

describe('a call that may have been done', () => {
  /** Bob takes it, and is gone. */
  async function takenAndGone(options: object) {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    let runs = 0
    bob.on('ask', async () => {
      runs++
      await new Promise(() => {})
    })
    const waited = waits(alice)
    const asked = alice.call('any:g', 'ask', undefined, { ...options, timeout: 5_000 })
    asked.catch(() => {})
    await turns()
    await bob.close()
    return { asked, waited, runs: () => runs }
  }

  it('is never made again', async () => {
    const { asked, waited, runs } = await takenAndGone({ retries: 5 })
    expect((await failing(asked)).error).toMatchObject({ code: 'PEER_GONE', outcome: 'unknown' })
    expect([waited, runs()]).toEqual([[], 1])
  })

  it('is made again where that does no harm', async () => {
    const { asked, waited } = await takenAndGone({ retries: { max: 5, ...exact }, idempotent: true })
    const carol = await net.join('carol')
    carol.on('ask', () => 'carol')
    expect(await passing(asked)).toBe('carol')
    expect(waited).toEqual([100])
  })

  it('says so in the end, even where the last attempt was not delivered', async () => {
    const { asked } = await takenAndGone({ retries: { max: 1, ...exact }, idempotent: true })
    const { error } = await failing(asked)
    expect(error).toMatchObject({ outcome: 'unknown', cause: { outcome: 'not-delivered' } })
    expect(error.message).toContain('the last of 2 attempts')
  })

  it('is not an expected error, nor a crash: those are answers', async () => {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    let runs = 0
    bob.on('refuse', (_command, ctx) => {
      runs++
      throw ctx.fail('NO')
    })
    bob.on('crash', () => {
      runs++
      throw new Error('boom')
    })
    const all = { retries: 5, idempotent: true }
    expect((await failing(alice.call('bob', 'refuse', undefined, all))).error.code).toBe('APPLICATION_ERROR')
    expect((await failing(alice.call('bob', 'crash', undefined, all))).error.code).toBe('EXCEPTION')
    expect(runs).toBe(2)
  })

  it('is asked elsewhere when one attempt takes too long', async () => {
    const [alice, bob, carol] = await Promise.all([net.join('alice'), net.join('bob'), net.join('carol')])
    bob.on('ask', () => new Promise(() => {}))
    carol.on('ask', () => 'carol')
    await alice.peers('g')
    const options = { idempotent: true, balance: 'round-robin', retries: { max: 3, attemptMs: 300, ...exact } } as const
    // The first choice is left to the mediator: nobody has asked for the members yet.
    await passing(alice.call('any:g', 'ask', undefined, options))
    for (let i = 0; i < 4; i++) expect(await passing(alice.call('any:g', 'ask', undefined, options))).toBe('carol')
  })
})

describe('a call between two attempts', () => {
  const slow = { retries: { max: 5, firstMs: 10_000, ...exact } }

  it('ends when its signal fires', async () => {
    const alice = await net.join('alice')
    const controller = new AbortController()
    const asked = alice.call('nobody', 'ask', undefined, { ...slow, signal: controller.signal })
    asked.catch(() => {})
    await time.advance(1_000)
    controller.abort(new Error('enough'))
    const { error, afterMs } = await failing(asked)
    expect(error).toMatchObject({ code: 'ABORTED', outcome: 'not-delivered', cause: { message: 'enough' } })
    expect(afterMs).toBeLessThan(10)
  })

  it('ends when the node is closed, and leaves no timer', async () => {
    const alice = await net.join('alice')
    const asked = alice.call('nobody', 'ask', undefined, slow)
    asked.catch(() => {})
    await time.advance(1_000)
    await passing(alice.close())
    expect((await failing(asked)).error).toMatchObject({ code: 'CLOSED', outcome: 'not-delivered' })
    await time.advance(5_000)
    expect(time.pending).toBe(0)
  })

  it('is waited for by a drain', async () => {
    const alice = await net.join('alice')
    const asked = alice.call('bob', 'ask', undefined, { retries: { max: 5, firstMs: 3_000, ...exact } })
    await time.advance(500)
    const drained = alice.drain()
    const bob = await net.join('bob')
    bob.on('ask', () => 'yes')
    expect(await passing(asked)).toBe('yes')
    await passing(drained)
  })
})

describe('a circuit breaker', () => {
  const breaker = { failures: 3, windowMs: 10_000, openMs: 2_000, halfOpen: 1 }
  let alice: Node
  let bob: Node
  let broken: boolean
  let runs: number
  beforeEach(async () => {
    ;[alice, bob] = await Promise.all([net.join('alice', { policies: [{ target: 'bob', breaker }] }), net.join('bob')])
    broken = true
    runs = 0
    for (const action of ['ask', 'other']) {
      bob.on(action, () => {
        runs++
        if (broken) throw new Error('broken')
        return 'fine'
      })
    }
  })
  const ask = (action = 'ask') => passing(alice.call('bob', action).catch((error: SealwayError) => error.code))

  it('fails at once after so many failures, and sends nothing', async () => {
    expect([await ask(), await ask(), await ask()]).toEqual(['EXCEPTION', 'EXCEPTION', 'EXCEPTION'])
    let sent = 0
    net.tamper = (frame, direction) => {
      if (direction === 'up' && frame[4] === FrameType.send) sent++
      return [frame]
    }
    const { error, afterMs } = await failing(alice.call('bob', 'ask'))
    expect(error).toMatchObject({ code: 'CIRCUIT_OPEN', outcome: 'not-delivered', target: 'bob', retry: 'later' })
    const { opensInMs } = error.data as { opensInMs: number }
    expect([sent, runs, afterMs < 10, opensInMs > 1_900 && opensInMs <= 2_000]).toEqual([0, 3, true, true])
    expect(await ask('other')).toBe('CIRCUIT_OPEN')
  })

  it('lets one call try when its time is over, and says what it does', async () => {
    const states: object[] = []
    alice.events.on('circuit', (event) => states.push(event))
    for (let i = 0; i < 4; i++) await ask()
    await time.advance(2_000)
    expect([await ask(), await ask(), runs]).toEqual(['EXCEPTION', 'CIRCUIT_OPEN', 4])
    await time.advance(2_000)
    broken = false
    expect([await ask(), await ask()]).toEqual(['fine', 'fine'])
    expect(states).toEqual(
      ['open', 'half-open', 'open', 'half-open', 'closed'].map((state) => ({ target: 'bob', state })),
    )
  })

  it('is one for an action where the policy is', async () => {
    alice.updatePolicies([{ target: 'bob', action: 'ask', breaker }])
    const states: object[] = []
    alice.events.on('circuit', (event) => states.push(event))
    for (let i = 0; i < 4; i++) await ask()
    expect([await ask(), states]).toEqual(['CIRCUIT_OPEN', [{ target: 'bob', action: 'ask', state: 'open' }]])
    expect(await ask('other')).toBe('EXCEPTION')
  })

  it('ends the retries of a call, which names what made it open', async () => {
    alice.updatePolicies([{ target: '*', breaker: { ...breaker, failures: 2 } }])
    bob.replace('ask', () => new Promise(() => {}))
    const retries = { max: 5, firstMs: 10, attemptMs: 100, ...exact }
    const { error } = await failing(alice.call('bob', 'ask', undefined, { retries, idempotent: true }))
    expect(error).toMatchObject({ code: 'CIRCUIT_OPEN', outcome: 'unknown', cause: { code: 'TIMEOUT' } })
  })

  it('is off again with the policy', async () => {
    for (let i = 0; i < 4; i++) await ask()
    alice.updatePolicies([])
    expect(await ask()).toBe('EXCEPTION')
  })
})

describe('balancing', () => {
  const members = ['bob', 'carol', 'dave']
  let alice: Node
  let nodes: Map<string, Node>
  const who = (balance: TrafficPolicy['balance'], options: object = {}, body?: unknown) =>
    passing(alice.call<string>('any:g', 'who', body, { ...(balance ? { balance } : {}), ...options }))

  beforeEach(async () => {
    alice = await net.join('alice')
    nodes = new Map()
    for (const name of members) {
      const node = await net.join(name)
      node.on('who', () => name)
      nodes.set(name, node)
    }
    // The first choice that this node makes itself asks who is there, and is left to the mediator.
    await who('random')
    await turns()
  })

  it('in turn asks each member as often, and not this node', async () => {
    alice.on('who', () => 'alice')
    const asked: string[] = []
    for (let i = 0; i < 9; i++) asked.push(await who('round-robin'))
    expect(asked).toEqual([...members, ...members, ...members])
  })

  it('follows members that come and go', async () => {
    await nodes.get('carol')!.close()
    const eve = await net.join('eve')
    eve.on('who', () => 'eve')
    await turns()
    const asked: string[] = []
    for (let i = 0; i < 6; i++) asked.push(await who('round-robin'))
    expect(asked).toEqual(['bob', 'dave', 'eve', 'bob', 'dave', 'eve'])
  })

  it('by calls in flight passes over those that have not answered', async () => {
    const answers: (() => void)[] = []
    nodes.get('bob')!.replace('who', () => new Promise((resolve) => answers.push(() => resolve('bob'))))
    // One by its name counts as well.
    const byName = alice.call('carol', 'slow', undefined, { timeout: 5_000 })
    byName.catch(() => {})
    nodes.get('carol')!.on('slow', () => new Promise(() => {}))
    const first = alice.call('any:g', 'who', undefined, { balance: 'round-robin' })
    await turns()
    expect([await who('least-in-flight'), await who('least-in-flight')]).toEqual(['dave', 'dave'])
    answers[0]!()
    expect(await passing(first)).toBe('bob')
    nodes.get('bob')!.replace('who', () => 'bob')
    const next = [await who('least-in-flight'), await who('least-in-flight')]
    expect(next.sort()).toEqual(['bob', 'dave'])
  })

  it('by key finds the same member for the same customer, as the field or the call says', async () => {
    const sticky = { sticky: 'customer.id' }
    const first = new Map<string, string>()
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 20; i++) {
        const asked = await who(sticky, {}, { customer: { id: `c${i}` } })
        expect([i, asked]).toEqual([i, first.get(`c${i}`) ?? asked])
        first.set(`c${i}`, asked)
      }
    }
    expect(new Set(first.values()).size).toBe(3)
    expect(await who(sticky, { stickyKey: 'c7' }, { customer: { id: 'c8' } })).toBe(first.get('c7'))
    expect(members).toContain(await who(sticky, {}, 'no customer here'))
  })

  it('leaves out members whose circuit is open, and fails only when all are', async () => {
    const policy = { balance: 'round-robin', breaker: { failures: 1, openMs: 60_000 } } as const
    const crash = (): never => {
      throw new Error('broken')
    }
    nodes.get('bob')!.replace('who', crash)
    const outcome = () => who(policy.balance, policy).catch((error: SealwayError) => `${error.code} ${error.target}`)
    expect(await outcome()).toBe('EXCEPTION bob')
    for (let i = 0; i < 3; i++) expect([await outcome(), await outcome()].sort()).toEqual(['carol', 'dave'])
    for (const name of ['carol', 'dave']) nodes.get(name)!.replace('who', crash)
    expect([await outcome(), await outcome()].sort()).toEqual(['EXCEPTION carol', 'EXCEPTION dave'])
    expect(await outcome()).toMatch(/^CIRCUIT_OPEN (bob|carol|dave)$/)
  })

  it('asks another member than the one that failed', async () => {
    for (const name of ['bob', 'carol']) nodes.get(name)!.replace('who', () => new Promise(() => {}))
    const retries = { max: 5, attemptMs: 100, firstMs: 1, ...exact }
    for (const strategy of ['round-robin', 'random', { sticky: 'k' }] as const) {
      expect(await who(strategy, { retries, idempotent: true }, { k: 'x' })).toBe('dave')
    }
  })

  it('leaves it to the mediator where a member had left before this node heard of it', async () => {
    const waited = waits(alice)
    net.wire('alice').hold('down')
    await nodes.get('dave')!.close()
    await turns()
    const asked = Promise.all(members.map(() => who('round-robin')))
    await turns()
    net.wire('alice').release('down')
    const names = await asked
    expect(names).toEqual(expect.arrayContaining(['bob', 'carol']))
    expect([names.length, names.includes('dave'), waited]).toEqual([3, false, []])
  })

  it('seals what goes to a member with the keys of the group', async () => {
    const groups = { secret: net.newKey() }
    const others = await Promise.all(
      ['own', 'other'].map((name) => net.join(name, { groups: ['secret'], keys: { default: net.newKey(), groups } })),
    )
    others[1]!.on('who', (_command, { to, from }) => ({ to, from }))
    const ask = () => passing(others[0]!.call('any:secret', 'who', undefined, { balance: 'round-robin' }))
    expect(await ask()).toEqual({ to: 'any:secret', from: 'own' })
    await turns()
    expect(await ask()).toEqual({ to: 'any:secret', from: 'own' })
  })

  it('is left to the mediator where a more specific policy says so', async () => {
    alice.updatePolicies([
      { target: 'any:g', balance: { sticky: 'k' } },
      { target: 'any:g', action: 'who', balance: 'mediator' },
    ])
    const asked = new Set<string>()
    for (let i = 0; i < 6; i++) asked.add(await who(undefined, {}, { k: 'always the same' }))
    expect(asked.size).toBe(3)
  })

  it('knows nobody of a group that it may not see, and leaves it to the mediator', async () => {
    const error = await passing(rejection(alice.call('any:elsewhere', 'who', undefined, { balance: 'round-robin' })))
    expect(error.code).toBe('FORBIDDEN')
  })
})

describe('the policies of the mediator', () => {
  const policies = () => net.relay!.policies

  it('are known to a node when it is ready, and followed live', async () => {
    policies().update([{ target: 'any:g', timeout: 500 }])
    const alice = await net.join('alice')
    const told: unknown[] = []
    alice.events.on('policies', ({ central }) => told.push(central))
    const bob = await net.join('bob')
    bob.on('ask', () => new Promise(() => {}))
    expect(alice.policyFor('any:g', 'ask')).toMatchObject({ timeoutMs: 500 })
    expect((await failing(alice.call('any:g', 'ask'))).error.message).toContain('within 500 ms')
    policies().update([
      { target: 'any:g', timeout: 900 },
      { target: '*', action: 'x', retries: { max: 1 } },
    ])
    await turns()
    expect((await failing(alice.call('any:g', 'ask'))).error.message).toContain('within 900 ms')
    expect((await failing(alice.call('any:g', 'ask', undefined, { timeout: 100 }))).error.message).toContain('100 ms')
    policies().update([])
    await turns()
    expect([alice.policies.central, alice.policyFor('any:g', 'ask')]).toEqual([[], undefined])
    expect(told).toHaveLength(4)
  })

  it('are asked for again on each link', async () => {
    policies().update([{ target: '*', timeout: 500 }])
    const alice = await net.join('alice')
    net.kill()
    net.start()
    policies().update([{ target: '*', timeout: 700 }])
    expect(alice.policies.central).toEqual([{ target: '*', timeout: 500 }])
    await time.advance(2_000)
    expect(alice.policies.central).toEqual([{ target: '*', timeout: 700 }])
  })

  it('for a group are for its members by name too, where this node is one of them', async () => {
    policies().update([{ target: 'group:g', timeout: 400 }])
    const bob = await net.join('bob')
    const alice = await net.join('alice')
    bob.on('ask', () => new Promise(() => {}))
    // The first call follows it already.
    expect((await failing(alice.call('bob', 'ask'))).error.message).toContain('within 400 ms')
    await bob.close()
    await turns()
    expect(alice.policyFor('bob', 'ask')?.timeoutMs).toBeUndefined()
  })

  it('for a group are followed by the next call by name when they come while the node runs', async () => {
    const [alice, bob] = [await net.join('alice'), await net.join('bob')]
    bob.on('ask', () => new Promise(() => {}))
    policies().update([{ target: 'group:g', timeout: 400 }])
    await turns()
    expect((await failing(alice.call('bob', 'ask'))).error.message).toContain('within 400 ms')
    alice.updatePolicies([{ target: 'group:g', timeout: 200 }])
    expect((await failing(alice.call('bob', 'ask'))).error.message).toContain('within 200 ms')
  })

  it('of its own for a group are followed by the first call by name', async () => {
    const bob = await net.join('bob')
    bob.on('ask', () => new Promise(() => {}))
    const alice = await net.join('alice', { policies: [{ target: 'group:g', action: 'ask', timeout: 300 }] })
    expect((await failing(alice.call('bob', 'ask'))).error.message).toContain('within 300 ms')
  })

  it('for a group that this node may not look into keep nobody from being ready', async () => {
    const alice = await net.join('alice', { policies: [{ target: 'group:elsewhere', timeout: 300 }] })
    expect(alice.connected).toBe(true)
    expect(alice.policyFor('bob', 'ask')?.timeoutMs).toBeUndefined()
  })

  it('that are late do not keep a node from being ready', async () => {
    net.tamper = (frame, direction) => (direction === 'up' && frame[4] === FrameType.query ? [] : [frame])
    const joined = net.join('alice')
    await time.advance(1_100)
    expect((await joined).connected).toBe(true)
  })
})

describe('a timeout by policy', () => {
  it('is for every verb that waits', async () => {
    const timeout = 300
    const [alice, bob] = await Promise.all([
      net.join('alice', { policies: [{ target: '*', timeout }] }),
      net.join('bob'),
    ])
    bob.on('ask', () => new Promise(() => {}))
    bob.on('items', () => new Promise(() => {}))
    const began = time.now
    const stream = async () => {
      for await (const item of alice.stream('bob', 'items')) throw new Error(String(item))
    }
    const report = await passing(alice.broadcast('g', 'ask', undefined, { want: 'acks' }))
    expect(report.missing).toEqual(['bob'])
    for (const attempt of [
      () => alice.call('bob', 'ask'),
      () => alice.gather('g', 'ask'),
      () => alice.sendAcked('bob', 'ask'),
      stream,
    ]) {
      const { afterMs } = await failing(attempt())
      expect(afterMs).toBeGreaterThanOrEqual(timeout - 5)
      expect(afterMs).toBeLessThan(timeout + 60)
    }
    expect(time.now - began).toBeLessThan(5 * (timeout + 60))
  })
})

it('a wrong option of a call, of the node or of an update is refused, and names itself', async () => {
  const alice = await net.join('alice')
  const wrong = { target: '*', retries: { max: -1 } }
  for (const attempt of [
    () => alice.call('bob', 'x', undefined, { retries: -1 }),
    async () => alice.updatePolicies([wrong]),
    () => net.join('bob', { policies: [wrong] }),
  ]) {
    expect(await rejection(attempt())).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('retries') as string,
    })
  }
  expect(alice.policies).toEqual({ own: [], central: [] })
  expect(() => alice.policyFor('A B', 'x')).toThrow(SealwayError)
})
