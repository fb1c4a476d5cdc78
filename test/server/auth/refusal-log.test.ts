import { randomBytes } from 'node:crypto'
import { createRefusalLog } from '../../../server/src/auth/refusal-log'
import { createSharedAuthenticator } from '../../../server/src/auth/shared'
import { silentLog } from '../../../server/src/observe/log'

describe('the log of refused tokens', () => {
  it('has at most ten lines in ten seconds, and says later how many more there were', () => {
    const lines: object[] = []
    let now = 1_000
    const refused = createRefusalLog({ ...silentLog, warn: (fields) => void lines.push(fields) }, () => now)
    for (let i = 0; i < 25; i++) refused('invalid signature')
    expect(lines).toEqual(Array.from({ length: 10 }, () => ({ reason: 'invalid signature' })))
    now += 9_999
    refused('jwt expired')
    expect(lines).toHaveLength(10)
    now += 1
    refused('jwt expired')
    refused('unknown kid')
    expect(lines.slice(10)).toEqual([{ reason: 'jwt expired', notLogged: 16 }, { reason: 'unknown kid' }])
  })

  it('goes on after a clock that was set back', () => {
    const lines: object[] = []
    let now = 1_000_000
    const refused = createRefusalLog({ ...silentLog, warn: (fields) => void lines.push(fields) }, () => now)
    for (let i = 0; i < 11; i++) refused('unknown kid')
    now = 5
    refused('unknown kid')
    expect(lines).toHaveLength(11)
  })
})

it('the mediator logs why it refused a token as a warning, which the one who asked is not told', () => {
  const lines: [object, string][] = []
  const { verify } = createSharedAuthenticator({
    secret: randomBytes(32).toString('base64url'),
    clock: Date.now,
    isRevoked: () => false,
    log: { ...silentLog, warn: (fields, message) => void lines.push([fields, message]) },
  })
  expect(() => verify('not.a.token!')).toThrow('the token was not accepted')
  expect(lines).toEqual([[{ reason: 'not three parts of base64url' }, 'token refused']])
})
