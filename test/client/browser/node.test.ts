import type { SealwayError } from '@sealway/protocol'
import type { PageNode } from '../../../client-lib/src/browser/node'
import type { Node } from '../../../client-lib/src/node'
import { Net } from '../../support/net'
import { joinPage } from '../../support/pages'
import { until } from '../../support/until'

let net: Net
let page: PageNode
let node: Node
beforeEach(async () => {
  net = new Net()
  ;[page, node] = await Promise.all([joinPage(net, 'page'), net.join('node')])
})
afterEach(async () => {
  await page.close()
  await net.close()
})

const failure = (promise: Promise<unknown>): Promise<SealwayError> =>
  promise.then(
    (value) => {
      throw new Error(`it did not fail, but gave ${JSON.stringify(value)}`)
    },
    (error: SealwayError) => error,
  )

describe('a page and a node of the Node library', () => {
  const bodies: [string, unknown][] = [
    ['nothing', undefined],
    ['text', 'Grüße, 🌍'],
    ['JSON', { a: [1, null, 'x'], b: { c: true } }],
    ['bytes', Uint8Array.of(0, 1, 254, 255)],
    ['a text with a byte order mark', '\ufefftext'],
  ]

  it.each(bodies)('hand each other %s, in both directions', async (_, body) => {
    for (const [from, to] of [
      [page, node],
      [node, page],
    ] as const) {
      to.on('echo', (command: { body: unknown }) => command.body)
      const answer = await from.call(to.name, 'echo', body)
      expect(body instanceof Uint8Array ? new Uint8Array(answer as Uint8Array) : answer).toEqual(body)
      to.off('echo')
    }
  })

  it('send each other what nobody answers, in its order', async () => {
    const seen = { page: [] as unknown[], node: [] as unknown[] }
    page.on('n', ({ body }) => void seen.page.push(body))
    node.on('n', ({ body }) => void seen.node.push(body))
    const numbers = Array.from({ length: 2_000 }, (_, i) => i)
    for (const n of numbers) {
      void page.send('node', 'n', n)
      void node.send('page', 'n', n)
    }
    await until(() => seen.page.length === 2_000 && seen.node.length === 2_000, 'all are there')
    expect(seen).toEqual({ page: numbers, node: numbers })
  })

  it('answer a thousand calls at once, each its own', async () => {
    page.on('double', async ({ body }) => (body as number) * 2)
    node.on('double', ({ body }) => (body as number) * 2)
    const numbers = Array.from({ length: 1_000 }, (_, i) => i)
    const doubled = numbers.map((n) => n * 2)
    expect(await Promise.all(numbers.map((n) => page.call('node', 'double', n)))).toEqual(doubled)
    expect(await Promise.all(numbers.map((n) => node.call('page', 'double', n)))).toEqual(doubled)
  })

  it('broadcast to one another, and learn who was reached and what each answered', async () => {
    const third = await net.join('third')
    for (const each of [page, node, third]) each.on('who', () => each.name)
    expect([...(await page.broadcast('g', 'who')).targets].sort()).toEqual(['node', 'third'])
    const report = await page.broadcast('g', 'who', undefined, { want: 'replies' })
    expect([...report.replies].sort()).toEqual([
      ['node', 'node'],
      ['third', 'third'],
    ])
    const acks = await node.broadcast('g', 'who', undefined, { want: 'acks' })
    expect([...acks.ok].sort()).toEqual(['page', 'third'])
  })

  it('give receipts to one another', async () => {
    page.on('job', () => 'ignored')
    node.on('job', () => 'ignored')
    expect(await page.sendAcked('node', 'job', 1)).toMatchObject({ by: 'node', status: 'processed' })
    expect(await node.sendAcked('page', 'job', 1)).toMatchObject({ by: 'page', status: 'processed' })
    expect(await page.sendAcked('node', 'job', 1, { until: 'delivered' })).toMatchObject({ status: 'delivered' })
    expect(await node.sendAcked('page', 'job', 1, { until: 'delivered' })).toMatchObject({ status: 'delivered' })
  })

  it('reach one of a group', async () => {
    page.on('work', () => 'by the page')
    expect(await node.call('any:g', 'work')).toBe('by the page')
    node.on('work', () => 'by the node')
    expect(await page.call('any:g', 'work')).toBe('by the node')
  })

  it('tell an expected error, a crash and a missing handler apart, on both sides', async () => {
    page.on('fail', (_, context) => {
      throw context.fail('SOLD_OUT', { left: 0 })
    })
    node.on('fail', (_, context) => {
      throw context.fail('SOLD_OUT', { left: 0 })
    })
    for (const each of [page, node]) {
      each.on('crash', () => {
        throw new Error('boom')
      })
    }
    for (const [from, to] of [
      [page, 'node'],
      [node, 'page'],
    ] as const) {
      const [expected, crashed, missing] = await Promise.all(
        ['fail', 'crash', 'nowhere'].map((action) => failure(from.call(to, action))),
      )
      expect(expected).toMatchObject({ code: 'APPLICATION_ERROR', data: { code: 'SOLD_OUT', data: { left: 0 } } })
      expect(crashed).toMatchObject({ code: 'EXCEPTION', message: expect.stringContaining('boom') })
      expect(missing).toMatchObject({ code: 'NO_HANDLER', outcome: 'not-delivered' })
    }
  })

  it('hand on meta and the trace', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    page.on('trace', ({ meta }, context) => ({ meta, traceparent: context.traceparent, from: context.from }))
    node.on('trace', ({ meta }, context) => ({ meta, traceparent: context.traceparent, from: context.from }))
    const meta = { tenant: 7 }
    const told = { meta: { tenant: 7, traceparent }, traceparent }
    expect(await page.call('node', 'trace', 1, { meta, traceparent })).toEqual({ ...told, from: 'page' })
    expect(await node.call('page', 'trace', 1, { meta, traceparent })).toEqual({ ...told, from: 'node' })
  })

  it('see one another in the list of peers, and as they come and go', async () => {
    expect((await page.peers('g')).map(({ name }) => name).sort()).toEqual(['node', 'page'])
    const changes: string[] = []
    const watching = (async () => {
      for await (const { type, peer } of page.watchPeers('g')) {
        changes.push(`${peer.name} ${type}`)
        if (peer.name === 'late' && type === 'left') return
      }
    })()
    await until(() => changes.length === 2, 'the two are known')
    const late = await net.join('late')
    await late.close()
    await watching
    expect(changes.slice(2)).toEqual(['late joined', 'late left'])
  })

  it('a call with a signal ends when it fires, and its handler is told', async () => {
    const signals: AbortSignal[] = []
    const forever = (_: unknown, context: { signal: AbortSignal }) => {
      signals.push(context.signal)
      return new Promise<void>(() => {})
    }
    page.on('wait', forever)
    node.on('wait', forever)
    for (const [from, to] of [
      [page, 'node'],
      [node, 'page'],
    ] as const) {
      const controller = new AbortController()
      const failed = failure(from.call(to, 'wait', undefined, { signal: controller.signal }))
      await until(() => signals.length > 0, 'the handler runs')
      controller.abort()
      expect(await failed).toMatchObject({ code: 'ABORTED', outcome: 'unknown' })
      const signal = signals.pop()!
      await until(() => signal.aborted, 'the handler is told')
    }
  })
})
