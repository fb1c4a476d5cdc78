import { FrameType } from '@sealway/protocol'
import { json, noise } from '../../support/link'
import { World } from '../../support/relay'

let world: World
let randoms: number[]
beforeEach(() => {
  randoms = []
  world = new World({ random: () => randoms.shift() ?? 0.5 })
})

/** A drain, and whether it is over. */
function drain(stop: AbortSignal = new AbortController().signal) {
  const state = { done: false }
  void world.relay.drain(stop).then(() => {
    state.done = true
  })
  return state
}

it('tells each node to finish and when to come back, spread over 5 s', async () => {
  const links = [await world.node('a'), await world.node('b')]
  randoms = [0, 0.999]
  drain()
  await world.settle()
  expect(links.map((link) => link.take(FrameType.goaway).map(json))).toEqual([
    [{ code: 'DRAINING', message: 'the mediator is shutting down', reconnectInMs: 0 }],
    [{ code: 'DRAINING', message: 'the mediator is shutting down', reconnectInMs: 4_995 }],
  ])
})

it('lets what is under way go on until its nodes have left, and is then over', async () => {
  const [a, b] = [await world.node('a'), await world.node('b')]
  a.open(1, 'b').send(1, noise(1))
  await world.settle()
  const state = drain()
  await world.settle()
  b.open(1, 'a').send(1, noise(2))
  await world.settle()
  expect([state.done, a.delivered.length, a.closed]).toEqual([false, 1, false])
  a.connection.end()
  await world.settle()
  expect(state.done).toBe(false)
  b.connection.end()
  await world.settle()
  expect(state.done).toBe(true)
  await world.relay.settled()
  expect(world.registry.released.map(({ name }) => name).sort()).toEqual(['a', 'b'])
})

it('takes no new link, and ends those that have not said hello', async () => {
  await world.node('a')
  const before = world.connect()
  await world.settle()
  drain()
  const after = world.connect().hello({ token: world.token().token })
  await world.settle()
  for (const link of [before, after]) {
    expect([link.closed, link.closeFrame]).toEqual([
      true,
      expect.objectContaining({ code: 'DRAINING', reconnectInMs: 2_500 }),
    ])
  }
})

it('refuses a hello that was being considered, and gives its claim back', async () => {
  let answer = () => {}
  world.registry.gate = () => new Promise((resolve) => (answer = resolve))
  const link = world.connect().hello({ name: 'a', token: world.token().token })
  await world.settle()
  const state = drain()
  await world.settle()
  expect([link.closeCode, link.closed, state.done]).toEqual(['DRAINING', true, true])
  answer()
  await world.settle()
  expect(world.registry.released).toEqual([{ name: 'a', epoch: 1 }])
})

it('is over at once where nobody is there', async () => {
  const state = drain()
  await world.settle()
  expect(state.done).toBe(true)
})

it('gives up at its limit: who is still there is closed and told so', async () => {
  const link = await world.node('stays')
  const stop = new AbortController()
  const state = drain(stop.signal)
  await world.settle()
  expect(state.done).toBe(false)
  stop.abort()
  await world.settle()
  expect([state.done, link.closeCode, link.closed]).toEqual([true, 'DRAINING', true])
})

it('may be asked for twice', async () => {
  const link = await world.node('a')
  const states = [drain(), drain()]
  await world.settle()
  link.connection.end()
  await world.settle()
  expect(states.map(({ done }) => done)).toEqual([true, true])
})

it('refuses new work with DRAINING, and lets answers through', async () => {
  const [a, b] = [await world.node('a'), await world.node('b')]
  a.open(1, 'b').send(1, noise(1))
  await world.settle()
  drain()
  await world.settle()
  b.open(1, 'a').send(1, noise(2))
  b.open(2, 'group:g1').send(2, noise(3))
  b.open(3, 'any:g1').send(3, noise(4))
  a.send(1, noise(5))
  await world.settle()
  expect([a.delivered.length, b.delivered.length]).toEqual([1, 2])
  expect(b.rejectCodes).toEqual(['DRAINING', 'DRAINING'])
})
