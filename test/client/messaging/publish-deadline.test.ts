import { codeNumber, decodeAccepted, encodeReject, FrameType, headerBytes, readU32 } from '@sealway/protocol'
import { testNet } from '../../../client-lib/src/testing/net.js'
import { rejection } from '../../support/until.js'

describe('a first publish, while a member does not say what it consumes', () => {
  const quiet = async () => {
    const net = testNet()
    const publisher = await net.connect('publisher')
    await net.connect('silent')
    net.partition('publisher', 'silent')
    return { net, publisher, start: net.clock.now() }
  }

  it('ends with its deadline, and was not delivered', async () => {
    const { net, publisher, start } = await quiet()
    const error = await rejection(net.until(publisher.publish('orders.created', 1, { timeout: 200 })))
    expect(error).toMatchObject({ code: 'TIMEOUT', outcome: 'not-delivered' })
    expect(net.clock.now() - start).toBe(200)
    await net.close()
  })

  it('ends when its signal fires', async () => {
    const { net, publisher, start } = await quiet()
    const controller = new AbortController()
    net.clock.set(() => controller.abort(), 300)
    const error = await rejection(net.until(publisher.publish('orders.created', 1, { signal: controller.signal })))
    expect(error).toMatchObject({ code: 'ABORTED', outcome: 'not-delivered' })
    expect(net.clock.now() - start).toBe(300)
    await net.close()
  })

  it('has for the rest what the wait has left of its time', async () => {
    const { net, publisher, start } = await quiet()
    const report = await net.until(publisher.publish('orders.created', 1, { timeout: 1_500, want: 'acks' }))
    expect(report).toMatchObject({ targets: ['silent'], missing: ['silent'] })
    expect(net.clock.now() - start).toBe(1_500)
    await net.close()
  })
})

it('an event that its publisher has taken itself is not said to be not delivered', async () => {
  const net = testNet()
  const publisher = await net.connect('publisher')
  const taken: unknown[] = []
  publisher.subscribe('orders.*', ({ body }) => taken.push(body))
  net.intercept((frame, direction) => {
    if (direction !== 'down' || frame[4] !== FrameType.accepted) return [frame]
    const { frameId } = decodeAccepted(frame.subarray(headerBytes))
    return [encodeReject(readU32(frame, 8), codeNumber('OVERLOADED'), frameId)]
  })
  const error = await rejection(net.until(publisher.publish('orders.created', 1)))
  expect([taken, error.code, error.outcome]).toEqual([[1], 'OVERLOADED', 'unknown'])
  net.intercept(undefined)
  await net.close()
})
