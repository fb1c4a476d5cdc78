import { lengthOf, lp8, text, u8, u16, u32, u64 } from './bytes.mjs'

const frameId = `a0a1a2a3a4a5a6a7${u64(7)}`
const sealed = '01'.repeat(96)

/** length, type, flags, reserved, route, body. */
const frame = (type, route, body, { flags = 0, reserved = 0, length = lengthOf(body) } = {}) =>
  u32(length) + u8(type) + u8(flags) + u16(reserved) + u32(route) + body

const json = (type, name, value, route = 0) => ({
  name,
  frame: { type, flags: 0, route, json: value },
  bytes: frame(type, route, text(JSON.stringify(value))),
})
const opaque = (type, name, body, route = 0, flags = 0) => ({
  name,
  frame: { type, flags, route, body },
  bytes: frame(type, route, body, { flags }),
})
const fields = (type, name, route, values, body, flags = 0) => ({
  name,
  frame: { type, flags, route, fields: values },
  bytes: frame(type, route, body, { flags }),
})
const headed = (lines, body = '') => u32(lines.join('\r\n').length) + text(lines.join('\r\n')) + body

const hello = {
  versions: [1],
  name: 'orders-1',
  groups: ['orders'],
  token: 'eyJhbGciOiJIUzI1NiJ9.e30.c2ln',
  instance: '0123456789abcdef0123456789abcdef',
  endpoints: [{ name: 'web', protocol: 'http', address: '10.0.0.1', port: 8080 }],
  client: 'sealway/0.1.0',
}
const welcome = {
  version: 1,
  name: 'orders-1',
  groups: ['orders'],
  epoch: 3,
  mediator: '0.1.0',
  now: 1_700_000_000_000,
  tokenExpiresAt: 1_700_000_900_000,
  limits: {
    maxFrameBytes: 1_048_576,
    routeWindowBytes: 2_097_152,
    routeWindowFrames: 1_024,
    pingEveryMs: 10_000,
    deadAfterMs: 25_000,
  },
}
const peer = {
  name: 'orders-1',
  groups: ['orders'],
  online: true,
  transport: 'tcp',
  since: 1_700_000_000_000,
  endpoints: [],
}

const policy = {
  target: 'any:orders',
  action: 'quote',
  timeout: 2_000,
  retries: { max: 3, firstMs: 100, factor: 2, maxMs: 5_000, jitter: 0.2, whenNoPeer: true },
  breaker: { failures: 5, windowMs: 10_000, openMs: 5_000, halfOpen: 1 },
  balance: { sticky: 'customer.id' },
}

const good = () => [
  json(1, 'hello', hello),
  json(1, 'hello of a node that only reaches a group', { ...hello, name: 'shop-1', groups: [], reaches: ['orders'] }),
  json(2, 'welcome', welcome),
  json(3, 'close', { code: 'SUPERSEDED', message: 'the same name connected again' }),
  opaque(4, 'ping without a body', ''),
  opaque(4, 'ping with 8 bytes', '0011223344556677'),
  opaque(5, 'pong', '0011223344556677'),
  json(6, 'goaway', { code: 'DRAINING', message: 'shutting down', reconnectInMs: 2_500 }),
  fields(7, 'open a node', 1, { to: 'billing-2', scope: 'billing' }, lp8('billing-2') + lp8('billing')),
  fields(7, 'open any of a group', 2, { to: 'any:billing', scope: 'billing' }, lp8('any:billing') + lp8('billing')),
  fields(7, 'open a whole group', 4_294_967_295, { to: 'group:g', scope: 'g' }, lp8('group:g') + lp8('g')),
  fields(8, 'status: connected', 1, { online: true, incarnation: 0x01234567 }, u8(1) + u32(0x01234567)),
  fields(8, 'status: not connected', 1, { online: false, incarnation: 0 }, u8(0) + u32(0)),
  fields(
    9,
    'announce',
    7,
    { from: 'orders-1', to: 'group:g', scope: 'g' },
    lp8('orders-1') + lp8('group:g') + lp8('g'),
  ),
  opaque(10, 'retire', '', 7),
  opaque(11, 'send', sealed, 1),
  opaque(11, 'send that wants an accepted', sealed, 1, 1),
  opaque(12, 'deliver', sealed, 7),
  fields(13, 'credit', 1, { bytes: 65_536, frames: 16 }, u32(65_536) + u32(16)),
  fields(
    13,
    'credit of nothing but bytes, unsigned',
    1,
    { bytes: 4_294_967_295, frames: 0 },
    u32(4_294_967_295) + u32(0),
  ),
  fields(14, 'reject', 1, { code: 13, frameId }, u16(13) + frameId),
  fields(14, 'reject of a frame without an id', 1, { code: 1, frameId: '00'.repeat(16) }, u16(1) + '00'.repeat(16)),
  fields(15, 'accepted by nobody', 2, { frameId, names: [] }, frameId + u32(0)),
  fields(15, 'accepted by two', 2, { frameId, names: ['b-1', 'b-2'] }, frameId + u32(2) + lp8('b-1') + lp8('b-2')),
  json(16, 'query', { type: 'peers', group: 'orders' }, 41),
  json(17, 'answer', { peers: [peer] }, 41),
  opaque(18, 'token', text('eyJhbGciOiJIUzI1NiJ9.e30.c2ln')),
  json(19, 'peers', { group: 'orders', type: 'joined', peer }),
  json(20, 'policies: a list', { type: 'list', policies: [policy, { target: '*', timeout: 5_000 }] }),
  json(20, 'policies: one that was removed', { type: 'removed', target: 'any:orders', action: 'quote' }),
  fields(
    21,
    'request with a whole body',
    1,
    {
      head: { method: 'POST', target: '/orders?day=1', headers: ['Host', 'orders-1', 'content-length', '3'] },
      body: '616263',
    },
    headed(['POST /orders?day=1', 'Host: orders-1', 'content-length: 3'], '616263'),
    1,
  ),
  fields(
    21,
    'request whose body follows',
    2,
    { head: { method: 'PUT', target: '/', headers: [] }, body: '' },
    headed(['PUT /']),
  ),
  fields(
    22,
    'response without a reason',
    1,
    { head: { status: 204, reason: '', headers: ['x-a', '', 'x-a', '2'] }, body: '' },
    headed(['204 ', 'x-a: ', 'x-a: 2']),
    1,
  ),
  fields(
    22,
    'response: informational',
    1,
    { head: { status: 103, reason: 'Early Hints', headers: [] }, body: '' },
    headed(['103 Early Hints']),
  ),
  opaque(23, 'data', '00ff', 2),
  opaque(23, 'data that ends a body', '', 2, 1),
  fields(24, 'trailers', 2, { trailers: ['x-sum', '7'] }, text('\r\nx-sum: 7')),
  fields(24, 'no trailers', 2, { trailers: [] }, ''),
  fields(25, 'grant', 2, { bytes: 65_536 }, u32(65_536)),
  fields(26, 'reset', 2, { code: 45 }, u16(45)),
]

/** What a reader with a limit of 1 MiB refuses before it looks at a body. */
const malformedHeaders = () => [
  { name: 'length 2^31', error: 'TOO_LARGE', bytes: frame(4, 0, '', { length: 2 ** 31 }) },
  { name: 'length 2^32 - 1', error: 'TOO_LARGE', bytes: frame(4, 0, '', { length: 2 ** 32 - 1 }) },
  { name: 'length one over the limit', error: 'TOO_LARGE', bytes: frame(11, 1, '', { length: 1_048_577 }) },
  { name: 'type 0', error: 'MALFORMED', bytes: frame(0, 0, '') },
  { name: 'type 27', error: 'MALFORMED', bytes: frame(27, 0, '') },
  { name: 'type 255', error: 'MALFORMED', bytes: frame(255, 0, '') },
  { name: 'lowest reserved bit', error: 'MALFORMED', bytes: frame(4, 0, '', { reserved: 1 }) },
  { name: 'highest reserved bit', error: 'MALFORMED', bytes: frame(4, 0, '', { reserved: 0x8000 }) },
]

/** Frames whose body breaks the layout of its type. */
const malformedBodies = () =>
  [
    ['hello that is not JSON', 1, text('{')],
    ['hello that is not UTF-8', 1, '22ff22'],
    ['hello with __proto__', 1, text('{"__proto__":{"x":1}}')],
    ['hello with __proto__ behind an escape', 1, text('{"_\\u005fproto__":{"x":1}}')],
    ['open without a body', 7, ''],
    ['open without a scope', 7, lp8('b')],
    ['open whose name runs past the end', 7, `05${text('b')}`],
    ['open whose scope runs past the end', 7, `${lp8('b')}ff${text('g')}`],
    ['open with a byte left over', 7, `${lp8('b')}${lp8('g')}00`],
    ['open whose name is not UTF-8', 7, `01ff${lp8('g')}`],
    ['status without a body', 8, ''],
    ['status without an incarnation', 8, '01'],
    ['status of 2', 8, u8(2) + u32(1)],
    ['status with a byte left over', 8, `${u8(1)}${u32(1)}00`],
    ['announce without a scope', 9, lp8('a') + lp8('b')],
    ['announce with a byte left over', 9, `${lp8('a')}${lp8('b')}${lp8('g')}00`],
    ['credit of 7 bytes', 13, '00000001000000'],
    ['credit of 9 bytes', 13, '000000010000000100'],
    ['reject without a frame id', 14, u16(13)],
    ['reject with a cut frame id', 14, u16(13) + frameId.slice(2)],
    ['reject with a byte left over', 14, `${u16(13)}${frameId}00`],
    ['accepted without a count', 15, frameId],
    ['accepted that counts more names than it has', 15, frameId + u32(2) + lp8('b-1')],
    ['accepted that counts 2^32 - 1 names', 15, frameId + u32(2 ** 32 - 1) + lp8('b-1')],
    ['accepted that counts fewer names than it has', 15, frameId + u32(1) + lp8('b-1') + lp8('b-2')],
    ['query that is not JSON', 16, ''],
    ['request without a head', 21, '000000'],
    ['request whose head runs past the end', 21, u32(9) + text('GET /')],
    ['request without a target', 21, headed(['GET'])],
    ['request with an absolute target', 21, headed(['GET http://a/'])],
    ['request with a space in its target', 21, headed(['GET /a b'])],
    ['request whose method is no token', 21, headed(['G(T /'])],
    ['request with a header without a colon', 21, headed(['GET /', 'Host'])],
    ['request with a folded header', 21, headed(['GET /', 'a: b', ' c'])],
    ['request with a line feed in a value', 21, headed(['GET /', 'a: b\nc'])],
    ['request with a zero in a value', 21, headed(['GET /', 'a: \u0000'])],
    ['response of status 99', 22, headed(['099 x'])],
    ['response of status 600', 22, headed(['600 x'])],
    ['response without a status', 22, headed(['OK'])],
    ['response with a carriage return in its reason', 22, headed(['200 a\rb'])],
    ['trailers that are none', 24, text('\r\nx')],
    ['grant of 3 bytes', 25, '000001'],
    ['reset without a code', 26, ''],
  ].map(([name, type, body]) => ({ name, error: 'MALFORMED', bytes: frame(type, 1, body) }))

/** Streams that end inside a frame. */
const truncated = () => {
  const whole = frame(7, 1, lp8('billing-2') + lp8('billing'))
  return [1, 4, 11, 12, 13, lengthOf(whole) - 1].map((bytes) => ({
    name: `the first ${bytes} bytes of an open`,
    bytes: whole.slice(0, bytes * 2),
  }))
}

export const frames = () => ({
  about: 'Frames of a link (SPEC.md, "Frames"). bytes, body and frameId are hex; json is the body as JSON.',
  good: good(),
  malformedHeaders: malformedHeaders(),
  malformedBodies: malformedBodies(),
  truncated: truncated(),
})
