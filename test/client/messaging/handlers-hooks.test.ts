import type { Handled, PluginHooks } from '../../../client-lib/src/messaging/hooks.js'
import type { Node } from '../../../client-lib/src/node.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let net: Net
let alice: Node
let bob: Node
beforeEach(async () => {
  net = new Net()
  ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
})
afterEach(() => net.close())

const ask = (action: string, body?: unknown) => alice.call('bob', action, body)

describe('a hook before', () => {
  it('runs in front of middlewares and handler, in the order in which hooks were added', async () => {
    const steps: string[] = []
    bob.on(
      'ask',
      (_command, _ctx, next) => {
        steps.push('middleware')
        return next()
      },
      () => void steps.push('handler'),
    )
    bob.before(() => void steps.push('first'))
    bob.before(async () => {
      await turns(2)
      steps.push('second, later')
    })
    bob.before('ask', () => void steps.push('of ask'))
    bob.before('other', () => void steps.push('of other'))
    bob.before('*', () => void steps.push('of all'))
    await ask('ask')
    expect(steps).toEqual(['first', 'second, later', 'of ask', 'of all', 'middleware', 'handler'])
  })

  it('answers by what it throws: expected errors and crashes', async () => {
    const handler = jest.fn()
    bob.on('*', handler)
    bob.before('guarded', (_command, ctx) => {
      throw ctx.fail('FORBIDDEN')
    })
    bob.before('later', async (_command, ctx) => Promise.reject(ctx.fail('LATER')))
    bob.before('broken', () => {
      throw new Error('broken hook')
    })
    expect(await rejection(ask('guarded'))).toMatchObject({ data: { code: 'FORBIDDEN' } })
    expect(await rejection(ask('later'))).toMatchObject({ data: { code: 'LATER' } })
    expect(await rejection(ask('broken'))).toMatchObject({ code: 'EXCEPTION' })
    expect(handler).not.toHaveBeenCalled()
    await ask('other')
    expect(handler).toHaveBeenCalledTimes(1)
  })

  it('comes and goes while the node runs', async () => {
    const seen: string[] = []
    bob.on('ask', () => 1)
    const off = bob.before(({ action }) => void seen.push(action))
    await ask('ask')
    off()
    off()
    await ask('ask')
    expect(seen).toEqual(['ask'])
  })
})

describe('a hook after', () => {
  const handledBy = (node: Node) => {
    const handled: [string, Handled][] = []
    node.after(({ action }, _ctx, what) => void handled.push([action, what]))
    return handled
  }

  it('sees each of the ways in which a message can end, and how long it took', async () => {
    const handled = handledBy(bob)
    const boom = new Error('boom')
    bob.on('ask', () => ({ n: 1 }))
    bob.on('ask later', async () => 'later')
    bob.on('fail', (_command, ctx) => {
      throw ctx.fail('NO', { why: 1 })
    })
    bob.on('crash', () => Promise.reject(boom))
    await ask('ask')
    await ask('ask later')
    await rejection(ask('fail'))
    await rejection(ask('crash'))
    await rejection(ask('unheard-of'))
    expect(handled).toEqual([
      ['ask', { type: 'answered', result: { n: 1 }, durationMs: expect.any(Number) }],
      ['ask later', { type: 'answered', result: 'later', durationMs: expect.any(Number) }],
      ['fail', { type: 'failed', error: expect.objectContaining({ code: 'NO' }), durationMs: expect.any(Number) }],
      ['crash', { type: 'crashed', error: boom, durationMs: expect.any(Number) }],
      ['unheard-of', { type: 'refused', error: expect.objectContaining({ code: 'NO_HANDLER' }), durationMs: 0 }],
    ])
    for (const [, { durationMs }] of handled) expect(durationMs).toBeGreaterThanOrEqual(0)
  })

  it('sees what a hook before threw', async () => {
    const handled = handledBy(bob)
    bob.on('ask', () => 1)
    bob.before((_command, ctx) => {
      throw ctx.fail('FORBIDDEN')
    })
    await rejection(ask('ask'))
    expect(handled).toMatchObject([['ask', { type: 'failed', error: { code: 'FORBIDDEN' } }]])
  })

  it('changes no answer, and holds none up', async () => {
    bob.on('ask', () => 'answer')
    bob.after(() => 'another answer')
    bob.after(() => new Promise(() => {}))
    expect(await ask('ask')).toBe('answer')
  })

  it('that throws, at once or later, is reported, and the answer is the same', async () => {
    const crashed: unknown[] = []
    bob.events.on('handlerError', ({ action, from, error }) => crashed.push([action, from, error]))
    bob.on('ask', () => 'answer')
    bob.after('ask', () => {
      throw new Error('at once')
    })
    bob.after('ask', () => Promise.reject(new Error('later')))
    expect(await ask('ask')).toBe('answer')
    await until(() => crashed.length === 2, 'both are reported')
    expect(crashed).toEqual([
      ['ask', 'alice', new Error('at once')],
      ['ask', 'alice', new Error('later')],
    ])
  })
})

describe('hooks', () => {
  it('see events and fires, and nothing that the library says to itself', async () => {
    const seen: string[] = []
    bob.before(({ action }) => void seen.push(action))
    bob.subscribe('orders.created', () => {})
    bob.on('note', () => {})
    await alice.publish('orders.created', 1)
    await alice.send('bob', 'note')
    await until(() => seen.length >= 2, 'both')
    await turns()
    expect(seen.sort()).toEqual(['note', 'orders.created'])
  })

  it.each([undefined, null, 'text', {}])('must be functions, not %p', (hook) => {
    const add = { before: bob.before.bind(bob), after: bob.after.bind(bob) } as unknown as {
      [name: string]: (...args: unknown[]) => void
    }
    for (const name of ['before', 'after']) {
      expect(() => add[name]!('ask', hook)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
      if (typeof hook !== 'string') {
        expect(() => add[name]!(hook)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
      }
    }
  })
})

describe('a plugin', () => {
  /** Writes down all that it is told. */
  class Recorder implements PluginHooks {
    readonly name = 'recorder'
    readonly told: unknown[] = []
    installed: Node | undefined
    install(node: Node) {
      this.installed = node
      node.on('recorder.read', () => this.told)
    }
    connect({ epoch }: { epoch: number }) {
      this.told.push(`connect ${epoch}`)
    }
    disconnect({ error }: { error: { code: string } }) {
      this.told.push(`disconnect ${error.code}`)
    }
    before({ action }: { action: string }) {
      this.told.push(`before ${action}`)
    }
    after({ action }: { action: string }, _ctx: unknown, { type }: Handled) {
      this.told.push(`after ${action} ${type}`)
    }
    error({ action, error }: { action: string; error: unknown }) {
      this.told.push(`error ${action} ${(error as Error).message}`)
    }
  }

  it('is told of the link, of each message and of crashes, and may add handlers', async () => {
    const plugin = new Recorder()
    bob.on('ask', () => {
      throw new Error('boom')
    })
    expect(bob.use(plugin)).toBe(bob)
    expect(plugin.installed).toBe(bob)
    await rejection(ask('ask'))
    net.cut('bob')
    await until(() => plugin.told.includes('connect 2'), 'it is back')
    expect(plugin.told).toEqual([
      'connect 1',
      'before ask',
      'after ask crashed',
      'error ask boom',
      'disconnect LINK_LOST',
      'connect 2',
    ])
    expect(await ask('recorder.read')).toContain('connect 2')
  })

  it('is used once by its name', () => {
    bob.use({ name: 'mine' })
    expect(() => bob.use({ name: 'mine' })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => bob.use({ name: '' })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => bob.use(undefined as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it('that cannot be installed is not in use', async () => {
    const install = jest.fn().mockImplementationOnce(() => {
      throw new Error('not now')
    })
    const before = jest.fn()
    expect(() => bob.use({ name: 'mine', install, before })).toThrow('not now')
    bob.on('ask', () => 1)
    await ask('ask')
    expect(before).not.toHaveBeenCalled()
    bob.use({ name: 'mine', install, before })
    await ask('ask')
    expect(before).toHaveBeenCalledTimes(1)
  })

  it('whose connect, disconnect or error throws harms nobody', async () => {
    const thrower = () => {
      throw new Error('the plugin is broken')
    }
    bob.on('ask', thrower)
    bob.use({ name: 'mine', connect: thrower, disconnect: thrower, error: thrower })
    expect((await rejection(ask('ask'))).code).toBe('EXCEPTION')
    const back = new Promise((resolve) => bob.events.on('connected', resolve))
    net.cut('bob')
    await back
    expect((await rejection(ask('ask'))).code).toBe('EXCEPTION')
  })
})
