import {
  chooseVersion,
  incarnationOf,
  limits,
  parseEndpoints,
  parseGroups,
  parseHello,
  parseMeta,
} from '@sealway/protocol'

const hello = {
  versions: [1],
  name: 'orders-1',
  groups: ['orders', 'billing', 'orders'],
  token: 'abc',
  instance: '0123456789abcdef0123456789abcdef',
  endpoints: [{ name: 'web', protocol: 'http', address: '10.0.0.1', port: 8080, meta: { path: '/v1' } }],
  meta: { zone: 'a' },
  client: 'sealway/0.1.0',
}

it('reads a hello, each group once, and ignores what it does not know', () => {
  expect(parseHello({ ...hello, later: true })).toEqual({ ...hello, groups: ['orders', 'billing'], reaches: [] })
})

it('reads the least of a hello', () => {
  const { versions, groups, token, instance } = hello
  expect(parseHello({ versions, groups, token, instance, name: null })).toEqual({
    versions,
    groups: ['orders', 'billing'],
    reaches: [],
    token,
    instance,
    endpoints: [],
  })
})

it.each([undefined, []])('reads the hello of a node that only reaches groups (groups: %p)', (groups) => {
  const { reaches, groups: none } = parseHello({ ...hello, groups, reaches: ['orders', 'orders'] })
  expect([none, reaches]).toEqual([[], ['orders']])
})

it.each([
  ['no object', 'MALFORMED', null],
  ['a list', 'MALFORMED', []],
  ['no versions', 'MALFORMED', { ...hello, versions: undefined }],
  ['an empty list of versions', 'MALFORMED', { ...hello, versions: [] }],
  ['17 versions', 'MALFORMED', { ...hello, versions: Array(17).fill(1) }],
  ['a version that is no integer', 'MALFORMED', { ...hello, versions: ['1'] }],
  ['no token', 'UNAUTHORIZED', { ...hello, token: undefined }],
  ['an empty token', 'UNAUTHORIZED', { ...hello, token: '' }],
  ['a token over the limit', 'UNAUTHORIZED', { ...hello, token: 'a'.repeat(limits.maxTokenBytes + 1) }],
  ['no instance', 'MALFORMED', { ...hello, instance: undefined }],
  ['an instance of 31 digits', 'MALFORMED', { ...hello, instance: 'a'.repeat(31) }],
  ['an instance in capitals', 'MALFORMED', { ...hello, instance: 'A'.repeat(32) }],
  ['a name outside the grammar', 'INVALID_NAME', { ...hello, name: 'Orders' }],
  ['no groups', 'MALFORMED', { ...hello, groups: undefined }],
  ['an empty list of groups', 'MALFORMED', { ...hello, groups: [] }],
  ['too many groups', 'MALFORMED', { ...hello, groups: Array.from({ length: 65 }, (_, i) => `g${i}`) }],
  ['neither groups nor reached groups', 'MALFORMED', { ...hello, groups: [], reaches: [] }],
  ['reached groups that are no list', 'MALFORMED', { ...hello, reaches: 'orders' }],
  ['too many reached groups', 'MALFORMED', { ...hello, reaches: Array.from({ length: 65 }, (_, i) => `g${i}`) }],
  ['a group outside the grammar', 'INVALID_NAME', { ...hello, groups: ['a/b'] }],
  ['a client that is no text', 'MALFORMED', { ...hello, client: 7 }],
  ['a client over 100 characters', 'MALFORMED', { ...hello, client: 'a'.repeat(101) }],
  ['meta over 1 KiB', 'MALFORMED', { ...hello, meta: { a: 'a'.repeat(1_024) } }],
  ['meta that is a list', 'MALFORMED', { ...hello, meta: [] }],
  ['endpoints that are no list', 'MALFORMED', { ...hello, endpoints: {} }],
])('refuses a hello with %s', (_, code, value) => {
  expect(() => parseHello(value)).toThrow(expect.objectContaining({ code }))
})

const web = hello.endpoints[0]!
it.each([
  ['two of one name', [web, web], 'MALFORMED'],
  ['too many', Array.from({ length: 33 }, (_, i) => ({ ...web, name: `e${i}` })), 'MALFORMED'],
  ['one that is no object', ['web'], 'MALFORMED'],
  ['a name outside the grammar', [{ ...web, name: 'Web' }], 'INVALID_NAME'],
  ['a protocol that is none', [{ ...web, protocol: 'HTTP' }], 'MALFORMED'],
  ['no address', [{ ...web, address: '' }], 'MALFORMED'],
  ['an address over 255 characters', [{ ...web, address: 'a'.repeat(256) }], 'MALFORMED'],
  ['port 0', [{ ...web, port: 0 }], 'MALFORMED'],
  ['port 65536', [{ ...web, port: 65_536 }], 'MALFORMED'],
  ['a port with a fraction', [{ ...web, port: 80.5 }], 'MALFORMED'],
  ['a port as text', [{ ...web, port: '80' }], 'MALFORMED'],
])('refuses endpoints: %s', (_, value, code) => {
  expect(() => parseEndpoints(value)).toThrow(expect.objectContaining({ code }))
})

it('takes absent endpoints for none, and meta of exactly 1 KiB', () => {
  expect(parseEndpoints(undefined)).toEqual([])
  const meta = { a: 'a'.repeat(1_024 - '{"a":""}'.length) }
  expect(parseMeta(meta)).toBe(meta)
  expect(parseGroups(['b', 'a', 'b'])).toEqual(['b', 'a'])
})

it('chooses the version in common, or says which there are', () => {
  expect(chooseVersion([3, 1, 2])).toBe(1)
  expect(() => chooseVersion([2, 3])).toThrow(
    expect.objectContaining({ code: 'UNSUPPORTED_VERSION', message: expect.stringContaining('2, 3') }),
  )
})

it('takes the first 4 bytes of an instance for its incarnation, and never 0, which means that it is not known', () => {
  expect(incarnationOf('fedcba9876543210fedcba9876543210')).toBe(0xfedcba98)
  expect(incarnationOf(`00000000${'1'.repeat(24)}`)).toBe(1)
})
