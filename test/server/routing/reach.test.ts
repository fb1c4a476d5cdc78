import { FrameType } from '@sealway/protocol'
import { json, noise, type RawLink } from '../../support/link'
import { World } from '../../support/relay'

let world: World
let member: RawLink
let caller: RawLink
beforeEach(async () => {
  world = new World()
  member = await world.node('orders-1', { groups: ['orders'] })
  caller = await world.node('shop-1', { groups: [], reaches: ['orders'] })
})

describe('a node that reaches a group without being a member', () => {
  it('sends to each member, to any member and to the whole group', async () => {
    caller.open(1, 'orders-1').open(2, 'any:orders').open(3, 'group:orders')
    for (const route of [1, 2, 3]) caller.send(route, noise(route))
    await world.settle()
    expect([caller.rejectCodes, member.delivered]).toEqual([[], [noise(1), noise(2), noise(3)]])
  })

  it('is given no share of any: and no broadcast', async () => {
    const other = await world.node('orders-2', { groups: ['orders'] })
    other.open(1, 'any:orders').open(2, 'group:orders')
    for (let i = 0; i < 20; i++) other.send(1, noise(i))
    other.send(2, noise(20))
    await world.settle()
    expect([caller.delivered.length, member.delivered.length]).toEqual([0, 21])
  })

  it('is answered by name, although it shares no group with the member', async () => {
    member.open(1, 'shop-1').send(1, noise(0))
    await world.settle()
    expect(member.rejectCodes).toEqual(['FORBIDDEN'])
    caller.open(1, 'any:orders').send(1, noise(1))
    await world.settle()
    member.send(1, noise(2))
    await world.settle()
    expect(caller.delivered).toEqual([noise(2)])
  })

  it('sees who is in the group, is told of changes, and is not seen', async () => {
    caller.query(1, { type: 'watch', group: 'orders' })
    await world.settle()
    expect(json(caller.take(FrameType.answer)[0]!)).toMatchObject({ peers: [{ name: 'orders-1' }] })
    await world.node('orders-2', { groups: ['orders'] })
    expect(caller.take(FrameType.peers).map(json)).toMatchObject([{ type: 'joined', peer: { name: 'orders-2' } }])
    member.query(1, { type: 'peers', group: 'orders' })
    await world.settle()
    expect(JSON.stringify(json(member.take(FrameType.answer)[0]!))).not.toContain('shop-1')
  })

  it('cannot send to groups that it does not reach', async () => {
    await world.node('billing-1', { groups: ['billing'] })
    caller.open(1, 'any:billing').open(2, 'billing-1').send(1, noise(0)).send(2, noise(1))
    await world.settle()
    expect(caller.rejectCodes).toEqual(['FORBIDDEN', 'FORBIDDEN'])
  })
})

describe('a token with scopes', () => {
  const hello = async (subject: string, scopes: string[], fields: object) => {
    const link = world.connect()
    link.hello({ name: 'shop-2', token: world.token(subject, { scopes }).token, ...fields })
    await world.settle()
    return link
  }

  it('allows reaching a group by send:<group>/* or broadcast:<group>', async () => {
    for (const scope of ['send:orders/*', 'send:orders/orders-1', 'broadcast:orders']) {
      const link = await hello('shop-2', [scope], { groups: [], reaches: ['orders'] })
      expect([scope, link.closeFrame]).toEqual([scope, undefined])
      link.connection.destroy()
      await world.settle()
    }
  })

  it('refuses with FORBIDDEN a group that no scope names, and says which places were asked for', async () => {
    const link = await hello('shop-2', ['send:billing/*'], { groups: [], reaches: ['orders'] })
    expect(link.closeFrame).toMatchObject({
      code: 'FORBIDDEN',
      message: 'the token of shop-2 does not allow registering as shop-2 reaching orders',
    })
  })

  it('refuses another name than its own to a node without groups', async () => {
    const link = await hello('other', ['send:orders/*'], { groups: [], reaches: ['orders'] })
    expect(link.closeCode).toBe('FORBIDDEN')
  })
})
