import type { TrafficPolicy } from '@sealway/protocol'
import { Policies, type PolicyOptions, readPolicies } from '../../../../client-lib/src/messaging/policy/policy.js'

let warnings: object[]
let members: { [group: string]: string[] }
let policies: Policies
beforeEach(() => {
  warnings = []
  members = {}
  const warn = (fields: unknown) => void warnings.push(fields as object)
  policies = new Policies({
    isMember: (group, name) => members[group]?.includes(name) ?? false,
    logger: { debug() {}, info() {}, warn, error() {} },
  })
})

const central = (...list: TrafficPolicy[]) => policies.told({ type: 'list', policies: list })
const timeout = (to: string, action = 'quote') => policies.for(to, action)?.timeoutMs

describe('without policies', () => {
  it('nothing is decided, unless a call decides for itself', () => {
    expect(policies.for('a', 'x')).toBeUndefined()
    expect(policies.for('a', 'x', {})).toBeUndefined()
    expect(policies.for('a', 'x', { stickyKey: 'k' })).toBeUndefined()
    expect(policies.for('a', 'x', { retries: 2 })?.retries).toEqual({
      max: 2,
      firstMs: 100,
      factor: 2,
      maxMs: 5_000,
      jitter: 0.2,
      attemptMs: Number.POSITIVE_INFINITY,
      whenNoPeer: false,
    })
  })
})

describe('the most specific policy', () => {
  const list: TrafficPolicy[] = [
    { target: '*', timeout: 1 },
    { target: '*', action: 'quote', timeout: 2 },
    { target: 'group:orders', timeout: 3 },
    { target: 'group:orders', action: 'quote', timeout: 4 },
    { target: 'any:orders', timeout: 5 },
    { target: 'any:orders', action: 'quote', timeout: 6 },
  ]

  it('wins: target with action, target, group with action, group, all with action, all', () => {
    for (let length = list.length; length > 0; length--) {
      central(...list.slice(0, length))
      expect(timeout('any:orders')).toBe(length)
    }
    central(...list)
    expect([timeout('any:orders', 'other'), timeout('any:billing'), timeout('any:billing', 'other')]).toEqual([5, 2, 1])
    expect([timeout('group:orders'), timeout('group:orders', 'other')]).toEqual([4, 3])
  })

  it('of this node wins over any of the mediator, however specific that is', () => {
    central(...list)
    policies.update([{ target: '*', timeout: 70 }])
    expect(timeout('any:orders')).toBe(70)
    policies.update([])
    expect(timeout('any:orders')).toBe(6)
  })

  it('of a group is for its members too, as far as they are known', () => {
    central(
      { target: 'group:orders', timeout: 3 },
      { target: 'group:all', timeout: 8 },
      { target: 'orders-9', timeout: 9 },
    )
    expect(timeout('orders-1')).toBeUndefined()
    members = { orders: ['orders-1', 'orders-9'] }
    policies.forget()
    expect([timeout('orders-1'), timeout('orders-9'), timeout('billing-1')]).toEqual([3, 9, undefined])
    // Of several groups the first by name.
    members = { orders: ['orders-1'], all: ['orders-1'] }
    policies.forget()
    expect(timeout('orders-1')).toBe(8)
  })

  it('wins field by field: what it leaves open is taken from the next', () => {
    central(
      { target: '*', timeout: 900, retries: { max: 9, firstMs: 50, factor: 3 }, balance: 'random' },
      { target: 'any:orders', breaker: { failures: 7, openMs: 70 }, retries: { factor: 1 } },
    )
    policies.update([{ target: 'any:orders', action: 'quote', retries: { max: 1 }, breaker: { failures: 1 } }])
    expect(policies.for('any:orders', 'quote', { retries: { jitter: 0 } })).toEqual({
      timeoutMs: 900,
      retries: {
        max: 1,
        firstMs: 50,
        factor: 1,
        maxMs: 5_000,
        jitter: 0,
        attemptMs: Number.POSITIVE_INFINITY,
        whenNoPeer: false,
      },
      breaker: { failures: 1, windowMs: 10_000, openMs: 70, halfOpen: 1, perAction: true },
      balance: 'random',
    })
    expect(policies.for('any:orders', 'other')?.breaker).toMatchObject({ failures: 7, perAction: false })
  })

  it('can say that there is to be none', () => {
    central({ target: '*', retries: { max: 9 }, breaker: { failures: 7 }, balance: 'random' })
    policies.update([{ target: 'a', retries: { max: 0 }, breaker: false, balance: 'mediator' }])
    expect(policies.for('a', 'x')).toEqual({
      timeoutMs: undefined,
      retries: undefined,
      breaker: undefined,
      balance: 'mediator',
    })
    // What a call says goes on from there, and takes nothing from behind the no.
    const some: PolicyOptions = { retries: 1, breaker: { openMs: 5 } }
    expect(policies.for('a', 'x', some)).toMatchObject({ retries: { max: 1 }, breaker: { failures: 5, openMs: 5 } })
    expect(policies.for('b', 'x', { retries: 0, breaker: false, balance: 'mediator' })).toEqual({
      timeoutMs: undefined,
      retries: undefined,
      breaker: undefined,
      balance: 'mediator',
    })
  })

  it('says nothing of what the library asks by itself', () => {
    central({ target: '*', timeout: 1 })
    expect(policies.for('a', '$subscriptions')).toBeUndefined()
  })
})

describe('the policies of the mediator', () => {
  const a: TrafficPolicy = { target: 'a', timeout: 1 }
  const b: TrafficPolicy = { target: 'b', action: 'x', timeout: 2 }

  it('are replaced by a list, in force only when all of it is there', () => {
    central(a)
    expect(policies.told({ type: 'list', policies: [b], more: true })).toBe(false)
    expect([timeout('a'), timeout('b', 'x')]).toEqual([1, undefined])
    expect(policies.told({ type: 'list', policies: [{ ...b, action: 'y' }] })).toBe(true)
    expect([timeout('a'), timeout('b', 'x'), timeout('b', 'y')]).toEqual([undefined, 2, 2])
    expect(policies.list.central).toHaveLength(2)
  })

  it('lose nothing to a list that broke off', () => {
    central(a)
    policies.told({ type: 'list', policies: [b], more: true })
    policies.unlinked()
    central(a)
    expect(policies.list.central).toEqual([a])
  })

  it('change one by one', () => {
    central(a)
    policies.told({ type: 'set', policy: b })
    policies.told({ type: 'set', policy: { ...a, timeout: 7 } })
    expect([timeout('a'), timeout('b', 'x')]).toEqual([7, 2])
    policies.told({ type: 'removed', target: 'b', action: 'x' })
    policies.told({ type: 'removed', target: 'nobody' })
    expect([timeout('a'), timeout('b', 'x')]).toEqual([7, undefined])
  })

  it('are ignored where they cannot be read, and read where they say more than is known', () => {
    const newer = { ...a, colour: 'red' } as TrafficPolicy
    central(newer, { target: 'c', timeout: -5 }, { target: 'A B' }, null as never, { ...b, retries: { max: 1e9 } })
    expect(policies.list.central).toEqual([a])
    expect(warnings).toHaveLength(4)
    policies.told({ type: 'set', policy: 7 as never })
    policies.told({ type: 'a word of the future' } as never)
    policies.told({ type: 'list' } as never)
    expect(policies.list.central).toEqual([])
  })

  it('are no more than 1,000, whatever the mediator says', () => {
    for (let i = 0; i < 3; i++) {
      const some = Array.from({ length: 600 }, (_, k) => ({ target: `n${i * 600 + k}`, timeout: 5 }))
      policies.told({ type: 'list', policies: some, ...(i < 2 ? { more: true as const } : {}) })
    }
    policies.told({ type: 'set', policy: { target: 'one-more' } })
    expect(policies.list.central).toHaveLength(1_000)
    policies.told({ type: 'set', policy: { target: 'n0', timeout: 9 } })
    expect(timeout('n0')).toBe(9)
  })
})

describe('policies of a user', () => {
  it.each<[string, unknown, string]>([
    ['no list', { target: '*' }, 'must be a list'],
    [
      'a field nobody knows',
      [{ target: '*' }, { target: 'a', retry: 1 }],
      'policies[1]: a policy must not have "retry"',
    ],
    ['the same target twice', [{ target: 'a' }, { target: 'node:a', timeout: 1 }], 'same target'],
    ['more than 1,000', Array.from({ length: 1_001 }, (_, i) => ({ target: `n${i}` })), '1001 policies'],
  ])('are refused as %s', (_what, value, text) => {
    expect(() => readPolicies(value)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(text) as string }),
    )
  })

  it.each<PolicyOptions>([
    { retries: -1 },
    { retries: '3' as never },
    { retries: { max: 1, often: true } as never },
    { breaker: true as never },
    { breaker: { failures: 0 } },
    { balance: 'fastest' as never },
    { balance: { sticky: 7 } as never },
  ])('of one call are refused: %j', (options) => {
    expect(() => policies.for('a', 'x', options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})
