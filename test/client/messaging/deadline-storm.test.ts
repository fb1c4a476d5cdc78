import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'

it('R21: ends each of 10,000 calls at its deadline of 1 ms to 5 s, on both sides', async () => {
  const time = new VirtualTime()
  const net = new Net({ time })
  try {
    const alice = await net.join('alice')
    const bob = await net.join('bob', { limits: { maxRunningHandlers: 20_000 } })
    let begun = 0
    let aborted = 0
    bob.on('hang', (_command, { signal }) => {
      begun++
      return new Promise((resolve) =>
        signal.addEventListener('abort', () => {
          aborted++
          resolve(undefined)
        }),
      )
    })
    const start = time.now
    const count = 10_000
    const late: number[] = []
    const calls = Array.from({ length: count }, (_, i) => {
      // Spread evenly, in an order that has nothing to do with the deadlines.
      const timeout = 1 + ((i * 7_919) % 5_000)
      return alice.call('bob', 'hang', i, { timeout }).then(
        () => Promise.reject(new Error('nobody answers')),
        (error: { code: string }) => {
          expect(error.code).toBe('TIMEOUT')
          late.push(time.now - start - timeout)
        },
      )
    })
    await time.advance(5_100)
    await Promise.all(calls)
    expect(late).toHaveLength(count)
    expect(Math.max(...late)).toBeLessThanOrEqual(50)
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0)
    // Those of a few milliseconds may have ended before they could begin.
    expect(begun).toBeGreaterThan(0.95 * count)
    expect(aborted).toBeGreaterThanOrEqual(0.99 * begun)
  } finally {
    await net.close()
  }
})
