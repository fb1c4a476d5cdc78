import type { Node } from '../../../client-lib/src/node.js'
import { auth, requires, type User, userOf } from '../../../client-lib/src/plugins/auth.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

const users = new Map<string, User>([
  ['token of ann', { name: 'ann', roles: ['clerk'] }],
  ['token of bert', { name: 'bert' }],
  ['token of cleo', { name: 'cleo', roles: ['clerk'], expiresAt: 1_000 }],
])

let net: Net
let alice: Node
let bob: Node
let now: number
beforeEach(async () => {
  now = 500
  net = new Net()
  ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
  bob.use(auth({ verify: (token) => users.get(token) }))
  const clock = () => now
  bob.on('who', (_command, ctx) => userOf(ctx, now)?.name ?? 'nobody')
  bob.on('pay', requires('clerk', { clock }), (_command, ctx) => `paid by ${userOf(ctx, now)!.name}`)
  bob.on('look', requires(undefined, { clock }), () => 'seen')
})
afterEach(() => net.close())

const ask = (action: string, body?: unknown) => alice.call('bob', action, body)
const login = (user: string) => ask('auth.login', { token: `token of ${user}` })
const expected = async (action: string, body?: unknown) =>
  ((await rejection(ask(action, body))) as { data: unknown }).data

describe('a login', () => {
  it('is answered with name and roles, and counts for what follows on that link', async () => {
    expect(await ask('who')).toBe('nobody')
    expect(await login('ann')).toEqual({ name: 'ann', roles: ['clerk'] })
    expect([await ask('who'), await ask('pay')]).toEqual(['ann', 'paid by ann'])
    expect(await login('bert')).toEqual({ name: 'bert', roles: [] })
    expect(await ask('who')).toBe('bert')
  })

  it('does not count for another node', async () => {
    await login('ann')
    const carol = await net.join('carol')
    expect(await carol.call('bob', 'who')).toBe('nobody')
  })

  it.each<[string, unknown]>([
    ['a token of nobody', { token: 'wrong' }],
    ['no token', {}],
    ['an empty token', { token: '' }],
    ['a token that is no text', { token: ['token of ann'] }],
    ['no body', undefined],
    ['a body that is null', null],
    ['a body that is text', 'token of ann'],
  ])('with %s is UNAUTHENTICATED, and ends an earlier one', async (_what, body) => {
    await login('ann')
    expect(await expected('auth.login', body)).toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(await ask('who')).toBe('nobody')
  })

  it('ends with a logout', async () => {
    await login('ann')
    await ask('auth.logout')
    expect(await ask('who')).toBe('nobody')
  })

  it('ends with the link of its sender', async () => {
    await login('ann')
    net.cut('alice')
    await until(() => !alice.connected, 'the link is gone')
    await until(() => alice.connected, 'alice is back')
    expect(await ask('who')).toBe('nobody')
  })

  it('ends when the user says so', async () => {
    await login('cleo')
    expect(await ask('pay')).toBe('paid by cleo')
    now = 1_000
    expect([await ask('who'), await expected('pay')]).toMatchObject(['nobody', { code: 'UNAUTHENTICATED' }])
  })

  it('whose link went while the token was verified counts for nobody', async () => {
    let finish = (_user: User): void => {}
    let started = false
    const dave = await net.join('dave')
    dave.use(
      auth({
        verify: () =>
          new Promise<User>((resolve) => {
            finish = resolve
            started = true
          }),
      }),
    )
    dave.on('who', (_command, ctx) => userOf(ctx)?.name ?? 'nobody')
    const login = rejection(alice.call('dave', 'auth.login', { token: 'any' }))
    await until(() => started, 'it is being verified')
    net.cut('alice')
    await login
    await until(() => alice.connected, 'alice is back')
    await turns()
    finish({ name: 'ann' })
    await turns()
    expect(await alice.call('dave', 'who')).toBe('nobody')
  })

  it('is the one that was sent last, however long each takes to verify', async () => {
    const finish = new Map<string, () => void>()
    const dave = await net.join('dave')
    const verify = (token: string) => new Promise<User>((resolve) => finish.set(token, () => resolve({ name: token })))
    dave.use(auth({ verify }))
    dave.on('who', (_command, ctx) => userOf(ctx)?.name ?? 'nobody')
    const logins = ['first', 'second'].map((token) => alice.call('dave', 'auth.login', { token }))
    await until(() => finish.has('first'), 'the first is being verified')
    await turns()
    expect(finish.has('second')).toBe(false)
    finish.get('first')!()
    await until(() => finish.has('second'), 'the second is being verified')
    finish.get('second')!()
    await Promise.all(logins)
    expect(await alice.call('dave', 'who')).toBe('second')
  })

  it('that cannot be verified because that crashes says nothing more than that', async () => {
    const dave = await net.join('dave')
    dave.use(auth({ verify: () => Promise.reject(new Error('the directory is down')) }))
    expect(await rejection(alice.call('dave', 'auth.login', { token: 'x' }))).toMatchObject({ code: 'EXCEPTION' })
  })
})

describe('the guard', () => {
  it('lets nobody through who is not logged in', async () => {
    expect(await expected('pay')).toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(await expected('look')).toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('wants the role, where it is given one', async () => {
    await login('bert')
    expect(await expected('pay')).toEqual({ code: 'FORBIDDEN', data: { role: 'clerk' } })
    expect(await ask('look')).toBe('seen')
  })
})
