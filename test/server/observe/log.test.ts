import { createSecretKey, randomBytes } from 'node:crypto'
import { SealwayError } from '@sealway/protocol'
import { createLog, type LogOptions } from '../../../server/src/observe/pino'

function logInto(options: Partial<LogOptions> = {}) {
  const lines: string[] = []
  const log = createLog({
    level: 'debug',
    format: 'json',
    clock: () => 0,
    ...options,
    write: (line) => lines.push(line),
  })
  return { log, lines }
}

describe('the log', () => {
  it('is one line of JSON each', () => {
    const { log, lines } = logInto()
    log.info({ node: 'orders-1' }, 'connected')
    expect(lines).toEqual(['{"level":"info","time":"1970-01-01T00:00:00.000Z","node":"orders-1","msg":"connected"}\n'])
  })

  it('is one line of text each, where people read it', () => {
    const { log, lines } = logInto({ format: 'text' })
    log.warn({ node: 'orders-1', bytes: 7 }, 'slow')
    expect(lines).toEqual(['00:00:00 warn  slow node="orders-1" bytes=7\n'])
  })

  it('leaves out what is below its level', () => {
    const { log, lines } = logInto({ level: 'warn' })
    log.debug({}, 'a')
    log.info({}, 'b')
    log.warn({}, 'c')
    log.error({}, 'd')
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(['c', 'd'])
  })

  it.each(['json', 'text'] as const)('cannot be made to hold a forged line, as %s', (format) => {
    const { log, lines } = logInto({ format })
    log.info({ node: 'x\n00:00:00 error forged' }, 'connected')
    expect(lines.join('').trimEnd().split('\n')).toHaveLength(1)
  })

  it('W5: holds no secret, whatever field or error it came in', () => {
    const payloadKey = `mk1_${randomBytes(32).toString('base64url')}`
    const token = `eyJhbGciOiJIUzI1NiJ9.${randomBytes(40).toString('base64url')}.${randomBytes(32).toString('base64url')}`
    const canary = randomBytes(24).toString('base64url')
    const { log, lines } = logInto()
    const cause = new Error(`mysql://root:${canary}@db:3306 refused`)
    log.error({ error: new SealwayError('INTERNAL', { message: `Bearer ${token}`, cause }) }, 'failed')
    log.info({ token: canary, password: canary, headers: { authorization: `Basic ${canary}`, cookie: canary } }, 'a')
    log.info({ text: `the key is ${payloadKey}.`, nested: { list: [{ jwt: token }] } }, 'b')
    log.debug({ key: createSecretKey(Buffer.from(canary)), bytes: Buffer.from(canary), secret: { deep: canary } }, 'c')
    const all = lines.join('')
    for (const secret of [payloadKey, token, canary]) expect(all).not.toContain(secret)
    expect(all).toContain('refused')
  })

  it('keeps ids, counts and times of tokens', () => {
    const { log, lines } = logInto()
    log.info({ tokenId: 'a1', tokenExpiresAt: 7 }, 'accepted')
    expect(JSON.parse(lines[0]!)).toMatchObject({ tokenId: 'a1', tokenExpiresAt: 7 })
  })

  it('survives what cannot be written as JSON: cycles, big integers, endless text', () => {
    const { log, lines } = logInto()
    const cycle: { self?: unknown; big: bigint; text: string } = { big: 1n, text: 'x'.repeat(100_000) }
    cycle.self = cycle
    log.info({ cycle }, 'odd')
    expect(lines).toHaveLength(1)
    expect(lines[0]!.length).toBeLessThan(30_000)
  })

  it('shows stacks at debug level only', () => {
    const quiet = logInto({ level: 'info' })
    quiet.log.error({ error: new Error('x') }, 'failed')
    expect(quiet.lines[0]).not.toContain('log.test')
    const { log, lines } = logInto()
    log.error({ error: new Error('x') }, 'failed')
    expect(lines[0]).toContain('log.test')
  })
})
