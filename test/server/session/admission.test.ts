import { encodeFrame, FrameType } from '@sealway/protocol'
import type { RawLink } from '../../support/link'
import { World } from '../../support/relay'

const one = '11'.repeat(16)
const two = '22'.repeat(16)

let world: World
beforeEach(() => {
  world = new World()
})

const claim = (instance: string, name = 'orders-1'): RawLink =>
  world.connect().hello({ name, instance, token: world.token().token })

/** Answers every ping that comes, as a live node would. */
function alive(link: RawLink): RawLink {
  link.answersPings = true
  return link
}

describe('the same process that comes back', () => {
  it('takes its name over at once; the old link is told, and the epoch counts up', async () => {
    const old = await world.node('orders-1', { instance: one })
    const back = claim(one)
    await world.settle()
    expect([old.closeCode, old.closed]).toEqual(['SUPERSEDED', true])
    expect([back.welcome?.epoch, back.closed]).toEqual([2, false])
    expect(world.relay.links()).toEqual({ memory: 1 })
  })

  it('is where its name leads from then on', async () => {
    await world.node('orders-1', { instance: one })
    const sender = await world.node('sender')
    const back = await world.node('orders-1', { instance: one })
    sender.open(1, 'orders-1').send(1, new Uint8Array(96))
    await world.settle()
    expect(back.delivered).toHaveLength(1)
  })

  it('is not marked offline by the end of its old link', async () => {
    await world.node('orders-1', { instance: one })
    await world.node('orders-1', { instance: one })
    expect(world.registry.released).toEqual([{ name: 'orders-1', epoch: 1 }])
    expect(world.registry.rows.get('orders-1')).toMatchObject({ epoch: 2, online: true })
  })
})

describe('another process with the name of one', () => {
  it('that is alive is refused NAME_IN_USE, and the holder notices nothing but a ping', async () => {
    const holder = alive(await world.node('orders-1', { instance: one }))
    const other = claim(two)
    await world.settle()
    await world.advance(250)
    expect([other.closeCode, other.closed, holder.closed]).toEqual(['NAME_IN_USE', true, false])
    expect(holder.frames.map(({ type }) => type)).toEqual([FrameType.ping])
    expect(world.registry.rows.get('orders-1')).toMatchObject({ epoch: 1, online: true })
  })

  it('that is silent for 2 s gets the name', async () => {
    const silent = await world.node('orders-1', { instance: one })
    const other = claim(two)
    await world.settle()
    await world.advance(1_750)
    expect([other.welcome, silent.closed]).toEqual([undefined, false])
    await world.advance(250)
    expect([other.welcome?.epoch, silent.closed]).toEqual([2, true])
  })

  it('that sends anything at all is refused', async () => {
    const busy = await world.node('orders-1', { instance: one })
    const other = claim(two)
    await world.settle()
    await world.advance(1_000)
    busy.write(Uint8Array.of(0))
    await world.settle()
    await world.advance(250)
    expect([other.closeCode, busy.closed]).toEqual(['NAME_IN_USE', false])
  })

  it('whose link ends during the probe gets the name at once', async () => {
    const leaving = await world.node('orders-1', { instance: one })
    const other = claim(two)
    await world.settle()
    leaving.connection.destroy()
    await world.settle()
    expect(other.welcome?.epoch).toBe(2)
  })

  it('that said hello at the same moment does not share it: one of the two is refused', async () => {
    const links = [alive(claim(one)), alive(claim(two))]
    await world.settle()
    await world.advance(2_500)
    expect(links.map((link) => (link.closed ? link.closeCode : 'welcome')).sort()).toEqual(['NAME_IN_USE', 'welcome'])
    expect(world.relay.links()).toEqual({ memory: 1 })
  })

  it('that said hello at the same moment does not share it either where the database is slow', async () => {
    const answers: (() => void)[] = []
    world.registry.gate = () => new Promise((resolve) => answers.push(resolve))
    const links = [one, two, '33'.repeat(16)].map((instance) => alive(claim(instance)))
    for (let i = 0; i < 16; i++) {
      await world.advance(250)
      answers.shift()?.()
      await world.settle()
    }
    expect(links.filter((link) => link.welcome)).toHaveLength(1)
    expect(world.relay.links()).toEqual({ memory: 1 })
  })
})

describe('two processes that fight for one name', () => {
  const steal = async (instance: string) => {
    const link = claim(instance)
    await world.settle()
    await world.advance(2_250)
    return link
  }

  it('are stopped after five takeovers within a minute, for 30 s, with a warning', async () => {
    await world.node('orders-1', { instance: one })
    for (let i = 0; i < 5; i++) expect((await steal(i % 2 ? one : two)).welcome).toBeDefined()
    const sixth = await steal(two)
    expect([sixth.closeCode, sixth.closeFrame!.message]).toEqual([
      'NAME_IN_USE',
      'orders-1 changed hands 5 times within a minute; try again in 30 s',
    ])
    expect(world.warnings()).toContain('two processes fight for one name')
    expect(world.relay.links()).toEqual({ memory: 1 })
  })

  it('may go on after 30 s', async () => {
    await world.node('orders-1', { instance: one })
    for (let i = 0; i < 6; i++) await steal(i % 2 ? one : two)
    // Whoever holds the name now is silent, and would be found dead; it must stay for this.
    for (let i = 0; i < 6; i++) {
      await world.advance(5_000)
      for (const session of world.relay.presence.all()) session.ping()
    }
    expect((await steal(two)).closeCode).not.toBe('NAME_IN_USE')
  })

  it('do not stand in the way of others', async () => {
    await world.node('orders-1', { instance: one })
    for (let i = 0; i < 6; i++) await steal(i % 2 ? one : two)
    const other = claim(one, 'orders-2')
    await world.settle()
    expect(other.welcome).toBeDefined()
  })
})

describe('a token handed in on a live link', () => {
  const renew = async (link: RawLink, token: string) => {
    link.write(encodeFrame(FrameType.token, 0, Buffer.from(token)))
    await world.settle()
  }

  it('prolongs it', async () => {
    const { token } = world.token('a', { lifeMs: 5_000 })
    const link = await world.node('a', { token })
    await renew(link, world.token('a', { lifeMs: 600_000 }).token)
    await world.advance(10_000)
    link.open(1, 'a').send(1, new Uint8Array(96))
    await world.settle()
    expect([link.delivered.length, link.rejectCodes]).toEqual([1, []])
  })

  it('of another subject ends it', async () => {
    const link = await world.node('a', { token: world.token('a').token })
    await renew(link, world.token('b').token)
    expect([link.closeCode, link.closed]).toEqual(['FORBIDDEN', true])
  })

  it('that is wrong ends it', async () => {
    const link = await world.node('a')
    await renew(link, 'x'.repeat(10_000))
    expect([link.closeCode, link.closed]).toEqual(['UNAUTHORIZED', true])
  })

  it('that was revoked ends the links that it stands for, and no others', async () => {
    const { token, tokenId } = world.token('a')
    const link = await world.node('a', { token })
    const other = await world.node('b')
    expect(world.relay.disconnectToken(tokenId)).toBe(1)
    await world.settle()
    expect([link.closeCode, link.closed, other.closed]).toEqual(['REVOKED', true, false])
  })
})
