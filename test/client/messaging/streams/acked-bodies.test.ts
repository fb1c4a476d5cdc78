import { randomBytes } from 'node:crypto'
import type { Node } from '../../../../client-lib/src/node.js'
import { VirtualTime } from '../../../support/clock.js'
import { Net } from '../../../support/net.js'
import { openStreams } from '../../../support/stream-end.js'
import { rejection, turns, until } from '../../../support/until.js'

const MiB = 1024 * 1024
const body = randomBytes(3 * MiB)
let net: Net
let time: VirtualTime
let alice: Node
let bob: Node
let got: { readonly same: boolean; readonly key: string }[]
let finish: () => void
beforeEach(async () => {
  time = new VirtualTime()
  net = new Net({ time })
  ;[alice, bob] = [await net.join('alice'), await net.join('bob')]
  got = []
  bob.on('take', (command) => void got.push({ same: body.equals(command.body as Buffer), key: command.key }))
  bob.on('slow', (command) => {
    got.push({ same: body.equals(command.body as Buffer), key: command.key })
    return new Promise<void>((resolve) => {
      finish = resolve
    })
  })
})
afterEach(() => net.close())

/** Some of the body is on its way, and not all of it. */
const halfway = async () => {
  let frames = 0
  net.tamper = (frame, direction, node) => {
    if (direction === 'up' && node === 'alice' && frame.length > 60_000) frames++
    return [frame]
  }
  await until(() => frames >= 3, 'some of it has left')
  net.tamper = undefined
}

describe('sendAcked of a body over the frame limit', () => {
  it('resolves with the receipt of its handler, and leaves nothing behind', async () => {
    expect(await alice.sendAcked('bob', 'take', body, { id: 'large:1' })).toMatchObject({
      id: 'large:1',
      by: 'bob',
      status: 'processed',
    })
    expect(got).toMatchObject([{ same: true }])
    await until(() => openStreams(alice) + openStreams(bob) === 0, 'no stream is left')
  })

  it('resolves before its handler is done where delivered is enough', async () => {
    expect(await alice.sendAcked('bob', 'slow', body, { until: 'delivered' })).toMatchObject({ status: 'delivered' })
    expect(got).toHaveLength(1)
    finish()
  })

  it('is handled once, however often it is sent under one id', async () => {
    await alice.sendAcked('bob', 'take', body, { id: 'large:1' })
    await alice.sendAcked('bob', 'take', body, { id: 'large:1' })
    await alice.sendAcked('bob', 'take', 'small', { id: 'large:1' })
    expect(got).toHaveLength(1)
    await alice.sendAcked('bob', 'take', body)
    await alice.sendAcked('bob', 'take', body)
    expect(got).toHaveLength(3)
  })

  it('is sent again where the link breaks on its way', async () => {
    const receipt = alice.sendAcked('bob', 'take', body, { timeout: 60_000 })
    await halfway()
    net.cut('alice')
    await time.advance(10_000)
    expect(await receipt).toMatchObject({ by: 'bob', status: 'processed' })
    expect(got).toMatchObject([{ same: true }])
  })

  it('is sent again, and not handled again, where the link breaks while it is handled', async () => {
    const receipt = alice.sendAcked('bob', 'slow', body, { timeout: 60_000 })
    await until(() => got.length === 1, 'the handler runs')
    net.cut('alice')
    await time.advance(5_000)
    finish()
    await time.advance(5_000)
    expect(await receipt).toMatchObject({ status: 'processed' })
    expect(got).toHaveLength(1)
  })

  it('says how it failed: refused, crashed, nobody there, out of time', async () => {
    bob.on('crash', () => Promise.reject(new Error('boom')))
    expect(await rejection(alice.sendAcked('bob', 'unheard-of', body))).toMatchObject({
      code: 'NO_HANDLER',
      outcome: 'not-delivered',
    })
    expect(await rejection(alice.sendAcked('bob', 'crash', body))).toMatchObject({
      code: 'EXCEPTION',
      outcome: 'unknown',
    })
    expect(await rejection(alice.sendAcked('nobody', 'take', body))).toMatchObject({
      code: 'UNKNOWN_NODE',
      outcome: 'not-delivered',
      hop: 'mediator',
    })
    const late = rejection(alice.sendAcked('bob', 'slow', body, { timeout: 1_000 }))
    await until(() => got.length === 1, 'the handler runs')
    await time.advance(1_001)
    expect(await late).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown' })
    await turns()
    expect(openStreams(alice) + openStreams(bob)).toBe(0)
  })
})

describe('what goes to all of a group', () => {
  it.each(['broadcast', 'gather', 'publish'] as const)(
    'must fit a frame: %s says how large, and what else to do',
    async (verb) => {
      const failed = verb === 'publish' ? alice.publish('happened', body) : alice[verb]('g', 'take', body)
      const error = await rejection(failed)
      expect(error).toMatchObject({ code: 'TOO_LARGE', outcome: 'not-delivered', hop: 'client', target: 'group:g' })
      expect(error.message).toMatch(/3145\d\d\d bytes.* must fit a frame, 104\d\d\d\d bytes on this link: .*by name$/)
    },
  )
})
