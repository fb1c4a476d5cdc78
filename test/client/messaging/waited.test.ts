import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { turns, until } from '../../support/until.js'

describe('what waited for the link', () => {
  it('leaves with the deadline that is left, and with nothing else changed, whatever stands before its ttl', async () => {
    const time = new VirtualTime()
    const net = new Net({ time })
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    const got: unknown[] = []
    bob.on('*', ({ action, body }, { remaining }) => {
      got.push({ action, body, remaining: remaining === undefined ? undefined : Math.round(remaining / 1_000) })
    })
    const { relay } = net
    net.relay = undefined
    net.cut('alice')
    await until(() => !alice.connected, 'the link is gone')
    // Records with a message id, with a number, with a ttl, and with nothing but their body.
    const sent = [
      alice.sendAcked('bob', 'acked', 'first', { id: 'charge:42', timeout: 20_000 }),
      alice.call('bob', 'call', 'second', { timeout: 20_000 }),
      alice.send('bob', 'fire', 'third'),
      alice.broadcast('g', 'broadcast', 'fourth', { timeout: 20_000 }),
      alice.stream('bob', 'stream', 'fifth', { timeout: 20_000 }).result(),
    ]
    await time.advance(5_000)
    net.relay = relay
    await time.advance(5_000)
    await Promise.all(sent)
    await turns()
    const order = ['acked', 'call', 'fire', 'broadcast', 'stream']
    got.sort(
      (a, b) => order.indexOf((a as { action: string }).action) - order.indexOf((b as { action: string }).action),
    )
    const remaining = (got[0] as { remaining: number }).remaining
    expect(remaining).toBeGreaterThan(9)
    expect(remaining).toBeLessThanOrEqual(15)
    expect(got).toEqual([
      { action: 'acked', body: 'first', remaining },
      { action: 'call', body: 'second', remaining },
      { action: 'fire', body: 'third', remaining: undefined },
      { action: 'broadcast', body: 'fourth', remaining: undefined },
      { action: 'stream', body: 'fifth', remaining: undefined },
    ])
    await net.close()
  })
})
