import fc from 'fast-check'
import { ReplayWindow, windowFrames } from '../../../client-lib/src/crypto/window.js'

/** The definition, as slowly as it reads. */
class NaiveWindow {
  private readonly seen = new Set<number>()
  newest = -1

  check(counter: number): 'new' | 'seen' | 'old' {
    if (counter <= this.newest - 4_096) return 'old'
    return this.seen.has(counter) ? 'seen' : 'new'
  }

  mark(counter: number): void {
    this.seen.add(counter)
    this.newest = Math.max(this.newest, counter)
  }
}

/** Runs counters through both; a difference fails. */
function compare(counters: readonly number[]): void {
  const window = new ReplayWindow()
  const naive = new NaiveWindow()
  for (const counter of counters) {
    const verdict = window.check(counter)
    if (verdict !== naive.check(counter)) throw new Error(`${counter}: ${verdict}, not ${naive.check(counter)}`)
    if (verdict === 'new') {
      window.mark(counter)
      naive.mark(counter)
    }
    if (window.newest !== naive.newest) throw new Error(`newest is ${window.newest}, not ${naive.newest}`)
  }
}

it('tells apart exactly the newest 4,096 counters', () => {
  const window = new ReplayWindow()
  window.mark(10_000)
  expect(windowFrames).toBe(4_096)
  expect([window.check(10_000), window.check(10_001), window.check(9_999)]).toEqual(['seen', 'new', 'new'])
  expect([window.check(10_000 - 4_095), window.check(10_000 - 4_096), window.check(0)]).toEqual(['new', 'old', 'old'])
})

it('begins with everything new', () => {
  const window = new ReplayWindow()
  expect([window.newest, window.check(0), window.check(2 ** 53 - 1)]).toEqual([-1, 'new', 'new'])
})

it('agrees with the definition in order, backwards, and in strides around the ring', () => {
  compare(Array.from({ length: 20_000 }, (_, i) => i))
  compare(Array.from({ length: 10_000 }, (_, i) => 10_000 - i))
  for (const stride of [31, 32, 33, 63, 64, 4_064, 4_095, 4_096, 4_097, 4_127, 4_128, 4_129, 8_256]) {
    const counters = Array.from({ length: 300 }, (_, i) => i * stride)
    compare([...counters, ...counters.map((counter) => counter + 1), ...counters])
  }
})

const nearby = fc.array(fc.oneof(fc.integer({ min: -5_000, max: 5_000 }), fc.integer({ min: -70, max: 70 })), {
  maxLength: 300,
})

it.each([
  ['from 0 on', 0],
  ['around 2^31', 2 ** 31],
  ['around 2^32', 2 ** 32],
  ['up to 2^53', 2 ** 53 - 1_000_000],
])('agrees with the definition on random walks, %s', (_, base) => {
  fc.assert(
    fc.property(nearby, (steps) => {
      let at = base
      compare(
        steps.map((step) => {
          at = Math.min(Math.max(at + step, 0), Number.MAX_SAFE_INTEGER)
          return at
        }),
      )
    }),
    { numRuns: 500 },
  )
})

it('agrees with the definition on any counters up to 2^53', () => {
  fc.assert(
    fc.property(fc.array(fc.maxSafeNat(), { maxLength: 50 }), (counters) => compare([...counters, ...counters])),
  )
})
