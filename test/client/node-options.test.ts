import { formatKey, generateKey } from '../../client-lib/src/crypto/keys.js'
import { connect } from '../../client-lib/src/node.js'
import { type ConnectOptions, resolveOptions, type Surroundings } from '../../client-lib/src/options.js'
import { rejection } from '../support/until.js'

const key = formatKey(generateKey())
const secret = 'PSSST-a-secret-of-more-than-32-bytes'

const surroundings = (environment: Surroundings['environment'] = {}): Surroundings => ({
  environment,
  clock: () => 1_700_000_000_000,
  random: () => 0,
  afterBurst: process.nextTick,
  nextTurn: setImmediate,
})

const good: ConnectOptions = { name: 'alice', groups: ['g'], keys: key, token: 'a token' }
const resolve = (options: Partial<ConnectOptions> = {}, environment: Surroundings['environment'] = {}) =>
  resolveOptions({ ...good, ...options } as ConnectOptions, surroundings(environment))

/** The error, and that it can be read by who made the mistake and by nobody else. */
function refusal(options: unknown, environment: Surroundings['environment'] = {}) {
  try {
    resolve(options as Partial<ConnectOptions>, environment)
  } catch (error) {
    const { code, message, outcome, cause } = error as { code: string; message: string; outcome: string; cause?: Error }
    for (const text of [message, cause?.message ?? '']) {
      expect(text).not.toContain('PSSST')
      expect(text).not.toContain(key)
    }
    expect(outcome).toBe('not-delivered')
    return { code, message }
  }
  throw new Error('it was taken')
}

describe('the options of connect', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['no groups', { groups: undefined }, 'INVALID_ARGUMENT', /groups must name at least one group/],
    ['groups that are empty', { groups: [] }, 'INVALID_ARGUMENT', /groups must name at least one group/],
    ['groups that are a text', { groups: 'orders' }, 'INVALID_ARGUMENT', /groups/],
    ['a group outside the grammar', { groups: ['My Group'] }, 'INVALID_NAME', /group "My Group" is not valid/],
    ['a name outside the grammar', { name: 'Alice!' }, 'INVALID_NAME', /name "Alice!" is not valid: 1 to 64/],
    ['a name that is no text', { name: 7 }, 'INVALID_NAME', /name 7 is not valid/],
    ['a timeout of 0', { timeout: 0 }, 'INVALID_ARGUMENT', /timeout must be above 0 ms, not 0/],
    ['a timeout that is no number', { timeout: Number.NaN }, 'INVALID_ARGUMENT', /timeout/],
    ['a URL without a scheme', { url: 'localhost:4567' }, 'INVALID_ARGUMENT', /must begin with http:\/\//],
    ['a URL that is none', { url: 'http://' }, 'INVALID_ARGUMENT', /is not a URL/],
    ['a URL that is none, over TLS', { url: 'https://[::g]' }, 'INVALID_ARGUMENT', /is not a URL/],
    ['a URL that is no text', { url: 4567 }, 'INVALID_ARGUMENT', /url must be a text/],
    ['a URL with a password', { url: 'http://me:PSSST@127.0.0.1' }, 'INVALID_ARGUMENT', /no user and no password/],
    [
      'cleartext to another host',
      { url: 'http://mediator.example:4567' },
      'INVALID_ARGUMENT',
      /in clear to another host/,
    ],
    ['cleartext over ws to another host', { url: 'ws://10.0.0.1' }, 'INVALID_ARGUMENT', /in clear to another host/],
    [
      'a host that only looks like this machine',
      { url: 'http://127.0.0.1.example.com' },
      'INVALID_ARGUMENT',
      /in clear/,
    ],
    ['an empty token', { token: '' }, 'INVALID_ARGUMENT', /token must be a text/],
    ['a token that is neither text nor function', { token: 42 }, 'INVALID_ARGUMENT', /token must be a text/],
    ['a key that is none', { keys: 'PSSST-not-a-key' }, 'INVALID_ARGUMENT', /key 1 of "default" is not a payload key/],
    ['an empty key', { keys: '' }, 'NO_KEY', /key 1 of "default" is empty/],
    ['no keys in a list', { keys: [] }, 'INVALID_ARGUMENT', /list of keys of "default" is empty/],
    ['no keys in an object', { keys: {} }, 'NO_KEY', /set PROTECTED_AES256/],
    ['keys that are null', { keys: null }, 'INVALID_ARGUMENT', /keys must be/],
    ['keys that are a number', { keys: 5 }, 'INVALID_ARGUMENT', /keys must be/],
    ['a list of numbers as keys', { keys: [5] }, 'INVALID_ARGUMENT', /keys must be texts/],
    ['the same key twice', { keys: [key, key] }, 'INVALID_ARGUMENT', /listed twice/],
    ['nine keys', { keys: Array.from({ length: 9 }, () => formatKey(generateKey())) }, 'INVALID_ARGUMENT', /at most 8/],
    ['keys of what is no group', { keys: { groups: { 'No Group': key } } }, 'INVALID_ARGUMENT', /no group/],
    [
      'an endpoint without a port',
      { endpoints: [{ name: 'web', protocol: 'http', address: 'h' }] },
      'INVALID_ARGUMENT',
      /endpoints\[0\]\.port/,
    ],
    [
      'an endpoint named twice',
      { endpoints: [1, 2].map(() => ({ name: 'w', protocol: 'http', address: 'h', port: 1 })) },
      'INVALID_ARGUMENT',
      /named twice/,
    ],
    ['endpoints that are an object', { endpoints: {} }, 'INVALID_ARGUMENT', /endpoints must be a list/],
    ['meta over 1 KiB', { meta: { fill: 'x'.repeat(2_000) } }, 'INVALID_ARGUMENT', /meta is over 1 KiB/],
    ['meta that JSON cannot carry', { meta: { tags: new Set() } }, 'INVALID_ARGUMENT', /meta\.tags cannot be encoded/],
    ['meta that is a list', { meta: [1] }, 'INVALID_ARGUMENT', /meta must be an object/],
    ['a codec that only encodes', { codec: { encode() {} } }, 'INVALID_ARGUMENT', /codec must have encode/],
    ['a logger that only says', { logger: { info() {} } }, 'INVALID_ARGUMENT', /logger must have/],
    ['a transport that is a name', { transport: 'tcp' }, 'INVALID_ARGUMENT', /transport must have connect/],
    ['a signal that is none', { signal: {} }, 'INVALID_ARGUMENT', /signal must be an AbortSignal/],
    ['a busy poll that is no number', { busyPollUs: '400' }, 'INVALID_ARGUMENT', /busyPollUs must be a number from 0/],
    ['a busy poll below 0', { busyPollUs: -1 }, 'INVALID_ARGUMENT', /from 0 to 10000/],
    ['a busy poll of a second', { busyPollUs: 1_000_000 }, 'INVALID_ARGUMENT', /from 0 to 10000/],
    ['a limit that does not exist', { limits: { outletBites: 1 } }, 'INVALID_ARGUMENT', /limits has no "outletBites"/],
    [
      'a limit of 0',
      { limits: { outletBytes: 0 } },
      'INVALID_ARGUMENT',
      /limits\.outletBytes must be a number above 0/,
    ],
    ['a keys file that is not there', { keysFile: '/nowhere/keys.json' }, 'CONFIG_INVALID', /\/nowhere\/keys\.json/],
  ])('are refused: %s', (_what, options, code, text) => {
    const error = refusal(options)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(text)
  })

  it.each<[string, Surroundings['environment'], Partial<ConnectOptions>, string, RegExp]>([
    ['no token and no secret', {}, { token: undefined as never }, 'INVALID_ARGUMENT', /set PROTECTED_BASIC_AND_JWT/],
    [
      'a secret that is too short',
      { PROTECTED_BASIC_AND_JWT: 'PSSST' },
      { token: undefined as never },
      'WEAK_SECRET',
      /at least 32 bytes/,
    ],
    ['no keys at all', {}, { keys: undefined as never }, 'NO_KEY', /set PROTECTED_AES256/],
    [
      'a key that is none',
      { PROTECTED_AES256: 'PSSST' },
      { keys: undefined as never },
      'INVALID_ARGUMENT',
      /not a payload key/,
    ],
    [
      'a payload key that is the secret too',
      { PROTECTED_BASIC_AND_JWT: key },
      {},
      'INVALID_ARGUMENT',
      /equals the secret that signs tokens/,
    ],
    ['a URL that is none', { SEALWAY_URL: 'nonsense' }, {}, 'INVALID_ARGUMENT', /must begin with/],
  ])('are refused with what the environment adds: %s', (_what, environment, options, code, text) => {
    const error = refusal(options, environment)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(text)
  })

  it('are taken from the environment where they are not given', () => {
    const resolved = resolveOptions(
      { groups: ['orders'] },
      surroundings({
        SEALWAY_URL: 'unix:/run/s.sock',
        PROTECTED_BASIC_AND_JWT: secret,
        PROTECTED_AES256: key,
        PROTECTED_AES256_ORDERS: formatKey(generateKey()),
      }),
    )
    expect(resolved).toMatchObject({ url: 'unix:/run/s.sock', transport: { name: 'ipc' }, groups: ['orders'] })
    expect(resolved.name).toMatch(/^orders-[0-9a-f]{6}$/)
    expect(resolved.keyring.scopes).toEqual(['default', 'ORDERS'])
    expect(resolved.token(0)).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
  })

  it('win over the environment', () => {
    const resolved = resolve({ url: 'ws://localhost:1' }, { SEALWAY_URL: 'unix:/x', PROTECTED_BASIC_AND_JWT: secret })
    expect(resolved).toMatchObject({ url: 'ws://localhost:1', transport: { name: 'ws' }, name: 'alice' })
    expect(resolved.token(0)).toBe('a token')
  })

  it.each([
    [{ url: 'http://localhost:1', transport: 'http' as const }, 'http'],
    [{ url: 'sealway+http://localhost:1' }, 'http'],
    [{ url: 'http://localhost:1' }, 'tcp'],
  ])('%j goes over %s', (options, name) => {
    expect(resolve(options)).toMatchObject({ url: options.url, transport: { name } })
  })

  it('have defaults for the rest', () => {
    const resolved = resolve()
    expect(resolved).toMatchObject({
      url: 'http://127.0.0.1:4567',
      timeoutMs: 30_000,
      strictIncarnation: false,
      endpoints: [],
      codec: undefined,
      limits: { callTimeoutMs: 30_000 },
    })
    expect(resolved.instance).toMatch(/^[0-9a-f]{32}$/)
    expect(resolve().instance).not.toBe(resolved.instance)
  })

  it('allow cleartext to another host where they say so, and always on this machine', () => {
    expect(resolve({ url: 'http://mediator.example', insecure: true }).url).toBe('http://mediator.example')
    expect(resolve({ url: 'http://mediator.example' }, { SEALWAY_INSECURE: '1' }).url).toBe('http://mediator.example')
    expect(() => resolve({ url: 'http://mediator.example' }, { SEALWAY_INSECURE: '0' })).toThrow(/in clear/)
    for (const host of ['localhost', '127.0.0.1', '127.8.8.8', '[::1]'])
      expect(resolve({ url: `http://${host}:1` }).url).toContain(host)
    expect(resolve({ url: 'https://mediator.example' }).url).toBe('https://mediator.example')
  })

  it('make a name of a long group without breaking the grammar', () => {
    const resolved = resolveOptions({ ...good, name: undefined as never, groups: ['g'.repeat(64)] }, surroundings())
    expect(resolved.name).toHaveLength(64)
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a number', 5],
  ])('may not be %s', async (_what, options) => {
    const error = await rejection(connect(options as ConnectOptions))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', outcome: 'not-delivered' })
    expect(error.message).toMatch(/groups/)
  })

  it('may not be a URL alone', async () => {
    const error = await rejection((connect as unknown as (url: string) => Promise<unknown>)('http://127.0.0.1:1'))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(/groups/) })
  })
})
