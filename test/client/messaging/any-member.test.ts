import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let net: Net
let time: VirtualTime
let caller: Node
beforeEach(async () => {
  time = new VirtualTime()
  net = new Net({ time })
  caller = await net.join('caller', { groups: [], reaches: ['g'] })
})
afterEach(() => net.close())

/** A member that answers with its name. */
async function worker(name: string, action = 'work'): Promise<Node> {
  const node = await net.join(name, { groups: ['g'] })
  node.on(action, () => name)
  return node
}
const countBy = (names: readonly unknown[]) =>
  Object.fromEntries([...new Set(names)].sort().map((name) => [name, names.filter((one) => one === name).length]))

describe('calls to any member of a group', () => {
  it('spreads the very first burst evenly', async () => {
    for (const name of ['a', 'b', 'c']) await worker(name)
    const answers = await Promise.all(Array.from({ length: 12 }, () => caller.call('any:g', 'work')))
    expect(countBy(answers)).toEqual({ a: 4, b: 4, c: 4 })
  })

  it('gives a call to the member with the fewest calls in flight', async () => {
    const slow = await net.join('slow', { groups: ['g'] })
    const quick = await net.join('quick', { groups: ['g'] })
    const held: (() => void)[] = []
    let handled = 0
    slow.on('work', () => new Promise<string>((resolve) => held.push(() => resolve('slow'))))
    quick.on('work', () => {
      handled++
      return 'quick'
    })
    const first = Promise.all([caller.call('any:g', 'work'), caller.call('any:g', 'work')])
    await until(() => held.length === 1 && handled === 1, 'each has one')
    for (let i = 0; i < 10; i++) expect(await caller.call('any:g', 'work')).toBe('quick')
    held[0]!()
    expect((await first).sort()).toEqual(['quick', 'slow'])
  })

  it('passes over a member that let a deadline pass, for ten seconds', async () => {
    const stopped = await net.join('stopped', { groups: ['g'] })
    let asked = 0
    stopped.on('work', () => {
      asked++
      return new Promise(() => {})
    })
    await worker('well')
    const outcomes = [0, 1].map(() =>
      caller.call('any:g', 'work', undefined, { timeout: 100 }).catch(({ code }) => code),
    )
    await turns()
    await time.advance(200)
    expect((await Promise.all(outcomes)).sort()).toEqual(['TIMEOUT', 'well'])
    for (let i = 0; i < 5; i++) expect(await caller.call('any:g', 'work')).toBe('well')
    expect(asked).toBe(1)
  })

  it('shows the handler that the call was for any member', async () => {
    for (const name of ['a', 'b']) {
      const node = await net.join(name, { groups: ['g'] })
      node.on('where', (_command, { to, groups }) => [to, groups])
    }
    expect(await caller.call('any:g', 'where')).toEqual(['any:g', ['g']])
  })
})

describe('a member that has no handler', () => {
  it('loses no call: another member is asked, and the bystander only once', async () => {
    for (const name of ['a', 'b']) await worker(name)
    const bystander = await net.join('bystander', { groups: ['g'] })
    let refused = 0
    bystander.before(() => {})
    bystander.after(() => void refused++)
    const answers: unknown[] = []
    for (let i = 0; i < 100; i++) answers.push(await caller.call('any:g', 'work'))
    expect(countBy(answers)).toEqual({ a: 50, b: 50 })
    const burst = await Promise.all(Array.from({ length: 100 }, () => caller.call('any:g', 'work')))
    expect(countBy(burst)).toEqual({ a: 50, b: 50 })
    expect(refused).toBe(1)
  })

  it('is asked again when it has come back', async () => {
    const a = await worker('a')
    const late = await net.join('late', { groups: ['g'] })
    for (let i = 0; i < 4; i++) expect(await caller.call('any:g', 'work')).toBe('a')
    await late.close()
    await worker('late')
    await turns()
    const answers = [await caller.call('any:g', 'work'), await caller.call('any:g', 'work')]
    expect(answers.sort()).toEqual(['a', 'late'])
    await a.close()
  })

  it('is the error of the call when no member has one', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await net.join(name, { groups: ['g'] })
    const error = await rejection(caller.call('any:g', 'nothing'))
    expect(error).toMatchObject({ code: 'NO_HANDLER', outcome: 'not-delivered' })
  })

  it('is skipped by acknowledged sends, whose copies all go to one member', async () => {
    await worker('a')
    await net.join('b', { groups: ['g'] })
    await net.join('c', { groups: ['g'] })
    for (let i = 0; i < 5; i++) expect((await caller.sendAcked('any:g', 'work')).by).toBe('a')
  })

  it('is skipped by streams that have not begun', async () => {
    const source = await net.join('source', { groups: ['g'] })
    source.on('count', async function* () {
      yield* [1, 2, 3]
    })
    await net.join('b', { groups: ['g'] })
    await net.join('c', { groups: ['g'] })
    for (let i = 0; i < 5; i++) {
      const items: unknown[] = []
      for await (const item of caller.stream('any:g', 'count')) items.push(item)
      expect(items).toEqual([1, 2, 3])
    }
  })

  it('is skipped by fetch, where it serves no HTTP', async () => {
    const web = await net.join('web', { groups: ['g'] })
    web.expose((_request, response) => void response.end('here'))
    await net.join('b', { groups: ['g'] })
    await net.join('c', { groups: ['g'] })
    for (let i = 0; i < 5; i++) expect(await (await caller.fetch('any:g/')).text()).toBe('here')
  })

  it('is told apart from failures by broadcast and gather, and does not count among those that are needed', async () => {
    await worker('a')
    await worker('b')
    await net.join('bystander', { groups: ['g'] })
    const report = await caller.broadcast('g', 'work', undefined, { want: 'acks' })
    expect([[...report.ok].sort(), report.failed, report.unhandled]).toEqual([['a', 'b'], [], ['bystander']])
    expect(await caller.gather('g', 'work')).toHaveLength(2)
    const none = await rejection(caller.gather('g', 'nothing'))
    expect(none).toMatchObject({ code: 'NOT_ENOUGH' })
    expect(none.message).toContain('3 have no handler')
  })
})

describe('a member that goes away', () => {
  it('ends the wait for its receipt at once: broadcast calls it missing, gather fails', async () => {
    await worker('a')
    const leaving = await net.join('leaving', { groups: ['g'] })
    leaving.on('work', () => new Promise(() => {}))
    const began = time.now
    const acks = caller.broadcast('g', 'work', undefined, { want: 'acks', timeout: 60_000 })
    const gather = rejection(caller.gather('g', 'work', undefined, { timeout: 60_000 }))
    await turns()
    await leaving.close()
    expect(await acks).toMatchObject({ ok: ['a'], missing: ['leaving'] })
    expect((await gather).message).toContain('1 disconnected')
    expect(time.now - began).toBeLessThan(5_000)
  })

  it('loses no call that it had not begun with: another member is asked', async () => {
    await worker('a')
    const leaving = await worker('leaving')
    for (let i = 0; i < 2; i++) await caller.call('any:g', 'work')
    await leaving.close()
    const answers = await Promise.all(Array.from({ length: 10 }, () => caller.call('any:g', 'work')))
    expect(countBy(answers)).toEqual({ a: 10 })
  })
})
