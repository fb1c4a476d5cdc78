import { chooseTransport } from '../../../client-lib/src/transport/choose.js'

describe('the transport of a URL', () => {
  it.each(['http://127.0.0.1:4567', 'https://mediator.example', 'sealway+http://127.0.0.1:4567'])(
    'of %s is http where that is asked for',
    (url) => {
      expect(chooseTransport(url, 'http').name).toBe('http')
    },
  )

  it.each(['unix:/run/sealway.sock', 'ws://127.0.0.1:4567'])('of %s cannot be http', (url) => {
    expect(() => chooseTransport(url, 'http')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it.each([
    ['http://127.0.0.1:4567', 'tcp'],
    ['https://mediator.example', 'tcp'],
    ['unix:/run/sealway.sock', 'ipc'],
    ['unix:///run/sealway.sock', 'ipc'],
    ['ipc:/run/sealway.sock', 'ipc'],
    ['ws://127.0.0.1:4567', 'ws'],
    ['wss://mediator.example', 'ws'],
    ['sealway+http://127.0.0.1:4567', 'http'],
    ['sealway+https://mediator.example', 'http'],
  ])('of %s is %s', (url, name) => {
    expect(chooseTransport(url).name).toBe(name)
  })

  it.each(['', 'localhost:4567', '127.0.0.1:4567', 'ftp://x', 'HTTP', '//x', 'javascript:alert(1)'])(
    'of %p is refused, saying what it must begin with',
    (url) => {
      expect(() => chooseTransport(url)).toThrow(
        expect.objectContaining({
          code: 'INVALID_ARGUMENT',
          message: expect.stringContaining('http://, https://, unix:'),
        }),
      )
    },
  )
})
