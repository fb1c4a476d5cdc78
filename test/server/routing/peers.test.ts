import { FrameType } from '@sealway/protocol'
import { json, type RawLink } from '../../support/link'
import { World } from '../../support/relay'

let world: World
let a: RawLink
beforeEach(async () => {
  world = new World()
  a = await world.node('a', {
    groups: ['g1', 'g2'],
    meta: { zone: 'x' },
    endpoints: [{ name: 'http', protocol: 'http', address: '10.0.0.1', port: 80 }],
  })
})

async function ask(link: RawLink, question: object, id = 1): Promise<unknown> {
  link.query(id, question)
  await world.settle()
  const answers = link.take(FrameType.answer)
  expect(answers.map(({ route }) => route)).toEqual([id])
  return json(answers[0]!)
}
const changes = (link: RawLink) => link.take(FrameType.peers).map(json)

describe('who is in a group', () => {
  it('is told with what each says of itself', async () => {
    const peer = {
      name: 'a',
      groups: ['g1', 'g2'],
      online: true,
      transport: 'memory',
      since: world.now,
      endpoints: [{ name: 'http', protocol: 'http', address: '10.0.0.1', port: 80 }],
      meta: { zone: 'x' },
    }
    expect(await ask(a, { type: 'peers', group: 'g2' }, 0xffff_ffff)).toEqual({ peers: [peer] })
    await world.node('b', { groups: ['g2'] })
    expect(await ask(a, { type: 'peers', group: 'g2' })).toMatchObject({ peers: [{ name: 'a' }, { name: 'b' }] })
  })

  it('is not told to who is in none of its groups', async () => {
    const stranger = await world.node('stranger', { groups: ['g3'] })
    expect(await ask(stranger, { type: 'peers', group: 'g1' })).toEqual({
      error: { code: 'FORBIDDEN', message: 'stranger is not in g1 and its token does not allow seeing it' },
    })
    expect(await ask(stranger, { type: 'watch', group: 'g1' })).toMatchObject({ error: { code: 'FORBIDDEN' } })
    await world.node('b')
    expect([changes(stranger), stranger.closed]).toEqual([[], false])
  })

  it('is told to who may send there', async () => {
    const { token } = world.token('boss', { scopes: ['register:boss@g3', 'send:g1/*'] })
    const boss = await world.node('boss', { groups: ['g3'], token })
    expect(await ask(boss, { type: 'peers', group: 'g1' })).toMatchObject({ peers: [{ name: 'a' }] })
  })

  it('holds nothing that its token is', async () => {
    expect(JSON.stringify(await ask(a, { type: 'peers', group: 'g1' }))).not.toMatch(/token|scope|instance/)
  })
})

describe('a watched group', () => {
  it('reports who comes and who goes', async () => {
    expect(await ask(a, { type: 'watch', group: 'g1' })).toMatchObject({ peers: [{ name: 'a' }] })
    const b = await world.node('b')
    expect(changes(a)).toMatchObject([{ group: 'g1', type: 'joined', peer: { name: 'b', online: true } }])
    b.connection.destroy()
    await world.settle()
    expect(changes(a)).toMatchObject([{ group: 'g1', type: 'left', peer: { name: 'b', online: false } }])
  })

  it('reports in each of the watched groups, and in no other', async () => {
    await ask(a, { type: 'watch', group: 'g1' })
    await ask(a, { type: 'watch', group: 'g2' })
    await world.node('b', { groups: ['g3', 'g2', 'g1'] })
    expect(changes(a)).toMatchObject([{ group: 'g2' }, { group: 'g1' }])
  })

  it('reports once where it was watched twice, and nothing after unwatch', async () => {
    await ask(a, { type: 'watch', group: 'g1' })
    await ask(a, { type: 'watch', group: 'g1' })
    await world.node('b')
    expect(changes(a)).toHaveLength(1)
    await ask(a, { type: 'unwatch', group: 'g1' })
    await world.node('c')
    expect(changes(a)).toEqual([])
  })

  it('reports a process that took over as gone and come', async () => {
    const instance = '99'.repeat(16)
    await world.node('b', { instance })
    await ask(a, { type: 'watch', group: 'g1' })
    await world.node('b', { instance })
    expect(changes(a)).toMatchObject([{ type: 'left' }, { type: 'joined' }])
  })

  it('is forgotten with its watcher', async () => {
    await ask(a, { type: 'watch', group: 'g1' })
    a.connection.destroy()
    await world.settle()
    const { watchers, watching } = (world.relay as unknown as { peers: Watches }).peers
    expect([watchers.size, watching.size]).toEqual([0, 0])
  })

  it('is one watch, however often it is asked for', async () => {
    for (let i = 0; i < 2_000; i++) a.query(i, { type: 'watch', group: 'g1' })
    await world.settle()
    expect([a.take(FrameType.answer).length, a.closed]).toEqual([2_000, false])
    await world.node('b')
    expect(changes(a)).toHaveLength(1)
  })
})

interface Watches {
  readonly watchers: Map<string, unknown>
  readonly watching: Map<unknown, unknown>
}

it("tells the time by the mediator's clock", async () => {
  expect(await ask(a, { type: 'time' }, 7)).toEqual({ now: world.now })
})
