import {
  decodeResponse,
  encodeRequest,
  encodeResponse,
  encodeTrailers,
  headerBytes,
  limits,
  parseExposed,
} from '@sealway/protocol'
import fc from 'fast-check'

const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/)
const value = fc
  .array(
    fc.integer({ min: 0, max: 255 }).filter((c) => c === 9 || (c >= 32 && c !== 127)),
    { maxLength: 40 },
  )
  .map((codes) => String.fromCharCode(...codes))
const headers = fc.array(fc.tuple(token, value), { maxLength: 20 }).map((pairs) => pairs.flat())

it('carries any head and body there and back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 599 }), value, headers, fc.uint8Array(), (status, reason, list, body) => {
      const frame = encodeResponse(7, { status, reason, headers: list }, body)
      expect(decodeResponse(frame.subarray(headerBytes))).toEqual({ head: { status, reason, headers: list }, body })
    }),
  )
})

it.each([
  ['a line break in a value', ['a', 'b\r\nc: d']],
  ['a lone line feed', ['a', 'b\nc']],
  ['a zero', ['a', '\0']],
  ['a character beyond latin1', ['a', 'ā']],
  ['a name with a space', ['a b', 'c']],
  ['a name with a colon', ['a:', 'c']],
  ['an empty name', ['', 'c']],
])('writes no head with %s', (_, list) => {
  const refused = expect.objectContaining({ code: 'MALFORMED' })
  expect(() => encodeRequest(1, { method: 'GET', target: '/', headers: list })).toThrow(refused)
  expect(() => encodeResponse(1, { status: 200, reason: '', headers: list })).toThrow(refused)
  expect(() => encodeTrailers(1, list)).toThrow(refused)
})

it('writes no head over its limits', () => {
  const tooLarge = expect.objectContaining({ code: 'TOO_LARGE' })
  const many = Array.from({ length: 2 * (limits.maxHeaders + 1) }, () => 'a')
  const long = ['a', 'b'.repeat(limits.maxHeadBytes)]
  for (const list of [many, long]) {
    expect(() => encodeRequest(1, { method: 'GET', target: '/', headers: list })).toThrow(tooLarge)
    expect(() => encodeTrailers(1, list)).toThrow(tooLarge)
  }
})

it.each(['GET', 'GET ', 'health', 'get /', 'GET /a b', 'GET  /', '/\n', 7, null])(
  'refuses the public route %j',
  (route) => {
    expect(() => parseExposed({ public: [route] })).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  },
)

it('takes public routes with and without a method', () => {
  const exposed = { public: ['/', 'GET /health', '/assets/*'] }
  expect(parseExposed(exposed)).toEqual(exposed)
})
