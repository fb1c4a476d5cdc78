import { channel } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { diagnostics } from '../../../client-lib/src/messaging/diagnostics.js'
import type { Node } from '../../../client-lib/src/node.js'
import { tableRows } from '../../support/markdown.js'
import { Net } from '../../support/net.js'
import { rejection, until } from '../../support/until.js'

let net: Net
let alice: Node
let bob: Node
const told: { readonly channel: string; readonly [field: string]: unknown }[] = []
const names = ['sent', 'settled', 'received', 'handled'] as const
const listeners = names.map((name) => ({
  name: `sealway.client.${name}`,
  listen: (message: unknown) => void told.push({ channel: name, ...(message as object) }),
}))
const subscribe = (): void => {
  for (const { name, listen } of listeners) channel(name).subscribe(listen)
}

beforeEach(async () => {
  told.length = 0
  net = new Net()
  ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
})
afterEach(async () => {
  for (const { name, listen } of listeners) channel(name).unsubscribe(listen)
  await net.close()
})

const of = (name: string) => told.filter(({ channel }) => channel === name).map(({ channel: _name, ...rest }) => rest)
const anyNumber = expect.any(Number) as number

describe('diagnostics channels', () => {
  it('tell of a call at both ends, with no body', async () => {
    subscribe()
    bob.on('add', async ({ body }) => `canary-${(body as { text: string }).text}`)
    await alice.call('bob', 'add', { text: 'canary' })
    const sent = { node: 'alice', verb: 'call', to: 'bob', action: 'add' }
    const received = {
      ...{ node: 'bob', from: 'alice', to: 'bob', action: 'add' },
      key: expect.stringMatching(/^alice/) as string,
      bytes: anyNumber,
    }
    expect(of('sent')).toEqual([sent])
    await until(() => of('settled').length === 1, 'it settled')
    expect(of('settled')).toEqual([{ ...sent, durationMs: anyNumber, code: undefined }])
    expect(of('received')).toEqual([received])
    expect(of('handled')).toEqual([{ ...received, type: 'answered', durationMs: anyNumber }])
    expect(JSON.stringify(told)).not.toContain('canary')
  })

  it('tell what failed, crashed and was refused', async () => {
    subscribe()
    bob.on('fail', (_command, ctx) => {
      throw ctx.fail('NO')
    })
    bob.on('crash', () => Promise.reject(new Error('boom')))
    for (const action of ['fail', 'crash', 'nothing']) await rejection(alice.call('bob', action))
    await until(() => of('settled').length === 3, 'all settled')
    expect(of('handled').map(({ type }) => type)).toEqual(['failed', 'crashed', 'refused'])
    expect(of('settled').map(({ code }) => code)).toEqual(['APPLICATION_ERROR', 'EXCEPTION', 'NO_HANDLER'])
  })

  it('tell of every verb', async () => {
    subscribe()
    bob.on('do', () => 1)
    bob.on('items', function* () {
      yield 1
    })
    await alice.send('bob', 'do')
    await alice.sendAcked('bob', 'do')
    await alice.gather('g', 'do')
    await alice.broadcast('g', 'do')
    await alice.publish('it.happened')
    for await (const _item of alice.stream('bob', 'items')) break
    expect(of('sent').map(({ verb, to }) => [verb, to])).toEqual([
      ['send', 'bob'],
      ['sendAcked', 'bob'],
      ['gather', 'g'],
      ['broadcast', 'g'],
      ['publish', 'g'],
      ['stream', 'bob'],
    ])
  })

  it('are those that are documented', () => {
    const rows = tableRows(readFileSync(join(__dirname, '../../../docs/observability.md'), 'utf8'))
    const documented = rows.map(([first]) => /^`(sealway\.client\.\w+)`$/.exec(first!)?.[1]).filter(Boolean)
    expect(documented).toEqual(Object.values(diagnostics).map(({ name }) => name))
  })

  it('do not change what a verb does, and are silent when nobody listens', async () => {
    bob.on('add', () => 2)
    expect(await alice.call('bob', 'add')).toBe(2)
    expect(told).toEqual([])
    subscribe()
    expect((await rejection(alice.call('nobody', 'add'))).code).toBe('UNKNOWN_NODE')
    expect(() => alice.stream('NOT A NAME', 'add')).toThrow(expect.objectContaining({ code: 'INVALID_NAME' }))
  })
})

describe('what runs around the verbs of a node', () => {
  it('does not keep a verb from running, nor run it twice, when it throws or does nothing', async () => {
    let handled = 0
    bob.on('add', () => ++handled)
    alice.use({
      name: 'throws',
      sending: () => {
        throw new Error('no')
      },
    })
    alice.use({ name: 'silent', sending: () => {} })
    alice.use({
      name: 'twice',
      sending: (_sending, next) => {
        next({})
        next({}).catch(() => {})
      },
    })
    expect(await alice.call('bob', 'add')).toBe(1)
    expect(handled).toBe(1)
  })
})
