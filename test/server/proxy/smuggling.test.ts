import type { ExchangeNode } from '../../support/exchange-node'
import { ByName, echo } from '../../support/http-by-name'
import { eventually } from '../../support/until'

/** What two programs could read as different requests is read by one only, or by none. */
let world: ByName
let node: ExchangeNode
beforeAll(async () => {
  world = await ByName.start()
  node = await world.node({ http: { public: ['/public'] }, onWhole: echo })
})
afterAll(() => world.close())

const hidden = 'GET /one/g/n/public?hidden HTTP/1.1\r\nHost: x\r\n\r\n'
const chunk = (text: string, end = '0\r\n\r\n') => `${text.length.toString(16)}\r\n${text}\r\n${end}`
const head = (method: string, lines: string[], target = '/one/g/n/public') =>
  [`${method} ${target} HTTP/1.1`, 'Host: x', ...lines, '', ''].join('\r\n')

/** Each: what is sent, and how many requests a node may see of it at most: those that were truly meant. */
const corpus: [name: string, bytes: string, most: number][] = [
  // RELIABILITY F2: methods whose chunks other proxies lose.
  ...['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'].map((method): [string, string, number] => [
    `${method} with chunks that hide a request`,
    head(method, ['Transfer-Encoding: chunked']) + chunk(hidden),
    0,
  ]),
  ['CONNECT with chunks', head('CONNECT', ['Transfer-Encoding: chunked'], 'x:80') + chunk(hidden), 0],
  ['CONNECT to a path', head('CONNECT', []) + hidden, 0],
  // CL.TE, TE.CL
  [
    'both lengths, CL first',
    `${head('POST', ['Content-Length: 6', 'Transfer-Encoding: chunked'])}0\r\n\r\n${hidden}`,
    0,
  ],
  ['both lengths, TE first', head('POST', ['Transfer-Encoding: chunked', 'Content-Length: 4']) + chunk(hidden), 0],
  ['both lengths, CL 0', head('POST', ['Content-Length: 0', 'Transfer-Encoding: chunked']) + chunk(hidden), 0],
  // TE.TE
  ...[
    'gzip, chunked',
    'chunked, gzip',
    'chunked, chunked',
    'chunked, identity',
    'identity',
    'xchunked',
    'chunked;q=1',
    '"chunked"',
    'chunke',
    ', chunked',
    'chunked,',
    ' \x0bchunked',
    'chunked\x00',
  ].map((value): [string, string, number] => [
    `Transfer-Encoding: ${JSON.stringify(value)}`,
    head('POST', [`Transfer-Encoding: ${value}`]) + chunk(hidden),
    0,
  ]),
  [
    'two Transfer-Encodings',
    head('POST', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']) + chunk(hidden),
    0,
  ],
  [
    'chunked and identity',
    head('POST', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity']) + chunk(hidden),
    0,
  ],
  ['a blank before the colon', head('POST', ['Transfer-Encoding : chunked']) + chunk(hidden), 0],
  ['a tab before the colon', head('POST', ['Transfer-Encoding\t: chunked']) + chunk(hidden), 0],
  ['a blank before the name', head('POST', [' Transfer-Encoding: chunked']) + chunk(hidden), 0],
  ['an underscore for the hyphen', head('POST', ['Transfer_Encoding: chunked', 'Content-Length: 0']), 1],
  ['chunks with HTTP/1.0', head('POST', ['Transfer-Encoding: chunked']).replace('1.1', '1.0') + chunk(hidden), 0],
  // Lengths
  ...['+5', '-1', '0x5', '5, 5', '5 5', '5\x0b', '1e1', '5;', '9'.repeat(30), '', ' '].map(
    (value): [string, string, number] => [
      `Content-Length: ${JSON.stringify(value)}`,
      head('POST', [`Content-Length: ${value}`]) + hidden,
      // Empty, it may be read as none.
      value.trim() === '' ? 1 : 0,
    ],
  ),
  ['two lengths that differ', head('POST', ['Content-Length: 0', `Content-Length: ${hidden.length}`]) + hidden, 0],
  ['two lengths that agree', `${head('POST', ['Content-Length: 4', 'Content-Length: 4'])}abcd${hidden}`, 0],
  ['a body of GET, by its length', head('GET', [`Content-Length: ${hidden.length}`]) + hidden, 1],
  // Chunks
  ...['x', '-1', '0x1', '+1', ' 5', '1 1', 'ffffffffffffffffff', '5;a\nb', '5\x00'].map(
    (size): [string, string, number] => [
      `a chunk of ${JSON.stringify(size)} bytes`,
      `${head('POST', ['Transfer-Encoding: chunked'])}${size}\r\nabcde\r\n0\r\n\r\n`,
      1,
    ],
  ),
  ['a chunk extension', `${head('POST', ['Transfer-Encoding: chunked'])}5;x="\r\n";y\r\nabcde\r\n0\r\n\r\n`, 1],
  ['a chunk that ends in LF only', `${head('POST', ['Transfer-Encoding: chunked'])}5\nabcde\n0\n\n`, 1],
  ['a chunk that is longer than it says', `${head('POST', ['Transfer-Encoding: chunked'])}2\r\nabcde\r\n0\r\n\r\n`, 1],
  ['trailers that hide a request', head('POST', ['Transfer-Encoding: chunked']) + chunk('a', `0\r\nX: y\r\n\r\n`), 1],
  // Hosts, targets, versions
  ['two Hosts', head('GET', ['Host: y']), 0],
  ['no Host', 'GET /one/g/n/public HTTP/1.1\r\n\r\n', 0],
  ...['a@b', 'a/b', 'a b', 'a?b', 'a#b', 'x:y', 'x:', '', ',', 'a,b', 'x\\y', '[::1', 'ü', 'a_b', 'x:80:90'].map(
    (host): [string, string, number] => [
      `Host: ${JSON.stringify(host)}`,
      `GET /one/g/n/public HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      0,
    ],
  ),
  ['an absolute target', head('GET', [], 'http://x/one/g/n/public'), 0],
  ['an absolute target of another host', head('GET', [], 'http://evil/one/g/n/public'), 0],
  ['a target without a slash', head('GET', [], 'one/g/n/public'), 0],
  ['a target of bytes', head('GET', [], '/one/g/n/public\xff\x80'), 0],
  ['a target with a blank', head('GET', [], '/one/g/n/public x'), 0],
  ['a target with a tab', head('GET', [], '/one/g/n/public\tHTTP/1.1'), 0],
  ['a target with a zero', head('GET', [], '/one/g/n/public\x00'), 0],
  ['HTTP/0.9', 'GET /one/g/n/public\r\n\r\n', 0],
  ['HTTP/1.2', head('GET', []).replace('1.1', '1.2'), 0],
  ['HTTP/2.0', head('GET', []).replace('1.1', '2.0'), 0],
  ['HTTP/1.1 and more', head('GET', []).replace('1.1', '1.10'), 0],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 0],
  ['a method that is no token', head('G\x00T', []), 0],
  ['a method nobody knows', head('SMUGGLE', []), 0],
  // Lines (H2)
  ['a header that is folded', head('GET', ['X-A: b', ' Content-Length: 5']), 1],
  ['a header that is folded with a tab', head('GET', ['X-A: b', '\tTransfer-Encoding: chunked']), 1],
  ['a bare CR in a value', head('GET', ['X-A: b\rContent-Length: 5']), 0],
  ['a bare LF in a value', head('GET', [`X-A: b\nX-B: c`]), 1],
  ['a zero in a value', head('GET', ['X-A: b\x00c']), 0],
  ['a zero in a name', head('GET', ['X\x00A: b']), 0],
  ['a control character in a value', head('GET', ['X-A: b\x01c']), 0],
  ['no name', head('GET', [': b']), 0],
  ['no colon', head('GET', ['X-A']), 0],
  ['a bare LF after the request line', 'GET /one/g/n/public HTTP/1.1\nHost: x\n\n', 1],
  ['two Authorizations', head('GET', ['Authorization: a', 'Authorization: b']), 0],
  ['two Expects', head('POST', ['Expect: 100-continue', 'Expect: 100-continue', 'Content-Length: 1']), 0],
  // Switches
  [
    'a switch with a body',
    head('GET', ['Connection: Upgrade', 'Upgrade: x', `Content-Length: ${hidden.length}`]) + hidden,
    0,
  ],
  [
    'a switch with chunks',
    head('POST', ['Connection: Upgrade', 'Upgrade: x', 'Transfer-Encoding: chunked']) + chunk(hidden),
    0,
  ],
]

it('H1: the corpus has at least 60 requests', () => expect(corpus.length).toBeGreaterThanOrEqual(60))

it.each(corpus)('H1, H2: %s: nothing that was not meant reaches a node', async (_name, bytes, most) => {
  const client = world.raw()
  const before = node.exchanges.length
  client.socket.write(bytes, 'latin1')
  // A request of its own kind behind it, so that whatever is left over becomes one, or is refused.
  client.socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  client.socket.end()
  await client.untilClosed()
  await eventually(() => world.started.mediator.proxy.inFlight().requests === 0, 'all is settled')
  const exchanges = node.exchanges.slice(before)
  expect(exchanges.filter(({ head }) => head.target.includes('hidden'))).toEqual([])
  expect(exchanges.length).toBeLessThanOrEqual(most)
  for (const { head } of exchanges) {
    const names = head.headers.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
    expect(names.filter((name) => name === 'transfer-encoding')).toEqual([])
    expect(head.headers.join('')).not.toMatch(/[\r\n\0]/)
  }
  expect(node.closed).toBe(false)
})

it('refuses with our codes, and ends the connection', async () => {
  const refused = async (bytes: string) => {
    const client = world.raw()
    client.socket.write(bytes, 'latin1')
    await client.untilClosed()
    expect(client.text).toMatch(/connection: close/i)
    return [client.statuses.join(), /"code":"(\w+)"/.exec(client.text)?.[1]]
  }
  expect(await refused(head('DELETE', ['Transfer-Encoding: chunked']) + chunk('abc'))).toEqual([
    '411',
    'LENGTH_REQUIRED',
  ])
  expect(await refused(head('GET', ['Host: y']))).toEqual(['400', 'MALFORMED'])
  expect(await refused(head('GET', [`X-Long: ${'x'.repeat(17_000)}`]))).toEqual(['431', 'HEADERS_TOO_LARGE'])
  expect(await refused(head('GET', Array(100).fill('X-Many: 1')))).toEqual(['431', 'HEADERS_TOO_LARGE'])
  expect(await refused(head('CONNECT', [], 'x:80'))).toEqual(['405', 'METHOD_NOT_ALLOWED'])
  expect(await refused('\x16\x03\x01\x00')).toEqual(['400', 'MALFORMED'])
})

it.each([
  ['two lengths', head('POST', ['Content-Length: 4', 'Transfer-Encoding: chunked']), /"this is not HTTP: Transfer-Enc/],
  ['a method nobody knows', head('SMUGGLE', []), /"this is not HTTP: Invalid method/],
  ['no Host, for a node', 'GET /one/g/n/public HTTP/1.1\r\n\r\n', /"there is no Host: HTTP\/1.1 needs one"/],
  ['no Host, for the mediator', 'GET /healthz HTTP/1.1\r\n\r\n', /"there is no Host: HTTP\/1.1 needs one"/],
  [
    'a whole URL, as to a proxy',
    head('GET', [], 'http://x/one/g/n/public'),
    /"the target does not begin with \/: write/,
  ],
])('%s: it says what is wrong', async (_name, bytes, said) => {
  const client = world.raw()
  client.socket.write(bytes, 'latin1')
  await client.untilClosed()
  expect(client.statuses).toEqual([400])
  expect(client.text).toMatch(said)
})

it('answers a load balancer that asks in HTTP/1.0 and names no host', async () => {
  const client = world.raw()
  client.socket.write('GET /healthz HTTP/1.0\r\n\r\n', 'latin1')
  await client.untilClosed()
  expect(client.statuses).toEqual([200])
})

it('takes as many headers as a message may have, and refuses those that are too long with what is added', async () => {
  const count = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`X-${i}`, '1']))
  const status = async (headers: { [name: string]: string }) =>
    (await world.ask('/one/g/n/public', { token: null, headers })).status
  // Host and Connection are of the client, seven are added, and Connection is left out.
  expect(await status(count(92))).toBe(200)
  expect(await status(count(93))).toBe(431)
  expect(await status({ 'X-Long': 'x'.repeat(16_000) })).toBe(200)
  expect(await status({ 'X-Long': 'x'.repeat(16_250) })).toBe(431)
})
