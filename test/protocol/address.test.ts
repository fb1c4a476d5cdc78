import { formatAddress, isName, nameOfProcess, parseAddress, parseGroup, parseName, quote } from '@sealway/protocol'
import fc from 'fast-check'

describe('names', () => {
  it.each(['a', '7', 'orders-1', 'a.b_c-d', 'a'.repeat(64)])('accepts %s', (name) => {
    expect(parseName(name)).toBe(name)
    expect(parseGroup(name)).toBe(name)
  })

  it.each([
    '',
    'A',
    '-a',
    'a-',
    '.a',
    'a.',
    '_a',
    'a b',
    'a/b',
    'a:b',
    'ä',
    'a\n',
    'a'.repeat(65),
    '__proto__',
    null,
    undefined,
    7,
    1n,
    {},
    ['a'],
    Symbol('a'),
  ])('refuses %p', (name) => {
    expect(isName(name)).toBe(false)
    expect(() => parseName(name)).toThrow(expect.objectContaining({ code: 'INVALID_NAME', outcome: 'not-delivered' }))
  })
})

it.each([
  ['orders', 'orders-0123ab'],
  ['a'.repeat(64), `${'a'.repeat(57)}-0123ab`],
])('a node of the group %s that was given no name is %s', (group, name) => {
  expect(nameOfProcess(parseGroup(group), '0123abcdef'.padEnd(32, '0'))).toBe(name)
})

describe('addresses', () => {
  it.each([
    ['orders-1', { type: 'node', name: 'orders-1' }, 'orders-1'],
    ['node:orders-1', { type: 'node', name: 'orders-1' }, 'orders-1'],
    ['any:orders', { type: 'any', group: 'orders' }, 'any:orders'],
    ['group:orders', { type: 'group', group: 'orders' }, 'group:orders'],
  ])('reads %s', (text, address, canonical) => {
    expect(parseAddress(text)).toEqual(address)
    expect(formatAddress(parseAddress(text))).toBe(canonical)
  })

  it.each(['', ':', 'node:', 'all:orders', 'any:', 'any:any:orders', 'group:Orders', 'ANY:orders', null, 5])(
    'refuses %p',
    (text) => {
      expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'INVALID_NAME' }))
    },
  )

  it('reads its own canonical form back, and throws nothing but INVALID_NAME on any text', () => {
    const anyText = fc.oneof(fc.string(), fc.stringMatching(/^(node:|any:|group:)?[a-z0-9._-]{1,5}$/))
    fc.assert(
      fc.property(anyText, (text) => {
        try {
          const address = parseAddress(text)
          expect(parseAddress(formatAddress(address))).toEqual(address)
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_NAME' })
        }
      }),
    )
  })
})

describe('quote', () => {
  it('escapes and cuts foreign text, so that it cannot forge a line of a log', () => {
    expect(quote('a\nb"c')).toBe('"a\\nb\\"c"')
    expect(quote('x'.repeat(200))).toHaveLength(80)
  })

  it('shows no object, and never throws', () => {
    const circular: { self?: unknown } = {}
    circular.self = circular
    expect([circular, null, undefined, 3, 10n].map(quote)).toEqual(['an object', 'null', 'undefined', '3', '10'])
  })
})
