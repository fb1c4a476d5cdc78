import { testNet } from '../../../client-lib/src/testing/net.js'
import { rejection } from '../../support/until.js'

it('a call whose frame is sent again for the sake of another is not said to be not delivered', async () => {
  const net = testNet()
  const caller = await net.connect('caller')
  await net.connect('target')
  net.partition('caller')
  // In one turn, so they share a frame; the copies of it are for the first alone.
  const repeated = caller.call('target', 'repeated', undefined, { idempotent: true, timeout: 10_000 })
  const once = caller.call('target', 'once', undefined, { timeout: 10_000 })
  await net.advance(1_500)
  net.crash('target')
  await net.settle()
  net.heal()
  expect(await rejection(net.until(once))).toMatchObject({ code: 'OFFLINE', outcome: 'unknown' })

  const next = await net.connect('target')
  next.on('repeated', () => 'done').on('once', () => 'done')
  expect(await net.until(repeated)).toBe('done')
  // It was handled after all.
  expect(net.history.runs({ node: 'target', action: 'once' })).toHaveLength(1)
  await net.close()
})
