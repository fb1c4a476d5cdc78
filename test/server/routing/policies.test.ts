import { FrameType, limits, type TrafficPolicy } from '@sealway/protocol'
import { json, type RawLink } from '../../support/link'
import { World } from '../../support/relay'

let world: World
let a: RawLink
beforeEach(async () => {
  world = new World()
  a = await world.node('a')
})

const fast: TrafficPolicy = { target: 'any:orders', timeout: 100 }
const slow: TrafficPolicy = { target: 'any:orders', timeout: 9_000 }
const quote: TrafficPolicy = { target: 'any:orders', action: 'quote', retries: { max: 2 } }

async function ask(link: RawLink): Promise<unknown[]> {
  link.query(7, { type: 'policies' })
  await world.settle()
  return told(link)
}
/** Policies frames and answers, in the order in which they came. */
const told = (link: RawLink) =>
  link
    .take()
    .filter(({ type }) => type === FrameType.policies || type === FrameType.answer)
    .map(json)

it('who asks for the policies is sent the list, also an empty one, and then how many there are', async () => {
  expect(await ask(a)).toEqual([{ type: 'list', policies: [] }, { policies: 0 }])
  world.relay.policies.update([fast, quote])
  expect((await ask(await world.node('b'))).at(-2)).toEqual({ type: 'list', policies: [fast, quote] })
})

it('who has asked is told what is new, what is different and what is gone, and nothing else', async () => {
  await ask(a)
  const silent = await world.node('silent')
  const change = async (...policies: TrafficPolicy[]) => {
    world.relay.policies.update(policies)
    await world.settle()
    return told(a)
  }
  expect(await change(fast, quote)).toEqual([
    { type: 'set', policy: fast },
    { type: 'set', policy: quote },
  ])
  expect(await change({ ...quote }, { ...fast })).toEqual([])
  expect(await change(slow, quote)).toEqual([{ type: 'set', policy: slow }])
  expect(await change(slow)).toEqual([{ type: 'removed', target: 'any:orders', action: 'quote' }])
  expect(await change()).toEqual([{ type: 'removed', target: 'any:orders' }])
  expect(told(silent)).toEqual([])
})

it('1,000 policies are sent in frames that every setting allows', async () => {
  const many = Array.from({ length: 1_000 }, (_, i) => ({ target: `n-${i}`, action: 'x'.repeat(255), timeout: i + 1 }))
  world.relay.policies.update(many)
  a.query(1, { type: 'policies' })
  await world.settle()
  const frames = a.take(FrameType.policies)
  for (const { body } of frames) expect(body.length).toBeLessThan(64 * 1024)
  const lists = frames.map(json) as { type: string; policies: TrafficPolicy[]; more?: boolean }[]
  expect(lists.flatMap(({ policies }) => policies)).toEqual(many)
  expect(lists.map(({ more }) => more === true)).toEqual([...Array(lists.length - 1).fill(true), false])
})

it('a node that left is told nothing more, and a link that does not read ends', async () => {
  await ask(a)
  const b = await world.node('b', {}, { highWaterBytes: 1 })
  await ask(b)
  a.connection.destroy()
  await world.settle()
  b.connection.pause()
  for (let round = 0; round < 60; round++) {
    world.relay.policies.update(
      Array.from({ length: 1_000 }, (_, i) => ({ target: `n-${i}`, action: 'x'.repeat(250), timeout: round + 1 })),
    )
    await world.settle()
  }
  expect(world.relay.linkCount).toBe(0)
  expect(world.relay.budget.usedBytes).toBeLessThan(limits.outboxBytes)
})
