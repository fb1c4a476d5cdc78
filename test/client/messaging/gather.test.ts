import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, until } from '../../support/until.js'

let net: Net
let time: VirtualTime
let alice: Node
beforeEach(async () => {
  time = new VirtualTime()
  net = new Net({ time })
  alice = await net.join('alice')
})
afterEach(() => net.close())

/** Members that answer with their names; those in `silent` never do, and note that they were cancelled. */
async function members(names: readonly string[], silent: readonly string[] = [], cancelled: string[] = []) {
  for (const name of names) {
    const node = await net.join(name)
    if (!silent.includes(name)) node.on('bid', () => name)
    else {
      node.on('bid', (_command, { signal }) => {
        return new Promise((resolve) => signal.addEventListener('abort', () => resolve(cancelled.push(name))))
      })
    }
  }
}

describe('gather', () => {
  it('with need all resolves with every answer and who gave it', async () => {
    await members(['bob', 'carol', 'dave'])
    const bids = await alice.gather<string>('g', 'bid')
    expect(bids.map(({ from, body }) => `${from}:${body}`).sort()).toEqual(['bob:bob', 'carol:carol', 'dave:dave'])
  })

  it('resolves with the first two, and tells the stragglers that nobody waits', async () => {
    const cancelled: string[] = []
    await members(['bob', 'carol', 'dave', 'erin'], ['dave', 'erin'], cancelled)
    expect(await alice.gather('g', 'bid', undefined, { need: 2 })).toHaveLength(2)
    await until(() => cancelled.length === 2, 'both are cancelled')
    expect(cancelled.sort()).toEqual(['dave', 'erin'])
  })

  it('takes a majority of the members for enough', async () => {
    await members(['bob', 'carol', 'dave', 'erin', 'frank'], ['erin', 'frank'])
    expect(await alice.gather('g', 'bid', undefined, { need: 'majority' })).toHaveLength(3)
  })

  it('is NOT_ENOUGH at once where there are fewer members than needed', async () => {
    await members(['bob'])
    expect(await rejection(alice.gather('g', 'bid', undefined, { need: 2 }))).toMatchObject({ code: 'NOT_ENOUGH' })
  })

  it('is NOT_ENOUGH as soon as too many have failed, and says who', async () => {
    await members(['bob'], [])
    ;(await net.join('carol')).on('bid', () => {
      throw new Error('boom')
    })
    const error = await rejection(alice.gather('g', 'bid', undefined, { need: 2 }))
    expect(error).toMatchObject({ code: 'NOT_ENOUGH', outcome: 'unknown' })
    const { failed } = error.data as { failed: { name: string; error: { code: string } }[] }
    expect(failed.map(({ name, error }) => [name, error.code])).toEqual([['carol', 'EXCEPTION']])
  })

  it('is NOT_ENOUGH at its deadline, and says who is missing', async () => {
    await members(['bob', 'carol'], ['carol'])
    const error = rejection(alice.gather('g', 'bid', undefined, { timeout: 500 }))
    await time.advance(501)
    expect(await error).toMatchObject({ code: 'NOT_ENOUGH', data: { ok: ['bob'], missing: ['carol'] } })
  })

  it.each([0, -1, 1.5, Number.NaN, 'most' as 'all'])('refuses need: %p', async (need) => {
    await members(['bob'])
    expect(await rejection(alice.gather('g', 'bid', undefined, { need }))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
