import { type Code, codeTable, SealwayError } from '@sealway/protocol'
import type { Retries } from '../../../../client-lib/src/messaging/policy/policy.js'
import { backOffMs, isNoPeer, mayRetry } from '../../../../client-lib/src/messaging/policy/retry.js'

const error = (code: Code, outcome: 'not-delivered' | 'unknown') => new SealwayError(code, { outcome })
const retries: Retries = {
  max: 3,
  firstMs: 100,
  factor: 2,
  maxMs: 1_000,
  jitter: 0,
  attemptMs: Number.POSITIVE_INFINITY,
  whenNoPeer: false,
}

describe('what may be repeated', () => {
  const later = codeTable
    .filter(([, code, retry]) => retry !== 'never' && code !== 'CIRCUIT_OPEN')
    .map(([, code]) => code)
  const never = codeTable.filter(([, , retry]) => retry === 'never').map(([, code]) => code)

  it.each(later)('%s: where it was not delivered, or is idempotent, and else never', (code) => {
    expect(mayRetry(error(code, 'not-delivered'), false)).toBe(true)
    expect(mayRetry(error(code, 'unknown'), true)).toBe(true)
    expect(mayRetry(error(code, 'unknown'), false)).toBe(false)
  })

  it.each([...never, 'CIRCUIT_OPEN' as const])('%s: never, as it would end the same', (code) => {
    expect(mayRetry(error(code, 'not-delivered'), true)).toBe(false)
    expect(mayRetry(error(code, 'unknown'), true)).toBe(false)
  })
})

it('nobody is there: three codes, and only where nothing was delivered', () => {
  const codes = codeTable.map(([, code]) => code).filter((code) => isNoPeer(error(code, 'not-delivered')))
  expect(codes).toEqual(['UNKNOWN_NODE', 'UNKNOWN_GROUP', 'OFFLINE'])
  expect(isNoPeer(error('OFFLINE', 'unknown'))).toBe(false)
})

describe('the wait before an attempt', () => {
  it('grows by the factor, up to the cap', () => {
    expect([1, 2, 3, 4, 5, 6].map((failed) => backOffMs(retries, failed, 0.3))).toEqual([
      100, 200, 400, 800, 1_000, 1_000,
    ])
    expect(backOffMs({ ...retries, factor: 1 }, 9, 0.5)).toBe(100)
    expect(backOffMs({ ...retries, factor: 10 }, 1_000_000, 0.5)).toBe(1_000)
    expect(backOffMs({ ...retries, firstMs: 5_000 }, 1, 0.5)).toBe(1_000)
  })

  it('is spread by the jitter to either side, and never over the cap', () => {
    const spread = { ...retries, jitter: 0.2 }
    expect([0, 0.5, 1].map((random) => Math.round(backOffMs(spread, 2, random)))).toEqual([160, 200, 240])
    expect(backOffMs(spread, 9, 1)).toBe(1_000)
    expect(backOffMs({ ...retries, jitter: 1 }, 1, 0)).toBe(0)
  })
})
