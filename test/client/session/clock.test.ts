import { FrameType } from '@sealway/protocol'
import { formatKey, generateKey } from '../../../client-lib/src/crypto/keys.js'
import { connectWith, type Node } from '../../../client-lib/src/node.js'
import type { ConnectOptions } from '../../../client-lib/src/options.js'
import { mintedBy } from '../../../client-lib/src/session/token.js'
import { timesOf } from '../../../client-lib/src/session/token-times.js'
import { VirtualTime } from '../../support/clock.js'
import { FakeMediator } from '../../support/fake-mediator.js'
import { rejection, turns } from '../../support/until.js'

const secret = 'a secret that is long enough for tests'
const keys = formatKey(generateKey())
const minute = 60_000

let time: VirtualTime
let mediator: FakeMediator
/** How far the clock of the node is ahead of the mediator's, ms. */
let aheadMs: number
const nodes: Node[] = []
beforeEach(() => {
  time = new VirtualTime()
  aheadMs = 0
  mediator = new FakeMediator(time.read)
  // As the real one: what is expired, or dated more than a minute ahead, is refused with the mediator's time.
  mediator.onHello = (link) => {
    const { issuedAt, expiresAt } = timesOf(link.hello.token)!
    if (issuedAt <= time.now + minute && expiresAt > time.now) return link.welcome()
    link.say(FrameType.close, { code: 'UNAUTHORIZED', message: 'the token was not accepted', now: time.now })
    link.connection.end()
  }
})
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.close()))
})

async function begin(options: Partial<ConnectOptions> = {}): Promise<Node> {
  const node = await connectWith(
    { name: 'alice', groups: ['g'], keys, transport: mediator.transport, ...options },
    {
      environment: { PROTECTED_BASIC_AND_JWT: secret },
      clock: () => time.now + aheadMs,
      random: () => 0.5,
      afterBurst: process.nextTick,
      nextTurn: setImmediate,
      timers: time,
    },
  )
  nodes.push(node)
  return node
}

describe('R20: a node whose clock is wrong', () => {
  it.each([
    ['ten minutes fast', 10 * minute],
    ['ten minutes slow', -16 * minute],
    ['a year fast', 365 * 24 * 60 * minute],
  ])("by %s connects with a token of the mediator's time, once it was told that time", async (_, ms) => {
    aheadMs = ms
    const pending = begin()
    await turns()
    await time.advance(5_000)
    expect((await pending).name).toBe('alice')
    expect(mediator.links).toHaveLength(2)
    expect(timesOf(mediator.last.hello.token)!.issuedAt).toBeGreaterThan(time.now - minute)
  })

  it('comes back after the mediator was restarted, although its clock was set forward meanwhile', async () => {
    const node = await begin()
    aheadMs = 90_000
    mediator.last.connection.destroy()
    await turns()
    await time.advance(10_000)
    expect(node.connected).toBe(true)
  })

  it('keeps its link when its clock is set forward or back by an hour', async () => {
    const node = await begin()
    for (const step of [60 * minute, -60 * minute]) {
      aheadMs = step
      await time.advance(5_000)
      expect([step, node.connected, mediator.dialled]).toEqual([step, true, 1])
    }
  })

  it('asks the function that gives tokens again and again, with the time of the mediator', async () => {
    const told: number[] = []
    const own = mintedBy(secret, 'alice', () => time.now)
    const pending = begin({
      token: (now) => {
        told.push(now)
        // Three tokens from a server whose clock is wrong as well.
        return told.length < 4 ? own(time.now + 10 * minute) : own(now)
      },
    })
    await turns()
    for (let i = 0; i < 20; i++) await time.advance(1_000)
    expect((await pending).connected).toBe(true)
    expect(told).toHaveLength(4)
  })
})

it('a token that is a text ends the node with TOKEN_EXPIRED when it has expired, and says what to do', async () => {
  const token = mintedBy(secret, 'alice', () => time.now)(time.now - 60 * minute)
  const error = await rejection(begin({ token }))
  expect(error).toMatchObject({ code: 'TOKEN_EXPIRED', outcome: 'not-delivered' })
  expect(error.message).toContain('pass a function')
})

it('a token that is a text is never sent again in band: there is no fresh one', async () => {
  const node = await begin({ token: mintedBy(secret, 'alice', () => time.now)() })
  await time.advance(14 * minute)
  expect(mediator.last.frames.filter((frame) => frame[4] === FrameType.token)).toEqual([])
  expect(node.connected).toBe(true)
})

it('a token that is refused for another reason closes the node', async () => {
  mediator.onHello = (link) => {
    link.say(FrameType.close, { code: 'UNAUTHORIZED', message: 'the token was not accepted', now: time.now })
    link.connection.end()
  }
  expect((await rejection(begin())).code).toBe('UNAUTHORIZED')
  expect(mediator.dialled).toBe(1)
})
