import { maxPolicyBytes, parseBalance, parsePolicy, parsePolicyName, parseRetries } from '@sealway/protocol'

const full = {
  target: 'any:orders',
  action: 'quote',
  timeout: 2_000,
  retries: { max: 3, firstMs: 100, factor: 1.5, maxMs: 5_000, jitter: 0.2, attemptMs: 500, whenNoPeer: true },
  breaker: { failures: 5, windowMs: 10_000, openMs: 5_000, halfOpen: 1 },
  balance: { sticky: 'customer.id' },
}

describe('a policy', () => {
  it('is read as it is written', () => {
    expect(parsePolicy(full)).toEqual(full)
    expect(parsePolicy({ target: '*' })).toEqual({ target: '*' })
    expect(parsePolicy({ target: 'a', breaker: false, balance: 'random', retries: {} })).toEqual({
      target: 'a',
      breaker: false,
      balance: 'random',
      retries: {},
    })
  })

  it('takes the short forms: node:<name>, and a number of retries', () => {
    expect(parsePolicyName('node:orders-1', undefined)).toEqual({ target: 'orders-1' })
    expect(parsePolicy({ target: '*', retries: 4 })).toEqual({ target: '*', retries: { max: 4 } })
    expect(parseRetries(0)).toEqual({ max: 0 })
  })

  it.each<[string, object, string]>([
    ['no target', {}, 'INVALID_NAME'],
    ['a target outside the grammar', { target: 'Orders' }, 'INVALID_NAME'],
    ['an empty action', { target: '*', action: '' }, 'action'],
    ['an action of 256 bytes', { target: '*', action: 'ü'.repeat(128) }, 'action'],
    ['an action with a line break', { target: '*', action: 'a\nb' }, 'control'],
    ['an action with half a character', { target: '*', action: 'a\ud800' }, 'control'],
    ['an action with a space at its end', { target: '*', action: 'a ' }, 'space'],
    ['a timeout of 0', { target: '*', timeout: 0 }, 'timeout'],
    ['a timeout that is none', { target: '*', timeout: Number.NaN }, 'timeout'],
    ['a timeout over 15 min', { target: '*', timeout: 900_001 }, 'timeout'],
    ['a timeout as text', { target: '*', timeout: '5' }, 'timeout'],
    ['half a retry', { target: '*', retries: { max: 0.5 } }, 'retries.max'],
    ['101 retries', { target: '*', retries: 101 }, 'retries'],
    ['a factor below 1', { target: '*', retries: { factor: 0.9 } }, 'retries.factor'],
    ['a jitter over 1', { target: '*', retries: { jitter: 1.1 } }, 'retries.jitter'],
    ['whenNoPeer that is no boolean', { target: '*', retries: { whenNoPeer: 1 } }, 'whenNoPeer'],
    ['a breaker that is true', { target: '*', breaker: true }, 'breaker'],
    ['a breaker of no failures', { target: '*', breaker: { failures: 0 } }, 'breaker.failures'],
    ['a strategy nobody knows', { target: '*', balance: 'fastest' }, 'balance'],
    ['an empty path', { target: '*', balance: { sticky: '' } }, 'balance'],
    ['a field nobody knows', { target: '*', retry: 3 }, '"retry"'],
    ['a field nobody knows, inside', { target: '*', retries: { times: 3 } }, '"times"'],
  ])('is refused with %s, naming it', (_what, policy, word) => {
    expect(() => parsePolicy(policy)).toThrow(
      word === 'INVALID_NAME'
        ? expect.objectContaining({ code: word })
        : expect.objectContaining({ code: 'MALFORMED', message: expect.stringContaining(word) as string }),
    )
  })

  it.each([null, undefined, 'text', 7, [], [full], Symbol('s')])('is no %p', (value) => {
    expect(() => parsePolicy(value)).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })

  it('of a newer mediator is read without what is not known', () => {
    const newer = {
      ...full,
      colour: 'red',
      retries: { ...full.retries, budget: 1 },
      breaker: { failures: 2, share: 1 },
    }
    expect(parsePolicy(newer, { unknownFields: 'ignore' })).toEqual({ ...full, breaker: { failures: 2 } })
    expect(() => parsePolicy({ ...newer, timeout: -1 }, { unknownFields: 'ignore' })).toThrow('timeout')
  })

  it('with every field at its longest fits, but for the longest of texts', () => {
    const longest = { ...full, action: 'x'.repeat(255), balance: { sticky: 'y'.repeat(128) } }
    expect(JSON.stringify(parsePolicy(longest)).length).toBeLessThan(maxPolicyBytes)
  })
})

it('a strategy is one of four words or a path into the body', () => {
  const all = ['mediator', 'round-robin', 'least-in-flight', 'random', { sticky: 'a.b' }]
  expect(all.map((one) => parseBalance(one))).toEqual(all)
  for (const other of [
    'Random',
    {},
    { sticky: 1 },
    { sticky: 'x'.repeat(129) },
    { sticky: 'a\u0000' },
    null,
    ['random'],
  ]) {
    expect(() => parseBalance(other)).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  }
})
