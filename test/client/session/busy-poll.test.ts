import { availableParallelism } from 'node:os'
import { Net } from '../../support/net.js'

jest.mock('node:os', () => ({ ...jest.requireActual('node:os'), availableParallelism: jest.fn() }))
const processors = jest.mocked(availableParallelism)

const net = new Net()
afterAll(() => net.close())

let serial = 0
/** How many turns the caller stayed awake for, while it called one after the other. */
async function turnsAwake(among: number, options: { readonly busyPollUs?: number }): Promise<number> {
  processors.mockReturnValue(among)
  const spy = jest.spyOn(globalThis, 'setImmediate')
  try {
    const bob = await net.join(`bob-${++serial}`)
    bob.on('echo', ({ body }) => body)
    const alice = await net.join(`alice-${serial}`, options)
    for (let i = 0; i < 60; i++) expect(await alice.call(bob.name, 'echo', i)).toBe(i)
    return spy.mock.calls.filter(([work]) => work.name === 'turn').length
  } finally {
    spy.mockRestore()
  }
}

it('a node with busyPollUs polls while answers come soon', async () => {
  expect(await turnsAwake(4, { busyPollUs: 10_000 })).toBeGreaterThan(0)
})

it('a node does not poll by default, nor with fewer than four processors', async () => {
  expect(await turnsAwake(4, {})).toBe(0)
  expect(await turnsAwake(4, { busyPollUs: 0 })).toBe(0)
  expect(await turnsAwake(3, { busyPollUs: 10_000 })).toBe(0)
})
