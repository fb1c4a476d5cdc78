import { Net } from '../../support/net'

let net: Net
beforeEach(() => {
  net = new Net()
})
afterEach(() => net.close())

/** Some 150 frames: calls that are made in one turn share a frame, and the mediator can only move whole ones. */
const calls = 10_000

describe('calls to any member of a group', () => {
  it.each([
    ['of one size', 10, () => 128],
    ['of many sizes', 10, (index: number) => (index % 4 === 0 ? 2_000 : 100)],
    ['to three members', 3, () => 128],
  ])('are spread within 5 %%, with 64 in flight that share frames: %s', async (_, workers, bytes) => {
    const taken = new Map<string, number>()
    for (let index = 0; index < workers; index++) {
      const name = `worker${index}`
      const worker = await net.join(name, { groups: ['workers'] })
      worker.on('work', ({ body }) => {
        taken.set(name, (taken.get(name) ?? 0) + 1)
        return (body as Uint8Array).length
      })
    }
    const caller = await net.join('caller', { groups: ['workers', 'g'] })
    caller.on('work', () => 'it was sent to itself')
    let made = 0
    let answered = 0
    const one = async (): Promise<void> => {
      while (made < calls) {
        const length = bytes(made++)
        if ((await caller.call('any:workers', 'work', new Uint8Array(length))) === length) answered++
      }
    }
    await Promise.all(Array.from({ length: 64 }, one))
    expect(answered).toBe(calls)
    const fair = calls / workers
    const shares = [...taken.values()].map((count) => Math.abs(count - fair) / fair)
    expect(shares.length).toBe(workers)
    expect(Math.max(...shares)).toBeLessThanOrEqual(0.05)
  })
})
