import { limits } from '@sealway/protocol'
import { maxRequestBytes, readRequest } from '../../../../server/src/proxy/fast-path/request'

const read = (text: string, at = 0) => readRequest(Buffer.from(text, 'latin1'), at)
const get = (...lines: string[]) => ['GET /one/g/n/x HTTP/1.1', 'Host: x', ...lines, '', ''].join('\r\n')
const post = (body: string, ...lines: string[]) => ['POST /x HTTP/1.1', 'Host: x', ...lines, '', body].join('\r\n')
/** Its headers and body; for what must be a request. */
function taken(text: string): { readonly headers: readonly string[]; readonly body: string } {
  const reading = read(text)
  if (typeof reading === 'string') throw new Error(`it was ${reading}`)
  return { headers: reading.rawHeaders, body: text.slice(reading.bodyAt, reading.end) }
}

describe('a request that is all there', () => {
  it('is read: method, url, headers as they came, and where its body begins and ends', () => {
    const text = 'POST /a?b=c%20d HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nx-two:2\r\ncontent-LENGTH: 3\r\n\r\nabcGET'
    expect(read(text)).toEqual({
      method: 'POST',
      url: '/a?b=c%20d',
      rawHeaders: ['Host', 'x', 'X-Two', '1', 'x-two', '2', 'content-LENGTH', '3'],
      bodyAt: text.indexOf('abc'),
      end: text.indexOf('GET'),
    })
  })

  it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'may be a %s, with or without a body',
    (method) => {
      expect(read(`${method} / HTTP/1.1\r\n\r\n`)).toMatchObject({ method, url: '/', rawHeaders: [] })
      const text = `${method} / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab`
      expect(read(text)).toMatchObject({ method, bodyAt: text.length - 2, end: text.length })
    },
  )

  it('is read from where it begins, whatever stands before and behind it', () => {
    const [first, second] = [post('abc', 'Content-Length: 3'), get()]
    const one = read(first + second)
    expect(one).toMatchObject({ method: 'POST', end: first.length })
    expect(read(first + second, first.length)).toMatchObject({ method: 'GET', end: first.length + second.length })
    expect(read(`${second}\0\0`)).toMatchObject({ end: second.length })
  })

  it.each([
    ['nothing', 'X:', ''],
    ['blanks alone', 'X: \t ', ''],
    ['blanks around it', 'X:\t a b\t ', 'a b'],
    ['a tab inside', 'X: a\tb', 'a\tb'],
    ['colons', 'X: a:b: c', 'a:b: c'],
    ['obs-text', 'X: \x80\xff', '\x80\xff'],
    ['a non-breaking space on either side', 'X: \xa0a\xa0', '\xa0a\xa0'],
    ['a next-line character', 'X: a\x85', 'a\x85'],
  ])('may have a value of %s', (_what, line, value) => {
    expect(taken(get(line)).headers).toEqual(['Host', 'x', 'X', value])
  })

  it.each(["!#$%&'*+-.^_`|~09azAZ", '__proto__', 'constructor'])('may have a header %s', (name) => {
    expect(taken(get(`${name}: 1`)).headers).toEqual(['Host', 'x', name, '1'])
  })

  it.each(['keep-alive', 'Keep-Alive', ' KEEP-ALIVE\t'])('may say Connection: %j', (value) => {
    expect(taken(get(`Connection: ${value}`)).headers).toHaveLength(4)
  })

  it.each([
    ['0', ''],
    ['000003', 'abc'],
    ['3', 'abc'],
  ])('may say Content-Length: %s', (length, body) => {
    expect(taken(post(`${body}behind`, `Content-Length: ${length}`)).body).toBe(body)
  })

  it('may have a head of 16 KiB, and 48 KiB in all', () => {
    const filled = (bytes: number) => get(`X: ${'a'.repeat(bytes - get('X: ').length + 4)}`)
    expect(read(filled(16 * 1024))).toMatchObject({ end: 16 * 1024 + 4 })
    const head = 'POST / HTTP/1.1\r\nContent-Length: 49100\r\n\r\n'
    const body = maxRequestBytes - head.length
    const whole = head.replace('49100', String(body))
    expect(read(whole + 'a'.repeat(body))).toMatchObject({ end: maxRequestBytes })
  })
})

describe('the beginning of a request', () => {
  it.each([
    ['without a body', get('X: 1', 'Connection: keep-alive')],
    ['with one', post('abc\r\n\r\nd', 'X: 1', 'Content-Length: 8')],
  ])('%s is incomplete wherever it is cut', (_what, text) => {
    for (let cut = 0; cut < text.length; cut++) expect([cut, read(text.slice(0, cut))]).toEqual([cut, 'incomplete'])
    expect(read(text)).toMatchObject({ end: text.length })
  })

  it('is waited for up to 16 KiB of a head', () => {
    expect(read(`GET / HTTP/1.1\r\nX: ${'a'.repeat(16 * 1024 - 19)}`)).toBe('incomplete')
    expect(read(`GET / HTTP/1.1\r\nX: ${'a'.repeat(16 * 1024 - 18)}`)).toBe('other')
    expect(read('\r'.repeat(16 * 1024 + 1))).toBe('other')
  })
})

describe('what only Node may judge', () => {
  const lines = (start: string) => `${start}\r\nHost: x\r\n\r\n`
  it.each([
    ...[
      'HTTP/1.0',
      'HTTP/1.2',
      'HTTP/2.0',
      'HTTP/0.9',
      'HTTP/1.1 ',
      'http/1.1',
      'HTTP/1.1\t',
      'HTTP/01.1',
      'HTTP/1.1\0',
    ].map((version) => `GET / ${version}`),
    ...['get', 'Get', 'TRACE', 'CONNECT', 'QUERY', 'PROPFIND', 'PRI', 'GET\0', ' GET', '\tGET', 'G ET', ''].map(
      (method) => `${method} / HTTP/1.1`,
    ),
    ...['http://x/', '*', 'x', '', '//x y', '/\x7f', '/\0', '/\x80', '/a\tb', '/"', '/#f', 'x:80'].map(
      (url) => `GET ${url} HTTP/1.1`,
    ),
    ...['GET  / HTTP/1.1', 'GET /  HTTP/1.1', 'GET\t/ HTTP/1.1', 'GET / ', 'GET /', 'GET', 'GET / HTTP/1.1 x'],
    ...['\r\nGET / HTTP/1.1', '\nGET / HTTP/1.1', '\rGET / HTTP/1.1', '\0GET / HTTP/1.1'],
    ...['GET / HTTP/1.1\r', 'GET / HTTP/1.1\nX: 1', 'GET / HTTP/1.1\rX: 1', 'GET /\r HTTP/1.1', 'GET /\n HTTP/1.1'],
  ])('is a request that begins with %j', (start) => {
    expect(read(lines(start))).toBe('other')
  })

  it('is a blank line before all', () => {
    expect(read('\r\n\r\nGET / HTTP/1.1\r\n\r\n')).toBe('other')
    expect(read('\r\n\r\n')).toBe('other')
  })

  it.each([
    ...['X : 1', 'X\t: 1', ' X: 1', '\tX: 1', 'X', 'X 1', ': 1', ':', ' ', 'X\0: 1', 'X\xe9: 1', 'X(: 1', '"X": 1'],
    ...['X: 1\nY: 2', 'X: 1\rY: 2', 'X: 1\r', 'X: \r', 'X:\n', '\rX: 1', '\nX: 1', 'X: 1\n'],
    // An obs-fold is a line that begins with a blank.
    ...['X: 1\r\n 2', 'X: 1\r\n\t2', 'X: 1\r\n '],
    ...['\0', '\x01', '\x08', '\x0b', '\x0c', '\x1b', '\x1f', '\x7f'].map((control) => `X: a${control}b`),
    ...['\x0b', '\x0c', '\0', '\x7f'].map((control) => `X: a${control}`),
  ])('is a head with the line %j', (line) => {
    expect(read(get(line))).toBe('other')
    expect(read(get(line, 'Y: 2'))).toBe('other')
  })

  it.each([
    ...[
      '+3',
      '-3',
      '3 3',
      '3,3',
      '3, 3',
      '0x3',
      '3.0',
      '1e1',
      '',
      ' ',
      '1234567',
      '9'.repeat(30),
      '3;',
      '"3"',
      '3\x0b',
      '3\t',
      '\xa03',
    ],
  ])('is a Content-Length of %j', (length) => {
    expect(read(post('abc', `Content-Length: ${length}`))).toBe('other')
  })

  it.each([
    [['Content-Length: 3', 'Content-Length: 3']],
    [['Content-Length: 3', 'content-length: 0']],
    [['Content-Length: 0', 'Content-Length: 0']],
    [['Content-Length: 3', 'Transfer-Encoding: chunked']],
    [['Transfer-Encoding: chunked', 'Content-Length: 3']],
    ...['chunked', 'identity', 'gzip, chunked', ''].map((coding) => [[`Transfer-Encoding: ${coding}`]]),
    [['TRANSFER-ENCODING:chunked']],
    ...['100-continue', '100-Continue', 'other', ''].map((expect) => [[`Expect: ${expect}`, 'Content-Length: 3']]),
    [['Upgrade: websocket']],
    [['Upgrade: websocket', 'Connection: Upgrade']],
    [['HTTP2-Settings: x']],
    [['Trailer: X']],
    ...[
      'close',
      'Upgrade',
      'keep-alive, x',
      'keep-alive,',
      ',keep-alive',
      '',
      'x',
      'keep-alive;',
      'keepalive',
      'te',
    ].map((value) => [[`Connection: ${value}`]]),
    // Node's parser reads it like Connection.
    [['Proxy-Connection: close']],
    [['Proxy-Connection: upgrade', 'Connection: keep-alive']],
    [['Connection: keep-alive', 'Connection: close']],
    [['Connection: close', 'Connection: keep-alive']],
  ])('is a request that says %j', (said) => {
    expect(read(post('abc', ...said))).toBe('other')
  })

  it('is a head beyond 16 KiB, before its end has come and after', () => {
    const head = get(`X: ${'a'.repeat(16 * 1024)}`)
    expect(read(head)).toBe('other')
    expect(read(head.slice(0, 16 * 1024 + 1))).toBe('other')
  })

  it('is a request with more headers than any may have', () => {
    const headed = (count: number) => `GET / HTTP/1.1\r\n${'a:\r\n'.repeat(count)}\r\n`
    expect(read(headed(limits.maxHeaders))).toMatchObject({ end: headed(limits.maxHeaders).length })
    expect(read(headed(limits.maxHeaders + 1))).toBe('other')
    expect(read(headed(4_000))).toBe('other')
  })

  it('is a request beyond 48 KiB, as soon as its head is there', () => {
    const head = (body: number) => `POST / HTTP/1.1\r\nContent-Length: ${body}\r\n\r\n`
    const most = maxRequestBytes - head(10_000).length
    expect(read(head(most))).toBe('incomplete')
    expect(read(head(most + 1))).toBe('other')
    expect(read(head(999_999))).toBe('other')
  })

  it('is said of the request that is next, and not of what stands before or behind it', () => {
    const first = get()
    expect(read(first + lines('get / HTTP/1.1'))).toMatchObject({ end: first.length })
    expect(read(first + lines('get / HTTP/1.1'), first.length)).toBe('other')
  })
})
