import { Net } from '../support/net.js'
import { rejection } from '../support/until.js'

let net: Net
beforeEach(() => {
  net = new Net()
})
afterEach(() => net.close())

describe('connect({ reaches })', () => {
  it('calls members of the group, and takes no call that is for any of them', async () => {
    for (const name of ['worker-1', 'worker-2']) {
      const worker = await net.join(name, { groups: ['orders'] })
      worker.on('quote', () => name)
    }
    const caller = await net.join('caller', { groups: [], reaches: ['orders'] })
    const other = await net.join('other', { groups: [], reaches: ['orders'] })
    const answers = new Set<unknown>()
    for (let i = 0; i < 20; i++) answers.add(await caller.call('any:orders', 'quote'))
    expect(answers).toEqual(new Set(['worker-1', 'worker-2']))
    expect(await other.call('worker-1', 'quote')).toBe('worker-1')
    expect([caller.groups, caller.reaches]).toEqual([[], ['orders']])
  })

  it('broadcasts to the members, and sees them', async () => {
    const member = await net.join('member', { groups: ['cache'] })
    const got: unknown[] = []
    member.on('flush', ({ body }) => void got.push(body))
    const admin = await net.join('admin', { groups: [], reaches: ['cache'] })
    const report = await admin.broadcast('cache', 'flush', 1, { want: 'acks' })
    expect([report.ok, got]).toEqual([['member'], [1]])
    expect((await admin.peers('cache')).map(({ name }) => name)).toEqual(['member'])
  })

  it('publishes to the group that it reaches, and cannot subscribe there', async () => {
    const member = await net.join('member', { groups: ['news'] })
    const got: unknown[] = []
    member.subscribe('order.*', ({ body }) => void got.push(body))
    const shop = await net.join('shop', { groups: [], reaches: ['news'] })
    await shop.publish('order.created', 7, { want: 'acks' })
    expect(got).toEqual([7])
    expect(() => shop.subscribe('order.*', () => {})).toThrow(
      'shop is a member of no group, and only members get events',
    )
  })

  it('says what to do when the target is in no group that the node reaches', async () => {
    await net.join('billing-1', { groups: ['billing'] })
    const shop = await net.join('shop', { groups: [], reaches: ['orders'] })
    const error = await rejection(shop.call('billing-1', 'charge'))
    expect(error).toMatchObject({ code: 'FORBIDDEN', outcome: 'not-delivered' })
    expect(error.message).toContain("connect with reaches: ['<group>']")
  })
})
