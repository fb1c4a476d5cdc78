import { limits } from '@sealway/protocol'
import { dial, join, type RawLink } from '../support/link'
import { startMediator, type TestMediator, type TestMediatorOptions } from '../support/mediator'
import { eventually } from '../support/until'

let started: TestMediator
const links: RawLink[] = []
const start = async (options?: TestMediatorOptions): Promise<void> => {
  started = await startMediator(options)
}
afterEach(async () => {
  for (const link of links.splice(0)) link.connection.destroy()
  await started.mediator.close()
})

const strangers = async (count: number): Promise<RawLink[]> => {
  const made = await Promise.all(Array.from({ length: count }, () => dial(started.url)))
  links.push(...made)
  return made
}

it('links that say nothing keep no node out: each new one takes the place of the oldest', async () => {
  // None of them leaves by itself meanwhile.
  await start({ limits: { helloTimeoutMs: 600_000 } })
  const member = await join(started.url, started.jwtSecret, { name: 'early' })
  links.push(member)
  const silent = await strangers(limits.maxUnauthenticatedPerAddress)
  links.push(await join(started.url, started.jwtSecret, { name: 'late' }))
  await Promise.any(silent.map((link) => link.untilClosed()))
  const [ended, ...more] = silent.filter(({ closed }) => closed)
  expect(more).toEqual([])
  expect(ended!.closeFrame).toMatchObject({ code: 'OVERLOADED', reconnectInMs: expect.any(Number) })
  expect((await fetch(`${started.url}/healthz`)).status).toBe(200)
  expect(member.closed).toBe(false)
})

it('many that come at once are each taken or refused, and none is left waiting', async () => {
  await start()
  const crowd = await strangers(200)
  await Promise.all(crowd.map((link) => link.untilClosed()))
  const codes = new Map<string, number>()
  for (const { closeCode = 'none' } of crowd) codes.set(closeCode, (codes.get(closeCode) ?? 0) + 1)
  // Where the machine takes longer for all of them than a hello may, more than the first are taken.
  const { HELLO_TIMEOUT: taken = 0, ...others } = Object.fromEntries(codes)
  expect(taken).toBeGreaterThanOrEqual(limits.maxUnauthenticatedPerAddress)
  expect(others).toEqual({ OVERLOADED: 200 - taken })
  await eventually(() => started.mediator.relay.linkCount === 0, 'nobody is left')
})
