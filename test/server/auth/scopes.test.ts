import type { Identity } from '../../../server/src/auth/authenticator'
import { allows, checkScopes, type Need, parseScope } from '../../../server/src/auth/scopes'

const holder = (...scopes: string[]): Identity => ({ subject: 'orders-1', tokenId: 't', scopes, expiresAt: 1 })

describe('the grammar of scopes', () => {
  it.each([
    ['register:orders-1@orders', { type: 'register', pattern: 'orders-1', group: 'orders' }],
    ['register:orders-*@orders', { type: 'register', pattern: 'orders-*', group: 'orders' }],
    ['send:orders/*', { type: 'send', group: 'orders', pattern: '*' }],
    ['send:orders/o*', { type: 'send', group: 'orders', pattern: 'o*' }],
    ['send:orders/o1', { type: 'send', group: 'orders', pattern: 'o1' }],
    ['broadcast:orders', { type: 'broadcast', group: 'orders' }],
    ['mailbox:orders', { type: 'mailbox', group: 'orders' }],
    ['http:web-1', { type: 'http', pattern: 'web-1' }],
    ['http:web-*', { type: 'http', pattern: 'web-*' }],
    ['http:*', { type: 'http', pattern: '*' }],
    ['admin:read', { type: 'admin', write: false }],
    ['admin:write', { type: 'admin', write: true }],
  ])('holds %s', (text, scope) => {
    expect(parseScope(text)).toEqual(scope)
  })

  it.each([
    ...['', ':', 'admin', 'admin:', 'admin:*', 'admin:all', 'ADMIN:READ', 'admin:read ', '*', '*:*', 'root:x'],
    ...['register:a', 'register:@g', 'register:a@', 'register:*@g', 'register:a@*', 'register:a@g@h', 'register:a*b@g'],
    ...['send:g', 'send:g/', 'send:/a', 'send:*/a', 'send:g/a/b', 'send:g/**', 'send:g/a*b', 'send:g/A'],
    ...[
      'broadcast:',
      'broadcast:*',
      'broadcast:a b',
      'mailbox:*',
      'http:',
      'http:**',
      'http:a/b',
      `http:${'a'.repeat(65)}`,
    ],
    ...['__proto__', 'constructor:x', `send:g/${'a'.repeat(100_000)}`],
  ])('does not hold %j', (text) => {
    expect(parseScope(text)).toBeUndefined()
    expect(() => checkScopes([text])).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })

  it('is for texts', () => {
    for (const value of [undefined, null, 7, {}, ['admin:read']]) expect(parseScope(value)).toBeUndefined()
  })
})

describe('what a token allows', () => {
  const admin = (write: boolean): Need => ({ type: 'admin', write })
  const register = (name: string, group: string): Need => ({ type: 'register', name, group })
  const send = (group: string, name: string): Need => ({ type: 'send', group, name })
  const broadcast = (group: string): Need => ({ type: 'broadcast', group })
  const mailbox = (group: string): Need => ({ type: 'mailbox', group })
  const http = (name: string): Need => ({ type: 'http', name })

  it.each<[string[], Need, boolean]>([
    // Without scopes: itself, and its own groups.
    [[], register('orders-1', 'any'), true],
    [[], register('orders-2', 'any'), false],
    [[], send('own', 'x'), true],
    [[], send('foreign', 'x'), false],
    [[], broadcast('own'), true],
    [[], broadcast('foreign'), false],
    [[], mailbox('own'), true],
    [[], mailbox('foreign'), false],
    [[], http('x'), false],
    [[], admin(false), false],
    // With scopes: these and nothing else.
    [['send:g/*'], register('orders-1', 'g'), false],
    [['send:g/*'], send('own', 'x'), false],
    [['send:g/*'], send('g', 'x'), true],
    [['send:g/a*'], send('g', 'ab'), true],
    [['send:g/a*'], send('g', 'b'), false],
    [['send:g/a'], send('g', 'a'), true],
    [['send:g/a'], send('g', 'ab'), false],
    [['send:g/*'], broadcast('g'), false],
    [['register:a-*@g'], register('a-7', 'g'), true],
    [['register:a-*@g'], register('a', 'g'), false],
    [['register:a-*@g'], register('a-7', 'h'), false],
    [['register:a@g', 'register:a@h'], register('a', 'h'), true],
    [['broadcast:g'], broadcast('g'), true],
    [['broadcast:g'], mailbox('g'), false],
    [['broadcast:g'], send('g', 'a'), false],
    [['mailbox:g'], mailbox('g'), true],
    [['mailbox:g'], broadcast('g'), false],
    [['http:web-*'], http('web-1'), true],
    [['http:web-*'], http('db-1'), false],
    [['http:*'], http('db-1'), true],
    [['http:*'], { type: 'send', group: 'db', name: 'db-1' }, false],
    [['admin:read'], admin(false), true],
    [['admin:read'], admin(true), false],
    [['admin:write'], admin(true), true],
    [['admin:write'], admin(false), true],
    [['admin:write'], register('a', 'g'), false],
    [['admin:write'], send('g', 'a'), false],
    [['nonsense'], send('g', 'a'), false],
  ])('%j: %j is %p', (scopes, need, expected) => {
    expect(allows(holder(...scopes), need, ['own'])).toBe(expected)
  })

  it('is any name where the token names none', () => {
    expect(allows({ ...holder(), subject: '*' }, register('whoever', 'g'))).toBe(true)
  })
})
