import { randomBytes } from 'node:crypto'
import { limits, SealwayError } from '@sealway/protocol'
import { configWarnings, effective, parseConfig } from '../../../server/src/config'
import { allSettings } from '../../../server/src/settings/table'

const secrets = {
  PROTECTED_BASIC_AND_JWT: randomBytes(32).toString('base64url'),
  PROTECTED_ADMIN_PASSWORD: randomBytes(18).toString('base64url'),
}
const payloadKey = `mk1_${randomBytes(32).toString('base64url')}`
const envFile = (text: string) => ({ name: '.env', text })

const refusal = (act: () => unknown): SealwayError => {
  try {
    act()
  } catch (error) {
    expect(error).toBeInstanceOf(SealwayError)
    return error as SealwayError
  }
  throw new Error('the settings were accepted')
}
const refused = (environment: { [name: string]: string }, text?: string) =>
  refusal(() => parseConfig({ ...secrets, ...environment }, text === undefined ? undefined : envFile(text)))

describe('settings', () => {
  it('need nothing but the two secrets', () => {
    const config = parseConfig(secrets)
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 4567,
      adminHost: '127.0.0.1',
      adminPort: 4568,
      ipcPath: undefined,
      databaseUrl: 'sqlite:./sealway.sqlite',
      adminUser: 'admin',
      logLevel: 'info',
      nodeEvictAfterMs: 30 * 86_400_000,
      namelessEvictAfterMs: 600_000,
      httpDomain: undefined,
      httpTimeoutMs: 30_000,
      httpIdleTimeoutMs: 300_000,
      trustProxy: 'none',
    })
    expect(config.limits).toEqual(limits)
    expect(config.jwtSecret.export().toString()).toBe(secrets.PROTECTED_BASIC_AND_JWT)
    expect(config.adminPassword.export().toString()).toBe(secrets.PROTECTED_ADMIN_PASSWORD)
  })

  it('lead requests straight to addresses on this machine in development, unless they say otherwise', () => {
    const direct = (environment: { [name: string]: string }, text = '') =>
      parseConfig({ ...secrets, ...environment }, envFile(text)).httpDirect
    expect([direct({}), direct({ NODE_ENV: 'production' }), direct({ NODE_ENV: '' })]).toEqual(['off', 'off', 'off'])
    const NODE_ENV = 'development'
    expect(direct({ NODE_ENV })).toBe('loopback')
    expect([direct({ NODE_ENV, HTTP_DIRECT: 'off' }), direct({ NODE_ENV }, 'HTTP_DIRECT=off')]).toEqual(['off', 'off'])
    // A file does not make it development.
    expect(direct({}, 'NODE_ENV=development')).toBe('off')
    const shown = effective({ ...secrets, NODE_ENV }).find(({ name }) => name === 'HTTP_DIRECT')
    expect(shown).toMatchObject({ value: 'loopback', origin: 'default' })
  })

  it('cannot be changed once parsed, and do not print their secrets', () => {
    const config = parseConfig(secrets)
    expect(() => Object.assign(config, { port: 1 })).toThrow(TypeError)
    expect(() => Object.assign(config.limits, { outboxBytes: 1 })).toThrow(TypeError)
    expect(JSON.stringify(config)).not.toContain(secrets.PROTECTED_BASIC_AND_JWT)
    expect(JSON.stringify(config)).not.toContain(secrets.PROTECTED_ADMIN_PASSWORD)
  })

  it('are read in the units in which people write them', () => {
    const config = parseConfig({
      ...secrets,
      LIMIT_OUTBOX: '16MiB',
      LIMIT_WINDOW: '4194304',
      LIMIT_SLOW_READER: '2.5s',
      LIMIT_PING: '500 ms',
      TOKEN_MAX_LIFE: '15m',
      NODE_EVICT_AFTER: '7d',
    })
    expect(config.limits).toMatchObject({
      outboxBytes: 16 * 1024 * 1024,
      routeWindowBytes: 4 * 1024 * 1024,
      slowReaderMs: 2_500,
      pingEveryMs: 500,
    })
    expect(config.tokenMaxLifeMs).toBe(900_000)
    expect(config.nodeEvictAfterMs).toBe(7 * 86_400_000)
  })

  it('come from the environment first, then from .env, then from the defaults; empty means not set', () => {
    const file = envFile('PORT=5001\nADMIN_PORT=5002\nLOG_LEVEL=debug\n')
    const environment = { ...secrets, PORT: '6001', LOG_LEVEL: '' }
    expect(parseConfig(environment, file)).toMatchObject({
      port: 6001,
      adminPort: 5002,
      logLevel: 'debug',
      host: '127.0.0.1',
    })
    const origins = new Map(effective(environment, file).map(({ name, origin }) => [name, origin]))
    expect(['PORT', 'ADMIN_PORT', 'LOG_LEVEL', 'HOST'].map((name) => origins.get(name))).toEqual([
      'environment',
      '.env',
      '.env',
      'default',
    ])
  })

  it('are not taken from the prototype of the environment', () => {
    expect(parseConfig(Object.assign(Object.create({ PORT: '1' }) as object, secrets)).port).toBe(4567)
  })

  it('each have a default that their own reader takes', () => {
    const wrong = effective(secrets).filter(({ problem }) => problem !== undefined)
    expect(wrong).toEqual([])
    expect(new Set(allSettings.map(({ name }) => name)).size).toBe(allSettings.length)
  })
})

describe('wrong settings', () => {
  it.each([
    ['PORT', '65536', 'is not a port'],
    ['PORT', '-1', 'is not a port'],
    ['PORT', '0x50', 'is not a port'],
    ['HOST', 'http://a', 'is not a host name or an IP address'],
    ['LIMIT_SLOW_READER', '10', 'is not a duration: write 250ms, 10s'],
    ['LIMIT_SLOW_READER', '10 years', 'is not a duration'],
    ['LIMIT_OUTBOX', '8MB', 'is not a size: write 64KiB'],
    ['LIMIT_FRAME', '17MiB', 'is above the most, 16MiB'],
    ['LIMIT_FRAME', '1KiB', 'is below the least, 64KiB'],
    ['LIMIT_ROUTES', '1e3', 'is not a whole number'],
    ['LOG_LEVEL', 'loud', 'is not one of info, debug'],
    ['IPC_PATH', `/${'a'.repeat(107)}`, 'over 107 bytes'],
    ['DATABASE_URL', 'postgres://a/b', 'begins with \\"postgres:\\"'.replaceAll('\\', '')],
    ['ADMIN_USER', 'a b', 'is not 1 to 64 letters'],
    ['TOKEN_AUDIENCE', 'a b', 'is not 1 to 64 characters'],
  ])('%s=%s says what is expected', (name, value, expected) => {
    const error = refused({ [name]: value })
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toContain(name)
    expect(error.message).toContain(expected)
  })

  it('are all named at once, each with where it was set', () => {
    const error = refused({ PORT: 'abc', LOG_LEVEL: 'loud' }, 'ADMIN_PORT=x\nnonsense\n')
    expect(error.message.split('\n')).toEqual([
      '4 settings are wrong:',
      '  - .env line 2 is not NAME=value',
      '  - PORT "abc" (in the environment) is not a port: 0 to 65535',
      '  - ADMIN_PORT "x" (in .env) is not a port: 0 to 65535',
      '  - LOG_LEVEL "loud" (in the environment) is not one of info, debug, warn, error, silent',
    ])
  })

  it('may be right alone and wrong together', () => {
    expect(refused({ ADMIN_PORT: '4567' }).message).toContain('PORT and ADMIN_PORT are both 4567')
    expect(refused({ LIMIT_PING: '20s' }).message).toContain('twice LIMIT_PING')
    expect(refused({ LIMIT_WINDOW: '16MiB' }).message).toContain('LIMIT_WINDOW must not be over LIMIT_OUTBOX')
    expect(refused({ LIMIT_BUDGET: '1MiB' }).message).toContain('LIMIT_BUDGET')
    expect(refused({ ADMIN_HOST: '0.0.0.0' }).message).toContain('ADMIN_REMOTE=allow')
    expect(parseConfig({ ...secrets, ADMIN_HOST: '0.0.0.0', ADMIN_REMOTE: 'allow' }).adminHost).toBe('0.0.0.0')
    expect(parseConfig({ ...secrets, PORT: '0', ADMIN_PORT: '0' }).port).toBe(0)
    expect(refused({ PROTECTED_ADMIN_PASSWORD: secrets.PROTECTED_BASIC_AND_JWT }).message).toContain('are the same')
  })

  it('never show a secret, nor the password in a database URL', () => {
    const error = refused({
      DATABASE_URL: 'mysql://root:hunter2@localhost:3306/a/b',
      PROTECTED_BASIC_AND_JWT: 'tooshort',
    })
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).not.toContain('hunter2')
    expect(error.message).not.toContain('tooshort')
  })

  it('show up in `effective` instead of being thrown', () => {
    const port = effective({ ...secrets, PORT: 'abc' }).find(({ name }) => name === 'PORT')
    expect(port).toMatchObject({ value: 'abc', origin: 'environment', problem: 'is not a port: 0 to 65535' })
  })
})

describe('J4: weak secrets', () => {
  it.each([
    ['QQ'],
    ['x'.repeat(31)],
    ['x'.repeat(64)],
    ['change-me-change-me-change-me-change-me'],
    ['replace_me_with_a_secret_of_32_bytes'],
    ['secretsecretsecretsecretsecretsecret'],
    ['0101010101010101010101010101010101010101'],
  ])('%s is refused as the shared secret', (value) => {
    const error = refused({ PROTECTED_BASIC_AND_JWT: value })
    expect(error.code).toBe('WEAK_SECRET')
    expect(error.message).toContain('PROTECTED_BASIC_AND_JWT')
    expect(error.message).not.toContain(value)
  })

  it('are refused as the password of operators too', () => {
    expect(refused({ PROTECTED_ADMIN_PASSWORD: 'admin' }).code).toBe('WEAK_SECRET')
  })

  it('are not mistaken for missing ones, which need another remedy', () => {
    const error = refusal(() => parseConfig({}))
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toContain('PROTECTED_BASIC_AND_JWT is not set; `sealway setup` generates it')
  })

  it('are not seen in what is generated', () => {
    for (let i = 0; i < 2_000; i++) {
      parseConfig({
        PROTECTED_BASIC_AND_JWT: randomBytes(32).toString('base64url'),
        PROTECTED_ADMIN_PASSWORD: randomBytes(18).toString('base64url'),
      })
    }
  })
})

describe('a payload key given to the mediator', () => {
  it.each([
    ['PROTECTED_AES256', 'anything at all'],
    ['PROTECTED_AES256_ORDERS', 'anything at all'],
    ['PROTECTED_AES256', payloadKey],
    ['INNOCENT', payloadKey],
    ['INNOCENT', `keys: [${payloadKey}, other]`],
    ['PROTECTED_BASIC_AND_JWT', payloadKey],
  ])('in the variable %s is refused, without showing it', (name, value) => {
    const error = refused({ [name]: value })
    expect(error.code).toBe('KEY_IN_MEDIATOR')
    expect(error.message).toContain(`"${name}" in the environment`)
    expect(error.message).not.toContain(value)
  })

  it('in .env is refused, whatever else is wrong there', () => {
    const error = refused({}, `PORT=abc\nSOMETHING="${payloadKey}"\n`)
    expect(error.code).toBe('KEY_IN_MEDIATOR')
    expect(error.message).toContain('"SOMETHING" in .env')
  })
})

describe('warnings', () => {
  it('name settings that are none, with the nearest that is', () => {
    const environment = {
      ...secrets,
      SEALWAY_PORT: '1',
      LIMIT_OUTBOKS: '1MiB',
      LIMIT_BUDGETT: '1GiB',
      SEALWAY_KEYS_FILE: 'keys.json',
      SEALWAY_KEY_FILE: 'keys.json',
      PATH: '/bin',
      HOME: '/',
      ADMIN_PROT: '1',
    }
    const warnings = configWarnings(environment, envFile('DATABSE_URL=x\nSEALWAY_URL=http://a\n'))
    expect(warnings).toEqual([
      '.env: DATABSE_URL is not a setting; is DATABASE_URL meant?',
      'environment: SEALWAY_PORT is not a setting',
      'environment: LIMIT_OUTBOKS is not a setting; is LIMIT_OUTBOX meant?',
      'environment: LIMIT_BUDGETT is not a setting; is LIMIT_BUDGET meant?',
      'environment: SEALWAY_KEY_FILE is not a setting; is SEALWAY_KEYS_FILE meant?',
      'environment: ADMIN_PROT is not a setting; is ADMIN_PORT meant?',
      'shared mode: every holder of PROTECTED_BASIC_AND_JWT can be any node',
    ])
  })

  it('say when tokens would travel in clear', () => {
    expect(configWarnings({ ...secrets, HOST: '0.0.0.0' })[0]).toContain('put TLS in front')
  })
})

describe('effective settings', () => {
  it('mask what is secret', () => {
    const shown = effective({ ...secrets, DATABASE_URL: 'mysql://root:hunter2@db:3306/sealway' })
    const values = new Map(shown.map(({ name, value }) => [name, value]))
    expect(values.get('PROTECTED_BASIC_AND_JWT')).toBe('***')
    expect(values.get('PROTECTED_ADMIN_PASSWORD')).toBe('***')
    expect(values.get('DATABASE_URL')).toBe('mysql://root:***@db:3306/sealway')
    expect(JSON.stringify(shown)).not.toMatch(/hunter2/)
  })

  it('hold every setting', () => {
    expect(effective({}).map(({ name }) => name)).toEqual(allSettings.map(({ name }) => name))
  })
})
