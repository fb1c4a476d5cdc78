import fc from 'fast-check'
import { readRequest } from '../../../../server/src/proxy/fast-path/request'
import { nodeReads } from '../../../support/node-reads'

/** What follows what was taken: where Node reads it as a request of its own, both ends agree where the first one ended. */
const next = Buffer.from('GET /next HTTP/1.1\r\nHost: next\r\n\r\n')

/** Whatever was taken of these bytes, Node reads the same, and the same rest. @returns whether anything was */
async function agree(bytes: Buffer): Promise<boolean> {
  const read = readRequest(bytes, 0)
  if (typeof read === 'string') return false
  const { method, url, rawHeaders, bodyAt, end } = read
  const { requests, refused } = await nodeReads(Buffer.concat([bytes.subarray(0, end), next]))
  const body = bytes.toString('latin1', bodyAt, end)
  expect({ refused, requests: requests.map((one) => ({ ...one, body: one.body.toString('latin1') })) }).toEqual({
    refused: undefined,
    requests: [
      { method, url, rawHeaders, body, complete: true, upgrade: false },
      { method: 'GET', url: '/next', rawHeaders: ['Host', 'next'], body: '', complete: true, upgrade: false },
    ],
  })
  return true
}

const oneOf = (characters: string) => fc.constantFrom(...characters)
const text = (characters: string, minLength: number, maxLength: number) =>
  fc.array(oneOf(characters), { minLength, maxLength }).map((all) => all.join(''))
const range = (from: number, to: number) =>
  String.fromCharCode(...Array.from({ length: to - from + 1 }, (_, i) => from + i))

const anyMethod = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS')
const anyUrl = text(`!${range(0x24, 0x7e)}`, 0, 30).map((rest) => `/${rest}`)
const anyName = fc.oneof(
  fc.constantFrom('X-A', 'x-a', 'Accept', 'Cookie', 'TE', 'Keep-Alive', 'Date', 'Via', 'Host', 'Authorization'),
  fc.constantFrom('Content-Lengt', 'Content-Lengths', 'Transfer-Encodin', 'Connectio', 'Upgrad', 'Proxy-Connectio'),
  text("!#$%&'*+-.^_`|~09azAZ", 1, 12),
)
const blanks = text(' \t', 0, 3)
const anyValue = text(`\t${range(0x20, 0x7e)}${range(0x80, 0xff)}`, 0, 20)
const anyLine = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(anyName, blanks, anyValue, blanks).map(([name, a, value, b]) => `${name}:${a}${value}${b}`),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('Connection: keep-alive', 'connection:Keep-Alive', 'CONNECTION:\tKEEP-ALIVE '),
  },
)
const anyBody = fc.option(text(`\0\r\n ${range(0x30, 0x7a)}ÿ`, 0, 40), { nil: undefined })

/** Everything of it is plain, so it must be taken. */
const plainRequest = fc
  .tuple(anyMethod, anyUrl, fc.array(anyLine, { maxLength: 8 }), anyBody, fc.nat({ max: 8 }))
  .map(([method, url, lines, body, at]) => {
    const all = [...lines]
    if (body !== undefined) all.splice(Math.min(at, all.length), 0, `Content-Length: ${body.length}`)
    return [`${method} ${url} HTTP/1.1`, ...all, '', body ?? ''].join('\r\n')
  })

/** What people who smuggle put in. */
const doubtful = fc.constantFrom(
  ...[
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    '\0',
    ' ',
    '\t',
    ':',
    ',',
    ';',
    '\x0b',
    '\x0c',
    '\x7f',
    '\x80',
    '\x85',
    '\xa0',
    '\xff',
  ],
  ...[
    '0',
    '1',
    '5',
    '+5',
    '-1',
    '0x',
    '#',
    '"',
    '\\',
    '//',
    'GET ',
    ' HTTP/1.1',
    ' HTTP/1.0',
    'chunked',
    'close',
    'Upgrade',
  ],
  ...[
    ...[
      'Transfer-Encoding: chunked',
      'Transfer-Encoding : chunked',
      'Transfer-Encoding\t: chunked',
      'Transfer-Encoding:',
    ],
    ...[
      'Transfer_Encoding: chunked',
      'Content-Length: 5',
      'Content-Length : 5',
      'Content-Length: +5',
      'Content-Length:',
    ],
    ...[
      'Content-Length: 5, 5',
      'Content-Length: 0005',
      'Content-Length: 5 5',
      ' folded',
      '\tfolded',
      'Connection: close',
    ],
    ...['Connection: keep-alive, close', 'Connection: upgrade', 'Connection:', 'Upgrade: x', 'Expect: 100-continue'],
    ...[
      'Proxy-Connection: close',
      'Proxy-Connection: upgrade',
      'Proxy-Connection: keep-alive',
      'Keep-Alive: timeout=0',
    ],
    ...['Trailer: X', 'HTTP2-Settings: x', 'TE: trailers, chunked', 'Host', ': x', 'X\0: x', 'X: \rContent-Length: 5'],
  ].map((line) => `\r\n${line}`),
  '0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n',
)
interface Change {
  readonly at: number
  readonly out: number
  readonly put: string
}
const anyChange: fc.Arbitrary<Change> = fc.record({
  at: fc.nat({ max: 10_000 }),
  out: fc.constantFrom(0, 0, 0, 1, 2),
  put: fc.oneof({ weight: 5, arbitrary: doubtful }, { weight: 1, arbitrary: text(range(0, 255), 0, 2) }),
})

/** Lines go in where lines end; what is no line, anywhere. */
function changed(whole: string, { at, out, put }: Change): string {
  const ends = [...whole.matchAll(/\r\n/g)].map(({ index }) => index)
  const place = put.startsWith('\r\n') && ends.length > 0 ? ends[at % ends.length]! : at % (whole.length + 1)
  return whole.slice(0, place) + put + whole.slice(place + out)
}

describe('what is taken, Node reads as the same request, and the same rest', () => {
  it('of plain requests, each of which is taken', async () => {
    await fc.assert(
      fc.asyncProperty(plainRequest, async (whole) => {
        expect(await agree(Buffer.from(whole, 'latin1'))).toBe(true)
      }),
      { numRuns: 400 },
    )
  })

  it('of requests into which something doubtful was put', async () => {
    let taken = 0
    let asked = 0
    await fc.assert(
      fc.asyncProperty(plainRequest, fc.array(anyChange, { minLength: 1, maxLength: 3 }), async (whole, changes) => {
        const bytes = Buffer.from(changes.reduce(changed, whole), 'latin1')
        asked++
        if (await agree(bytes)) taken++
      }),
      { numRuns: 2_000 },
    )
    // Else this would say nothing.
    expect(taken).toBeGreaterThan(asked / 50)
    expect(taken).toBeLessThan(asked)
  })

  it('of every request with one byte of its head replaced by each of those that divide', async () => {
    const whole = 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nX: y\r\n\r\nab'
    const dividers = ['\r', '\n', '\0', ' ', '\t', ':', ',', '\x0b', '\x7f', '\xa0', '0', 'a']
    for (let at = 0; at < whole.length; at++) {
      for (const put of dividers) await agree(Buffer.from(whole.slice(0, at) + put + whole.slice(at + 1), 'latin1'))
    }
    expect(await agree(Buffer.from(whole))).toBe(true)
  })

  it('in whatever pieces it comes: of a part, nothing is taken', () => {
    fc.assert(
      fc.property(plainRequest, fc.nat(), fc.nat({ max: 40 }), (whole, cut, before) => {
        const bytes = Buffer.from(whole, 'latin1')
        const read = readRequest(bytes, 0)
        expect(readRequest(bytes.subarray(0, cut % bytes.length), 0)).toBe('incomplete')
        const moved = Buffer.concat([Buffer.alloc(before, 'GET / HTTP/1.1\r\n\r\n'), bytes, next])
        if (typeof read === 'string') throw new Error(`it was ${read}`)
        expect(readRequest(moved, before)).toEqual({ ...read, bodyAt: read.bodyAt + before, end: read.end + before })
      }),
      { numRuns: 500 },
    )
  })
})
