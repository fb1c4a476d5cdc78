import { ping } from '../../../client-lib/src/plugins/ping.js'
import { MediatorClock } from '../../../client-lib/src/session/mediator-clock.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

describe("the mediator's clock", () => {
  let wall: number
  let mono: number
  let clock: MediatorClock
  beforeEach(() => {
    wall = 1_700_000_000_000
    mono = 500
    clock = new MediatorClock(
      () => wall,
      () => mono,
    )
  })

  it("is this machine's until the mediator has told its own", () => {
    expect([clock.now(), clock.offsetMs]).toEqual([wall, 0])
  })

  it('is what the welcome said, and goes on from there', () => {
    clock.welcomed(wall + 5_000)
    mono += 250
    wall += 250
    expect([clock.now(), clock.offsetMs]).toEqual([1_700_000_005_250, 5_000])
  })

  it('is the middle between question and answer', () => {
    clock.answered(1_000_000, 500, 580)
    mono = 580
    expect(clock.now()).toBe(1_000_040)
  })

  it('is taken from the shortest of the last eight round trips', () => {
    clock.welcomed(7)
    clock.answered(1_000_000, 1_000, 1_010)
    for (let i = 0; i < 7; i++) clock.answered(9_000_000, 2_000, 2_000 + 100 + i)
    mono = 1_005
    expect(clock.now()).toBe(1_000_000)
    clock.answered(9_000_000, 2_000, 2_100)
    mono = 2_050
    expect(clock.now()).toBe(9_000_000)
  })

  it("is not moved by a step of this machine's clock", () => {
    clock.welcomed(wall + 5_000)
    wall -= 3_600_000
    expect([clock.now(), clock.offsetMs]).toEqual([1_700_000_005_000, 3_605_000])
  })

  it('begins anew with another link, which may be to another mediator', () => {
    clock.answered(1, 500, 501)
    clock.welcomed(1_000_000)
    expect(clock.now()).toBe(1_000_000)
  })
})

describe('node.ping', () => {
  let net: Net
  beforeEach(() => {
    net = new Net()
  })
  afterEach(() => net.close())

  it('goes to the mediator and back', async () => {
    const alice = await net.join('alice')
    const { rttMs, offsetMs } = await alice.ping()
    expect(rttMs).toBeGreaterThan(0)
    // One clock, so that it is off by no more than the way there or back; Date.now() tells whole milliseconds.
    expect(Math.abs(offsetMs!)).toBeLessThanOrEqual(rttMs / 2 + 1)
    const [before, now, after] = [Date.now(), alice.now(), Date.now()]
    expect(now - offsetMs!).toBeGreaterThanOrEqual(before - 2)
    expect(now - offsetMs!).toBeLessThanOrEqual(after + 2)
  })

  it('is NOT_CONNECTED without a link, not delivered', async () => {
    const alice = await net.join('alice')
    net.kill()
    await until(() => !alice.connected, 'the link is gone')
    expect(await rejection(alice.ping())).toMatchObject({ code: 'NOT_CONNECTED', outcome: 'not-delivered' })
  })

  it('of a node that is not there says so', async () => {
    const alice = await net.join('alice')
    expect(['OFFLINE', 'UNKNOWN_NODE']).toContain((await rejection(alice.ping('nobody'))).code)
  })

  it('of a node without the plugin is answered by its library, which does not tell the time', async () => {
    const [alice] = await Promise.all([net.join('alice'), net.join('bob')])
    const { rttMs, offsetMs } = await alice.ping('bob')
    expect(rttMs).toBeGreaterThan(0)
    expect(offsetMs).toBeUndefined()
  })

  it('of a node with the plugin tells how far its clock is off', async () => {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    bob.use(ping({ clock: () => Date.now() + 60_000 }))
    const { rttMs, offsetMs } = await alice.ping('bob')
    expect(Math.abs(offsetMs! - 60_000)).toBeLessThanOrEqual(rttMs / 2 + 1)
  })
})

describe('the plugin ping', () => {
  it('asks when it is used, then every so often while there is a link, and no more after the end', async () => {
    const time = new VirtualTime()
    const net = new Net({ time })
    const asked = jest.fn()
    try {
      // A minute of virtual time at the net's usual pace would be 60,000 attempts to come back.
      const alice = await net.join('alice', { limits: { reconnectMinMs: 1_000 } })
      const question = alice.ping.bind(alice)
      alice.ping = (...args) => {
        asked()
        return question(...args)
      }
      alice.use(ping({ every: 30_000, timers: time }))
      expect(asked).toHaveBeenCalledTimes(1)
      await time.advance(60_000)
      expect(asked).toHaveBeenCalledTimes(3)
      net.kill()
      await turns()
      await time.advance(60_000)
      expect(asked).toHaveBeenCalledTimes(3)
      net.start()
      await time.advance(2_000)
      expect([alice.connected, asked.mock.calls.length]).toEqual([true, 4])
      await alice.close()
      await time.advance(60_000)
      expect(asked).toHaveBeenCalledTimes(4)
    } finally {
      await net.close()
    }
  })
})
