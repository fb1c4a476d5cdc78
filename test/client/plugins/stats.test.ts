import type { Node } from '../../../client-lib/src/node.js'
import { Histogram } from '../../../client-lib/src/plugins/histogram.js'
import { type NodeStats, stats } from '../../../client-lib/src/plugins/stats.js'
import { Net } from '../../support/net.js'
import { rejection } from '../../support/until.js'

describe('a histogram', () => {
  it('knows percentiles to within 9 %, whatever the scale', () => {
    for (const scale of [0.01, 1, 1_000]) {
      const histogram = new Histogram()
      for (let i = 1; i <= 1_000; i++) histogram.add(i * scale)
      for (const part of [0.01, 0.5, 0.95, 0.99, 1]) {
        const exact = 1_000 * part * scale
        expect(histogram.percentile(part) / exact).toBeGreaterThanOrEqual(1 - 1e-9)
        expect(histogram.percentile(part) / exact).toBeLessThan(1.0906)
      }
      expect([histogram.count, histogram.maxMs]).toEqual([1_000, 1_000 * scale])
    }
  })

  it('is 0 where nothing was added, and never more than the longest', () => {
    const histogram = new Histogram()
    expect([histogram.percentile(0.5), histogram.maxMs]).toEqual([0, 0])
    histogram.add(1.01)
    expect(histogram.percentile(0.5)).toBe(1.01)
  })

  it('takes what is too short or too long for it', () => {
    const histogram = new Histogram()
    for (const ms of [0, -1, 1e-9, 1e12, Number.POSITIVE_INFINITY]) histogram.add(ms)
    expect(histogram.count).toBe(5)
    expect(histogram.percentile(0.2)).toBeLessThanOrEqual(0.0011)
    expect(histogram.percentile(1)).toBeGreaterThan(1_000_000)
  })
})

describe('the plugin stats', () => {
  let net: Net
  let alice: Node
  let bob: Node
  beforeEach(async () => {
    net = new Net()
    ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
  })
  afterEach(() => net.close())

  it('counts what became of the messages of each action', async () => {
    const plugin = stats({ clock: () => 1_700_000_000_000 })
    bob.use(plugin)
    bob.on('ask', ({ body }, ctx) => {
      if (body === 'fail') throw ctx.fail('NO')
      if (body === 'crash') throw new Error('boom')
      return body
    })
    for (const body of [1, 2, 3, 'fail', 'crash', 'crash']) await alice.call('bob', 'ask', body).catch(() => {})
    await rejection(alice.call('bob', 'unheard-of'))
    const read = plugin.read()
    expect(read).toMatchObject({ node: 'bob', since: 1_700_000_000_000, actions: ['stats.read', 'ask'] })
    expect(read.byAction).toEqual([
      {
        action: 'ask',
        count: 6,
        answered: 3,
        failed: 1,
        crashed: 2,
        refused: 0,
        broken: 0,
        p50Ms: expect.any(Number),
        p95Ms: expect.any(Number),
        p99Ms: expect.any(Number),
        maxMs: expect.any(Number),
      },
      expect.objectContaining({ action: 'unheard-of', count: 1, refused: 1, answered: 0, maxMs: 0 }),
    ])
    const [{ p50Ms, p95Ms, p99Ms, maxMs }] = read.byAction as [NodeStats['byAction'][number]]
    expect([p50Ms > 0, p50Ms <= p95Ms, p95Ms <= p99Ms, p99Ms <= maxMs]).toEqual([true, true, true, true])
  })

  it('is read by others as an action, under its name or another, or not at all', async () => {
    bob.use(stats())
    expect(await alice.call<NodeStats>('bob', 'stats.read')).toMatchObject({ node: 'bob', byAction: [] })
    expect((await alice.call<NodeStats>('bob', 'stats.read')).byAction).toMatchObject([
      { action: 'stats.read', count: 1, answered: 1 },
    ])
    const carol = await net.join('carol')
    carol.use(stats({ action: 'mine' }))
    expect(await alice.call<NodeStats>('carol', 'mine')).toMatchObject({ node: 'carol', actions: ['mine'] })
    const dave = await net.join('dave')
    dave.use(stats({ action: false }))
    expect((await rejection(alice.call('dave', 'stats.read'))).code).toBe('NO_HANDLER')
  })

  it('counts names beyond a thousand together, so that nobody can fill its memory', async () => {
    const plugin = stats()
    bob.use(plugin)
    const calls = Array.from({ length: 1_500 }, (_, i) => alice.call('bob', `name-${i}`).catch(() => {}))
    await Promise.all(calls)
    const { byAction } = plugin.read()
    expect(byAction).toHaveLength(1_001)
    expect(byAction[0]).toMatchObject({ action: '(others)', count: 500, refused: 500 })
  })
})
