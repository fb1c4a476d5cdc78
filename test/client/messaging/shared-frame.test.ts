import { testNet } from '../../../client-lib/src/testing/net.js'
import { rejection } from '../../support/until.js'

it('a call whose frame is sent again for the sake of another is not said to be not delivered', async () => {
  // Room in the mediator for two frames to one receiver.
  const net = testNet({ limits: { outboxFrames: 2 } })
  const caller = await net.connect('caller')
  const other = await net.connect('other')
  const target = await net.connect('target')
  target
    .on('repeated', () => 'done')
    .on('once', () => 'done')
    .on('fill', () => {})
  await caller.call('target', 'repeated')
  net.slow('target')
  await other.send('target', 'fill', 'x'.repeat(200_000))
  await net.settle()
  // In one turn, so they share a frame; the copies of it are for the first alone.
  const repeated = caller.call('target', 'repeated', undefined, { idempotent: true })
  const once = caller.call('target', 'once')
  expect(await rejection(net.until(once))).toMatchObject({ code: 'BUSY', outcome: 'unknown' })

  net.heal()
  expect(await net.until(repeated)).toBe('done')
  // The second copy was refused, and the first was handled.
  expect(net.history.runs({ node: 'target', action: 'once' })).toHaveLength(1)
  await net.close()
})
