import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let net: Net
let time: VirtualTime
beforeEach(() => {
  time = new VirtualTime()
  net = new Net({ time })
})
afterEach(() => net.close())

describe('a receiver that is another process now', () => {
  it('is called as before, at once and without a gap', async () => {
    const alice = await net.join('alice')
    const gaps: unknown[] = []
    const first = await net.join('bob')
    first.on('who', () => 'first')
    for (let i = 0; i < 5; i++) expect(await alice.call('bob', 'who')).toBe('first')
    await first.close()
    const second = await net.join('bob')
    second.on('who', () => 'second')
    second.events.on('gap', (event) => gaps.push(event))
    expect(await alice.call('bob', 'who')).toBe('second')
    expect(gaps).toEqual([])
  })

  it('is found again after it was killed, and its old process answers nothing any more', async () => {
    const alice = await net.join('alice')
    const first = await net.join('bob', { limits: { reconnectMinMs: 10_000_000, reconnectMaxMs: 10_000_000 } })
    first.on('who', () => 'first')
    await alice.call('bob', 'who')
    net.cut('bob')
    await turns()
    const second = await net.join('bob')
    second.on('who', () => 'second')
    expect(await alice.call('bob', 'who')).toBe('second')
  })

  it('refuses what was recorded for the process before', async () => {
    const alice = await net.join('alice')
    const first = await net.join('bob')
    first.on('n', () => 1)
    await alice.call('bob', 'n')
    const recorded: Uint8Array[] = []
    net.tamper = (frame, direction, node) => {
      if (node === 'bob' && direction === 'down' && frame[4] === 12) recorded.push(new Uint8Array(frame))
      return [frame]
    }
    await alice.call('bob', 'n')
    net.tamper = undefined
    await first.close()
    const second = await net.join('bob')
    const handled = jest.fn()
    second.on('n', handled)
    const refused: string[] = []
    second.events.on('refused', ({ code }) => refused.push(code))
    await replay(alice, second, recorded)
    await until(() => refused.length === recorded.length, 'all are refused')
    expect(new Set(refused)).toEqual(new Set(['STALE_INCARNATION']))
    expect(handled).not.toHaveBeenCalled()
  })

  /** The recorded frames again, on whatever route the mediator announces now. */
  async function replay(from: Node, to: Node, recorded: readonly Uint8Array[]): Promise<void> {
    net.tamper = (frame, direction, node) => {
      if (node !== to.name || direction !== 'down' || frame[4] !== 12) return [frame]
      return recorded.map((old) => {
        const again = new Uint8Array(old)
        again.set(frame.subarray(8, 12), 8)
        return again
      })
    }
    await from.send(to.name, 'n')
    await turns()
    net.tamper = undefined
  }
})

describe('strictIncarnation', () => {
  it('refuses what is not bound to this process, and the next attempt gets through', async () => {
    const alice = await net.join('alice')
    const bob = await net.join('bob', { strictIncarnation: true })
    bob.on('ask', () => 'bound')
    const attempts: string[] = []
    for (let i = 0; i < 3 && attempts.at(-1) !== 'bound'; i++) {
      const attempt = alice.call<string>('bob', 'ask', 1, { timeout: 2_000 }).catch((error) => {
        expect(error).toMatchObject({ code: 'STALE_INCARNATION', outcome: 'not-delivered', retry: 'later' })
        return 'refused'
      })
      await turns()
      attempts.push(await attempt)
    }
    expect(attempts.at(-1)).toBe('bound')
    expect(attempts.length).toBeLessThanOrEqual(2)
  })

  it('works between two nodes that both want it', async () => {
    const alice = await net.join('alice', { strictIncarnation: true })
    const bob = await net.join('bob', { strictIncarnation: true })
    bob.on('ask', () => 'bound')
    let answer = ''
    for (let i = 0; i < 3 && answer === ''; i++) {
      answer = await alice.call<string>('bob', 'ask', 1, { timeout: 2_000 }).catch((error) => {
        expect(error).toMatchObject({ code: 'STALE_INCARNATION', outcome: 'not-delivered' })
        return ''
      })
    }
    expect(answer).toBe('bound')
  })

  it('takes broadcasts, as long as they were sent after this process began', async () => {
    const alice = await net.join('alice')
    const bob = await net.join('bob', { strictIncarnation: true })
    const got: unknown[] = []
    bob.on('n', ({ body }) => void got.push(body))
    time.now += 5
    expect((await alice.broadcast('g', 'n', 1, { want: 'acks', timeout: 5_000 })).ok).toEqual(['bob'])
    expect(got).toEqual([1])
  })

  it('does not end the link of a node without keys for what is refused', async () => {
    const alice = await net.join('alice')
    const bob = await net.join('bob', { strictIncarnation: true, keys: { groups: { other: net.newKey() } } })
    await alice.send('bob', 'n', 1)
    await turns()
    expect(bob.connected).toBe(true)
    expect(await rejection(bob.send('alice', 'n'))).toMatchObject({ code: 'NO_KEY' })
  })
})
