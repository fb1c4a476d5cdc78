import { countOf } from '../../support/full-run'
import { incarnation, outcome, pair, sealText } from './pair.js'

const frames = countOf(1_000, 60)

it('C1: refuses every single flipped bit of many frames, and the frames themselves still open afterwards', () => {
  const { flow, opener, newOpener, route } = pair()
  const counts = new Map<string, number>()
  let bits = 0
  expect(outcome(opener, sealText(flow, 'the flow is known'), route)).toBe('opened')
  for (let n = 0; n < frames; n++) {
    // Each tenth meets a receiver that does not know the flow. One is of 4 KiB, the others of 5 to 8 bytes.
    const receiver = n % 10 === 0 ? newOpener() : opener
    const sealed = sealText(flow, n === 50 ? 'x'.repeat(4_096) : 'x'.repeat(5 + (n % 4)), {
      inc: n % 2 && incarnation,
    })
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      sealed[bit >> 3]! ^= 1 << (bit & 7)
      const seen = outcome(receiver, sealed, route)
      counts.set(seen, (counts.get(seen) ?? 0) + 1)
      sealed[bit >> 3]! ^= 1 << (bit & 7)
    }
    bits += sealed.length * 8
    expect(outcome(receiver, sealed, route)).toBe('opened')
  }
  expect(bits).toBeGreaterThan(frames * 808)
  expect(counts.has('opened')).toBe(false)
  // A flipped counter may name the one frame that was opened before: not delivered either.
  const { CANNOT_OPEN = 0, UNKNOWN_KEY = 0, STALE_INCARNATION = 0, duplicate = 0 } = Object.fromEntries(counts)
  expect(CANNOT_OPEN + UNKNOWN_KEY + STALE_INCARNATION + duplicate).toBe(bits)
})
