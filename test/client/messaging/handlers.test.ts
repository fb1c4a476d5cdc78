import type { Middleware } from '../../../client-lib/src/messaging/middleware.js'
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

describe('a handler', () => {
  it('is refused where the action has one already, and the first one stays', async () => {
    bob.on('ask', () => 'first')
    expect(() => bob.on('ask', () => 'second')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', outcome: 'not-delivered' }),
    )
    expect(() => bob.once('ask', () => 'second')).toThrow(/has a handler already/)
    expect(await ask('ask')).toBe('first')
  })

  it.each<[string, unknown[]]>([
    ['no handler', []],
    ['a handler that is no function', ['text']],
    ['undefined', [undefined]],
    ['null', [null]],
    ['options without a handler', [{ concurrency: 1 }]],
    ['options behind', [() => 1, { concurrency: 1 }]],
    ['a middleware that is no function', [{ concurrency: 1 }, 'text', () => 1]],
    ['concurrency 0', [{ concurrency: 0 }, () => 1]],
    ['concurrency 1.5', [{ concurrency: 1.5 }, () => 1]],
    ['concurrency NaN', [{ concurrency: Number.NaN }, () => 1]],
    ['concurrency as text', [{ concurrency: '1' }, () => 1]],
  ])('is refused with %s', (_what, steps) => {
    const on = bob.on.bind(bob) as unknown as (action: string, ...steps: unknown[]) => void
    expect(() => on('ask', ...steps)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(bob.actions).toEqual([])
  })

  it.each<[string, unknown]>([
    ['empty', ''],
    ['of 256 bytes', 'ä'.repeat(128)],
    ['no text', 7],
    ['undefined', undefined],
  ])('is refused for an action that is %s', (_what, action) => {
    expect(() => bob.on(action as string, () => 1)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => bob.before(action as string, undefined as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })

  it('that is missing is NO_HANDLER at once, and named', async () => {
    const error = await rejection(ask('unheard-of', {}))
    expect(error).toMatchObject({ code: 'NO_HANDLER', outcome: 'not-delivered', hop: 'receiver', target: 'bob' })
    expect(error.message).toContain('unheard-of')
  })

  it('for * takes what has none of its own, and is told which action it is', async () => {
    bob.on('*', ({ action }) => `any ${action}`)
    bob.on('ask', () => 'own')
    expect(await ask('ask')).toBe('own')
    expect(await ask('other')).toBe('any other')
    bob.off('ask')
    expect(await ask('ask')).toBe('any ask')
  })

  it('goes with off, and only if it is the one that is meant', async () => {
    const handler = () => 'here'
    bob.on('ask', handler)
    expect(bob.off('ask', () => 'another')).toBe(false)
    expect(await ask('ask')).toBe('here')
    expect(bob.off('ask', handler)).toBe(true)
    expect(bob.off('ask')).toBe(false)
    expect((await rejection(ask('ask'))).code).toBe('NO_HANDLER')
  })

  it('behind middlewares is the one that off knows', () => {
    const handler = () => 1
    bob.on('ask', (_command, _ctx, next) => next(), handler)
    expect([bob.off('ask', handler), bob.actions]).toEqual([true, []])
  })

  it('set with once takes one message, even where many come in one frame', async () => {
    const got: unknown[] = []
    bob.once('note', ({ body }) => void got.push(body))
    await Promise.all([1, 2, 3].map((n) => alice.send('bob', 'note', n)))
    await until(() => got.length > 0, 'one note')
    await turns()
    expect(got).toEqual([1])
    bob.once('ask', async () => 'once')
    const both = [ask('ask'), rejection(ask('ask'))] as const
    expect([await both[0], (await both[1]).code]).toEqual(['once', 'NO_HANDLER'])
    bob.on('ask', () => 'again')
    expect(await ask('ask')).toBe('again')
  })

  it('is replaced while it runs: what runs goes on, what comes gets the new one', async () => {
    let finish = (_answer: string): void => {}
    let started = false
    bob.on(
      'ask',
      () =>
        new Promise((resolve) => {
          finish = resolve
          started = true
        }),
    )
    const running = ask('ask')
    await until(() => started, 'it runs')
    bob.replace('ask', () => 'new')
    expect(await ask('ask')).toBe('new')
    finish('old')
    expect(await running).toBe('old')
    bob.replace('fresh', () => 'where there was none')
    expect(await ask('fresh')).toBe('where there was none')
  })
})

describe('middlewares', () => {
  it('run in order around the handler, and see its answer', async () => {
    const steps: string[] = []
    const mark =
      (name: string): Middleware =>
      async (_command, _ctx, next) => {
        steps.push(`${name} in`)
        const answer = await next()
        steps.push(`${name} out ${answer}`)
        return answer
      }
    bob.on('ask', mark('a'), mark('b'), () => {
      steps.push('handler')
      return 1
    })
    expect(await ask('ask')).toBe(1)
    expect(steps).toEqual(['a in', 'b in', 'handler', 'b out 1', 'a out 1'])
  })

  it('change the answer by what they return, and leave it where they return nothing', async () => {
    bob.on(
      'twice',
      async (_command, _ctx, next) => ((await next()) as number) * 2,
      () => 21,
    )
    bob.on(
      'seen',
      (_command, _ctx, next) => void next(),
      () => 'answer',
    )
    bob.on(
      'seen later',
      async (_command, _ctx, next) => void (await next()),
      async () => 'answer',
    )
    expect([await ask('twice'), await ask('seen'), await ask('seen later')]).toEqual([42, 'answer', 'answer'])
  })

  it('keep the rest from running: by an answer, by an expected error, by a crash', async () => {
    const handler = jest.fn()
    bob.on('cached', () => 'from the cache', handler)
    bob.on('nothing', () => undefined, handler)
    bob.on(
      'guarded',
      (_command, ctx) => {
        throw ctx.fail('FORBIDDEN', { role: 'clerk' })
      },
      handler,
    )
    bob.on(
      'broken',
      async () => {
        throw new Error('broken middleware')
      },
      handler,
    )
    expect(await ask('cached')).toBe('from the cache')
    expect(await ask('nothing')).toBeUndefined()
    expect(await rejection(ask('guarded'))).toMatchObject({
      code: 'APPLICATION_ERROR',
      data: { code: 'FORBIDDEN', data: { role: 'clerk' } },
    })
    expect(await rejection(ask('broken'))).toMatchObject({ code: 'EXCEPTION' })
    expect(handler).not.toHaveBeenCalled()
  })

  it('may catch what comes after them', async () => {
    bob.on(
      'ask',
      async (_command, _ctx, next) => {
        try {
          return await next()
        } catch (error) {
          return `caught ${(error as Error).message}`
        }
      },
      () => Promise.reject(new Error('boom')),
    )
    expect(await ask('ask')).toBe('caught boom')
  })

  it('crash where they call next twice, and the handler runs once', async () => {
    const handler = jest.fn(() => 1)
    bob.on('ask', async (_command, _ctx, next) => [await next(), await next()], handler)
    expect((await rejection(ask('ask'))).message).toMatch(/next\(\) twice/)
    expect(handler).toHaveBeenCalledTimes(1)
  })

  it('that fail without waiting for the rest leave no rejection behind', async () => {
    const unhandled = jest.fn()
    process.on('unhandledRejection', unhandled)
    try {
      bob.on(
        'ask',
        async (_command, _ctx, next) => {
          void next()
          throw new Error('too early')
        },
        () => Promise.reject(new Error('nobody waits for this')),
      )
      expect((await rejection(ask('ask'))).message).toMatch(/too early/)
      await turns()
      expect(unhandled).not.toHaveBeenCalled()
    } finally {
      process.off('unhandledRejection', unhandled)
    }
  })

  it('and options go together, in any number', async () => {
    const add: Middleware = async (_command, _ctx, next) => ((await next()) as number) + 1
    bob.on('ask', { concurrency: 3 }, add, add, add, () => 0)
    expect(await ask('ask')).toBe(3)
    bob.replace('ask', add, add, add, add, add, () => 0)
    expect(await ask('ask')).toBe(5)
  })
})

describe('whatever a handler throws', () => {
  const getter = Object.defineProperty(new Error('x'), 'message', {
    get() {
      throw new Error('from the getter')
    },
  })
  const code = Object.defineProperty(new Error('with a code that throws'), 'code', {
    get() {
      throw new Error('from the getter')
    },
  })
  const thenThrows = Object.defineProperty({}, 'then', {
    get() {
      throw new Error('from then')
    },
  })
  const proxy = new Proxy(new Error('p'), {
    get() {
      throw new Error('from the proxy')
    },
    getPrototypeOf() {
      throw new Error('from the proxy')
    },
  })

  it.each<[string, unknown]>([
    ['an error whose message is a getter that throws', getter],
    ['an error whose code is a getter that throws', code],
    ['a proxy that throws at every touch', proxy],
    ['a symbol', Symbol('s')],
    ['a number', 42],
    ['a function', () => {}],
    [
      'a revoked proxy',
      (() => {
        const { proxy, revoke } = Proxy.revocable({}, {})
        revoke()
        return proxy
      })(),
    ],
  ])('%s: is reported, answered, and the node goes on', async (_what, thrown) => {
    const crashed = jest.fn()
    bob.events.on('handlerError', crashed)
    bob.on('now', () => {
      throw thrown
    })
    bob.on('later', () => Promise.reject(thrown))
    bob.on(
      'through a middleware',
      (_command, _ctx, next) => next(),
      () => Promise.reject(thrown),
    )
    bob.on('alive', () => 'yes')
    for (const action of ['now', 'later', 'through a middleware']) {
      expect(await rejection(ask(action))).toMatchObject({ code: 'EXCEPTION', outcome: 'unknown', hop: 'receiver' })
    }
    expect(crashed).toHaveBeenCalledTimes(3)
    expect(await ask('alive')).toBe('yes')
  })

  it('an answer whose `then` throws is a crash too', async () => {
    bob.on('ask', () => thenThrows)
    bob.on(
      'later',
      async (_command, _ctx, next) => next(),
      () => thenThrows,
    )
    expect((await rejection(ask('ask'))).message).toMatch(/from then/)
    expect((await rejection(ask('later'))).message).toMatch(/from then/)
  })

  it('an answer that is a strange thenable counts once', async () => {
    bob.on('ask', () => ({
      // biome-ignore lint/suspicious/noThenProperty: that is what is tested
      then(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
        resolve('first')
        resolve('second')
        reject(new Error('third'))
        throw new Error('fourth')
      },
    }))
    expect(await ask('ask')).toBe('first')
  })

  it('goes to the logger with its stack, and not to the caller', async () => {
    const lines: { fields: { err?: Error; action?: string; from?: string }; message: string }[] = []
    const log = (fields: object, message: string) => void lines.push({ fields, message })
    const carol = await net.join('carol', { logger: { debug: log, info: log, warn: log, error: log } })
    carol.on('ask', () => {
      throw new Error('boom')
    })
    const error = await rejection(alice.call('carol', 'ask'))
    const crash = lines.find(({ message }) => message === 'a handler crashed')
    expect(crash?.fields).toMatchObject({ action: 'ask', from: 'alice' })
    expect(crash?.fields.err?.stack).toContain('handlers.test')
    expect(JSON.stringify({ ...error, message: error.message })).not.toContain('handlers.test')
  })

  it('is survived where the logger throws as well, and the listener', async () => {
    const thrower = () => {
      throw new Error('the logger is broken')
    }
    const carol = await net.join('carol', { logger: { debug: thrower, info: thrower, warn: thrower, error: thrower } })
    carol.events.on('handlerError', thrower)
    carol.on('ask', () => {
      throw new Error('boom')
    })
    carol.on('later', async () => {
      throw new Error('boom')
    })
    for (const action of ['ask', 'later', 'ask']) {
      expect((await rejection(alice.call('carol', action))).message).toMatch(/boom/)
    }
    expect(carol.connected).toBe(true)
  })
})

describe('after close', () => {
  it('every verb is CLOSED, not delivered', async () => {
    await alice.close()
    for (const verb of [
      () => alice.send('bob', 'x'),
      () => alice.sendAcked('bob', 'x'),
      () => alice.call('bob', 'x'),
      () => alice.broadcast('g', 'x'),
      () => alice.gather('g', 'x'),
    ]) {
      expect(await rejection(verb())).toMatchObject({ code: 'CLOSED', outcome: 'not-delivered' })
    }
    for (const question of [() => alice.peers('g'), () => alice.ping(), () => alice.ping('bob')]) {
      expect(['CLOSED', 'NOT_CONNECTED']).toContain((await rejection(question())).code)
    }
  })
})

describe('a timeout', () => {
  it.each([0, -1, Number.NaN, Number.NEGATIVE_INFINITY, '5' as unknown as number])(
    'of %p is refused by every verb with INVALID_ARGUMENT, and nothing is sent',
    async (timeout) => {
      const got = jest.fn()
      bob.on('*', got)
      for (const verb of [
        () => alice.send('bob', 'x', 1, { timeout }),
        () => alice.sendAcked('bob', 'x', 1, { timeout }),
        () => alice.call('bob', 'x', 1, { timeout }),
        () => alice.broadcast('g', 'x', 1, { timeout }),
        () => alice.gather('g', 'x', 1, { timeout }),
        () => alice.peers('g', { timeout }),
        () => alice.ping(undefined, { timeout }),
        () => alice.ping('bob', { timeout }),
      ]) {
        expect(await rejection(verb())).toMatchObject({ code: 'INVALID_ARGUMENT', outcome: 'not-delivered' })
      }
      await turns()
      expect(got).not.toHaveBeenCalled()
    },
  )
})

describe('a signal that has fired already', () => {
  it('is ABORTED by every verb, with its reason as cause, and nothing is sent', async () => {
    const got = jest.fn()
    bob.on('*', got)
    const signal = AbortSignal.abort(new Error('the user left'))
    for (const verb of [
      () => alice.send('bob', 'x', 1, { signal }),
      () => alice.sendAcked('bob', 'x', 1, { signal }),
      () => alice.call('bob', 'x', 1, { signal }),
      () => alice.broadcast('g', 'x', 1, { signal }),
      () => alice.gather('g', 'x', 1, { signal }),
      () => alice.peers('g', { signal }),
      () => alice.ping(undefined, { signal }),
      () => alice.ping('bob', { signal }),
    ]) {
      expect(await rejection(verb())).toMatchObject({
        code: 'ABORTED',
        outcome: 'not-delivered',
        cause: { message: 'the user left' },
      })
    }
    await turns()
    expect(got).not.toHaveBeenCalled()
  })
})
