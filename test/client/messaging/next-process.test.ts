import { FrameType } from '@sealway/protocol'
import { type TestNet, testNet } from '../../../client-lib/src/testing/index.js'

let net: TestNet
beforeEach(() => {
  net = testNet()
})
afterEach(() => net.close())

it('the answer to a process is not taken by the next one of the same name for its own', async () => {
  const callee = await net.connect('callee')
  callee.on<number>('after', async ({ body }) => {
    await callee.sleep(body)
    return `after ${body} ms`
  })
  const first = await net.connect('caller')
  first.call('callee', 'after', 200).catch(() => {})
  await net.advance(50)
  net.crash('caller')
  const second = await net.connect('caller')
  expect(await net.until(second.call('callee', 'after', 1_000))).toBe('after 1000 ms')
  expect(net.history.events).toContainEqual(
    expect.objectContaining({ type: 'refused', process: 'caller#2', from: 'callee', code: 'LATE' }),
  )
})

it('what is sent once is handled once, also by two processes, beside what is sent again', async () => {
  const serve = async () => {
    const target = await net.connect('target')
    return target
      .on('once', () => 'done')
      .on('fire', () => {})
      .on('again', () => 'done')
  }
  const caller = await net.connect('caller')
  await serve()
  // It hears neither which process it sends to nor what that answers.
  net.intercept((frame, direction, node) => {
    const deaf =
      node === 'caller' && direction === 'down' && (frame[4] === FrameType.status || frame[4] === FrameType.deliver)
    return deaf ? [] : [frame]
  })
  const settled = [
    caller.call('target', 'once', 1),
    caller.call('target', 'again', 2, { idempotent: true }),
    caller.sendAcked('target', 'again', 3),
    caller.send('target', 'fire', 4),
    caller.call('target', 'once', 5),
  ]
  for (const one of settled) one.catch(() => {})
  await net.advance(100)
  net.crash('target')
  await serve()
  await net.advance(3_000)
  const handled = net.history.runs({ node: 'target' }).map(({ process, body }) => [process, body])
  expect(handled.filter(([process]) => process === 'target#1').map(([, body]) => body)).toEqual([1, 2, 3, 4, 5])
  // A handler of what is sent again runs once in each process.
  expect(handled.filter(([process]) => process === 'target#2').map(([, body]) => body)).toEqual([2, 3])
})
