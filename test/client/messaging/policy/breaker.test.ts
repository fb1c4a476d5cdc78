import { type Code, SealwayError } from '@sealway/protocol'
import { Breakers, type CircuitState, verdictOn } from '../../../../client-lib/src/messaging/policy/breaker.js'
import type { BreakerRule } from '../../../../client-lib/src/messaging/policy/policy.js'

const rule: BreakerRule = { failures: 3, windowMs: 1_000, openMs: 500, halfOpen: 1, perAction: false }

let now: number
let changes: [string, CircuitState][]
let breakers: Breakers
beforeEach(() => {
  now = 10_000
  changes = []
  breakers = new Breakers({ now: () => now, changed: (key, state) => changes.push([key, state]) })
})

const once = (verdict: 'ok' | 'failed' | 'nothing', key = 'a', by = rule) => {
  const pass = breakers.enter(key, by)
  pass?.(verdict)
  return pass !== undefined
}
const fail = (times: number, key = 'a') => Array.from({ length: times }, () => once('failed', key))

describe('a circuit', () => {
  it('opens after so many failures in a row, and then lets nobody through', () => {
    expect(fail(3)).toEqual([true, true, true])
    expect(changes).toEqual([['a', 'open']])
    expect([once('ok'), breakers.allows('a', rule), breakers.opensInMs('a')]).toEqual([false, false, 500])
  })

  it('stays closed where a success comes between, or they lie too far apart', () => {
    fail(2)
    once('ok')
    fail(2)
    now += 1_001
    expect(fail(2)).toEqual([true, true])
    expect([changes, once('ok')]).toEqual([[], true])
  })

  it('opens by the failures of the window alone', () => {
    fail(1)
    now += 900
    fail(1)
    now += 900
    fail(1)
    expect(changes).toEqual([])
    fail(1)
    expect(changes).toEqual([['a', 'open']])
  })

  it('counts nothing that says nothing', () => {
    fail(2)
    for (let i = 0; i < 10; i++) once('nothing')
    expect(changes).toEqual([])
    fail(1)
    expect(changes).toEqual([['a', 'open']])
  })

  it('lets one try when its time is over, and closes if that goes well', () => {
    fail(3)
    now += 499
    expect(breakers.allows('a', rule)).toBe(false)
    now += 1
    const probe = breakers.enter('a', rule)!
    expect(breakers.enter('a', rule)).toBeUndefined()
    probe('ok')
    expect(changes).toEqual([
      ['a', 'open'],
      ['a', 'half-open'],
      ['a', 'closed'],
    ])
    expect(fail(2)).toEqual([true, true])
    expect(once('ok')).toBe(true)
  })

  it('opens again for as long if the one that tries fails', () => {
    fail(3)
    now += 500
    once('failed')
    expect(changes.at(-1)).toEqual(['a', 'open'])
    expect(breakers.opensInMs('a')).toBe(500)
  })

  it('lets the next one try where the one that tried says nothing', () => {
    fail(3)
    now += 500
    expect(once('nothing')).toBe(true)
    expect(once('ok')).toBe(true)
    expect(changes.at(-1)).toEqual(['a', 'closed'])
  })

  it('lets as many try at once as its rule says', () => {
    const wide = { ...rule, halfOpen: 2 }
    fail(3)
    now += 500
    const passes = [1, 2, 3].map(() => breakers.enter('a', wide))
    expect(passes.map((pass) => pass !== undefined)).toEqual([true, true, false])
    passes[0]!('failed')
    passes[1]!('ok')
    expect(changes.at(-1)).toEqual(['a', 'open'])
  })

  it('does not listen to those who were let through before it opened', () => {
    const early = [1, 2].map(() => breakers.enter('a', rule)!)
    fail(3)
    now += 500
    const probe = breakers.enter('a', rule)!
    early[0]!('ok')
    early[1]!('failed')
    expect(changes.at(-1)).toEqual(['a', 'half-open'])
    probe('ok')
    expect(changes.at(-1)).toEqual(['a', 'closed'])
  })

  it('hears each of them once', () => {
    const pass = breakers.enter('a', rule)!
    for (let i = 0; i < 5; i++) pass('failed')
    expect(changes).toEqual([])
  })

  it('is one of its own for each target, and follows a rule that changes', () => {
    fail(3, 'a')
    expect(once('ok', 'b')).toBe(true)
    const strict = { ...rule, failures: 1, openMs: 9_000 }
    once('failed', 'b', strict)
    expect(breakers.opensInMs('b')).toBe(9_000)
    expect(breakers.opensInMs('never seen')).toBe(0)
  })

  it('takes a bounded place: 20,000 targets that fail once are not kept for ever', () => {
    for (let i = 0; i < 20_000; i++) once('failed', `n${i}`)
    for (let i = 0; i < 20_000; i++) once('ok', `ok${i}`)
    const kept = (breakers as unknown as { circuits: Map<string, unknown> }).circuits
    expect(kept.size).toBe(10_000)
    expect([kept.has('n19999'), kept.has('n0'), kept.has('ok7')]).toEqual([true, false, false])
  })
})

it.each<[Code, 'client' | 'mediator' | 'receiver', 'not-delivered' | 'unknown', 'ok' | 'failed' | 'nothing']>([
  ['TIMEOUT', 'client', 'unknown', 'failed'],
  ['TIMEOUT', 'client', 'not-delivered', 'nothing'],
  ['PEER_GONE', 'client', 'unknown', 'failed'],
  ['BUSY', 'mediator', 'not-delivered', 'failed'],
  ['BUSY', 'client', 'not-delivered', 'nothing'],
  ['EXCEPTION', 'receiver', 'unknown', 'failed'],
  ['APPLICATION_ERROR', 'receiver', 'unknown', 'ok'],
  ['NO_HANDLER', 'receiver', 'not-delivered', 'ok'],
  ['OFFLINE', 'mediator', 'not-delivered', 'nothing'],
  ['LINK_LOST', 'client', 'unknown', 'nothing'],
  ['ABORTED', 'client', 'unknown', 'nothing'],
  ['UNSERIALISABLE', 'client', 'not-delivered', 'nothing'],
  ['FORBIDDEN', 'mediator', 'not-delivered', 'nothing'],
])('%s of the %s, %s, says of the target: %s', (code, hop, outcome, verdict) => {
  expect(verdictOn(new SealwayError(code, { hop, outcome }))).toBe(verdict)
})

it('an answer says of the target: ok', () => {
  expect(verdictOn(undefined)).toBe('ok')
})
