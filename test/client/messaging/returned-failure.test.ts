import type { Context } from '../../../client-lib/src/messaging/delivery.js'
import { Net } from '../../support/net.js'
import { rejection } from '../../support/until.js'

let net: Net
beforeEach(() => {
  net = new Net()
})
afterEach(() => net.close())

describe('a handler that returns ctx.fail(...) in place of throwing it', () => {
  it.each<[string, (ctx: Context) => unknown]>([
    ['at once', (ctx) => ctx.fail('NO', { why: 1 })],
    ['from a promise', async (ctx) => ctx.fail('NO', { why: 1 })],
  ])('answers with the expected error, to calls, acknowledged sends and streams: %s', async (_when, handler) => {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    const handled: unknown[] = []
    bob.after((_command, _ctx, { type }) => void handled.push(type))
    bob.on('quote', (_command, ctx) => handler(ctx))
    const expected = { code: 'APPLICATION_ERROR', data: { code: 'NO', data: { why: 1 } } }
    expect(await rejection(alice.call('bob', 'quote'))).toMatchObject(expected)
    expect(await rejection(alice.sendAcked('bob', 'quote'))).toMatchObject(expected)
    expect(await rejection(alice.stream('bob', 'quote').next())).toMatchObject(expected)
    expect(handled).toEqual(['failed', 'failed', 'failed'])
  })

  it('is a failure too where a middleware returns it', async () => {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    bob.on(
      'quote',
      (_command, ctx) => ctx.fail('NO'),
      () => 'never reached',
    )
    expect(await rejection(alice.call('bob', 'quote'))).toMatchObject({ code: 'APPLICATION_ERROR' })
  })
})
