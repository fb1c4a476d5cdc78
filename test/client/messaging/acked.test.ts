import { FrameType } from '@sealway/protocol'
import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { type Direction, Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let net: Net
let time: VirtualTime
let alice: Node
let bob: Node
let handled: unknown[]
beforeEach(async () => {
  time = new VirtualTime()
  net = new Net({ time })
  alice = await net.join('alice')
  bob = await net.join('bob')
  handled = []
  bob.on('charge', ({ body }) => {
    handled.push(body)
    return 'an answer that is no part of a receipt'
  })
})
afterEach(() => net.close())

const isSend = (frame: Uint8Array, direction: Direction) => direction === 'up' && frame[4] === FrameType.send

/** Loses the first `count` sealed frames that this node sends; all that it sends is kept in the list. */
function lose(name: string, count: number): Uint8Array[] {
  const sent: Uint8Array[] = []
  net.tamper = (frame, direction, node) => {
    if (node !== name || !isSend(frame, direction)) return [frame]
    sent.push(frame.slice())
    return sent.length <= count ? [] : [frame]
  }
  return sent
}

describe('sendAcked', () => {
  it('resolves with the receipt of the receiving library when the handler is done', async () => {
    let release!: () => void
    bob.on('slow', () => new Promise<void>((resolve) => (release = resolve)))
    let receipt: unknown
    const sent = alice.sendAcked('bob', 'slow', 1).then((value) => (receipt = value))
    await until(() => release !== undefined, 'the handler')
    await turns()
    expect(receipt).toBeUndefined()
    release()
    await sent
    expect(receipt).toEqual({ id: undefined, by: 'bob', status: 'processed', afterMs: expect.any(Number) })
  })

  it('resolves when the message was opened, if that is what is asked for', async () => {
    bob.on('slow', () => new Promise(() => {}))
    expect(await alice.sendAcked('bob', 'slow', 1, { until: 'delivered' })).toMatchObject({ status: 'delivered' })
  })

  it('sends the same bytes again at 1, 2, 4 s when they are lost, and the handler runs once', async () => {
    const sent = lose('alice', 2)
    const receipt = alice.sendAcked('bob', 'charge', 'order 1')
    await turns()
    expect(sent).toHaveLength(1)
    await time.advance(1_300)
    expect(sent).toHaveLength(2)
    await time.advance(2_500)
    expect(sent).toHaveLength(3)
    expect(await receipt).toMatchObject({ by: 'bob', status: 'processed' })
    expect(sent.every((frame) => Buffer.from(frame).equals(sent[0]!))).toBe(true)
    expect(handled).toEqual(['order 1'])
    await time.advance(20_000)
    expect(sent).toHaveLength(3)
  })

  it('gets its receipt again when that was lost, and the handler runs once', async () => {
    const receipts = lose('bob', 1)
    const receipt = alice.sendAcked('bob', 'charge', 'order 1')
    await until(() => receipts.length === 1, 'the first receipt')
    await time.advance(1_300)
    expect(await receipt).toMatchObject({ status: 'processed' })
    expect(receipts.length).toBeGreaterThan(1)
    expect(handled).toEqual(['order 1'])
  })

  it('survives a mediator that is killed and comes back', async () => {
    const sent = lose('alice', 1)
    const receipt = alice.sendAcked('bob', 'charge', 'order 1')
    await until(() => sent.length === 1, 'the first copy')
    net.kill()
    await time.advance(300)
    net.start()
    await time.advance(5_000)
    expect(await receipt).toMatchObject({ by: 'bob', status: 'processed' })
    expect(handled).toEqual(['order 1'])
  })

  it('is unknown at its deadline when nothing comes back', async () => {
    lose('alice', 1_000)
    const error = rejection(alice.sendAcked('bob', 'charge', 'order 1'))
    await time.advance(10_001)
    expect(await error).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown', target: 'bob' })
  })

  it('is not delivered, at once, to a node that is offline', async () => {
    await bob.close()
    expect(await rejection(alice.sendAcked('bob', 'charge', 1))).toMatchObject({
      code: 'OFFLINE',
      outcome: 'not-delivered',
    })
  })

  it('rejects with what the handler says, and with NO_HANDLER', async () => {
    bob.on('refuse', (_command, ctx) => {
      throw ctx.fail('NO_FUNDS', { missing: 5 })
    })
    expect(await rejection(alice.sendAcked('bob', 'refuse'))).toMatchObject({
      code: 'APPLICATION_ERROR',
      data: { code: 'NO_FUNDS', data: { missing: 5 } },
    })
    expect(await rejection(alice.sendAcked('bob', 'nothing'))).toMatchObject({
      code: 'NO_HANDLER',
      outcome: 'not-delivered',
    })
  })

  it('handles an id once, and answers every message that bears it', async () => {
    const receipts = await Promise.all([1, 2, 3].map((n) => alice.sendAcked('bob', 'charge', n, { id: 'charge:42' })))
    expect(receipts.map((receipt) => receipt.id)).toEqual(['charge:42', 'charge:42', 'charge:42'])
    await alice.sendAcked('bob', 'charge', 4, { id: 'charge:42' })
    expect(handled).toEqual([1])
    await alice.sendAcked('bob', 'charge', 5, { id: 'charge:43' })
    expect(handled).toEqual([1, 5])
  })

  it('handles an id once although its sender is another process by now', async () => {
    await alice.sendAcked('bob', 'charge', 1, { id: 'charge:42' })
    await alice.close()
    alice = await net.join('alice')
    await alice.sendAcked('bob', 'charge', 1, { id: 'charge:42' })
    expect(handled).toEqual([1])
  })

  it('handles the same id of another sender', async () => {
    const carol = await net.join('carol')
    await alice.sendAcked('bob', 'charge', 1, { id: 'charge:42' })
    await carol.sendAcked('bob', 'charge', 2, { id: 'charge:42' })
    expect(handled).toEqual([1, 2])
  })

  it('may be tried again with the same id after it was refused', async () => {
    expect(await rejection(alice.sendAcked('bob', 'later', 1, { id: 'x' }))).toMatchObject({ code: 'NO_HANDLER' })
    bob.on('later', ({ body }) => void handled.push(body))
    await alice.sendAcked('bob', 'later', 1, { id: 'x' })
    expect(handled).toEqual([1])
  })

  it('is refused to a whole group: it has one receipt', async () => {
    expect(await rejection(alice.sendAcked('group:g', 'charge'))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it.each([
    ['', 'empty'],
    ['x'.repeat(257), 'long'],
  ])('refuses the id %#', async (id) => {
    expect(await rejection(alice.sendAcked('bob', 'charge', 1, { id }))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('cannot be settled by a receipt that another node or the mediator makes up', async () => {
    lose('alice', 1_000)
    const carol = await net.join('carol')
    const error = rejection(alice.sendAcked('bob', 'charge', 1))
    // Carol holds the key and answers what she was not asked.
    carol.on('bait', () => 'receipt')
    await turns()
    await time.advance(10_001)
    expect(await error).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown' })
  })
})

describe('an idempotent call', () => {
  it('is asked again when its answer was lost, and the handler runs once', async () => {
    const answers = lose('bob', 1)
    const reply = alice.call('bob', 'charge', 'order 1', { idempotent: true })
    await until(() => answers.length === 1, 'the first answer')
    await time.advance(1_300)
    expect(await reply).toBe('an answer that is no part of a receipt')
    expect(handled).toEqual(['order 1'])
  })

  it('whose answer cannot be encoded is an exception at once, and the next copy is told the same', async () => {
    bob.on('bad', () => ({ n: 1n }))
    const error = await rejection(alice.call('bob', 'bad', 1, { idempotent: true }))
    expect(error).toMatchObject({ code: 'EXCEPTION', message: expect.stringContaining('cannot be encoded') })
    const answers = lose('bob', 1)
    const again = rejection(alice.call('bob', 'bad', 2, { idempotent: true }))
    await until(() => answers.length === 1, 'the first answer')
    await time.advance(1_300)
    expect((await again).code).toBe('EXCEPTION')
  })

  it('is asked again on the next link, where another call is LINK_LOST', async () => {
    const sent = lose('alice', 1)
    const kept = alice.call('bob', 'charge', 1, { idempotent: true })
    await until(() => sent.length === 1, 'the first copy')
    const other = rejection(alice.call('bob', 'charge', 2))
    await until(() => sent.length === 2, 'the other call')
    net.cut('alice')
    expect(await other).toMatchObject({ code: expect.stringMatching(/LINK_LOST/), outcome: 'unknown' })
    await time.advance(3_000)
    expect(await kept).toBe('an answer that is no part of a receipt')
  })
})
