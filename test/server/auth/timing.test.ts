import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { createSharedAuthenticator } from '../../../server/src/auth/shared'
import { silentLog } from '../../../server/src/observe/log'
import { fullRun } from '../../support/full-run'
import { differInTime } from '../../support/timing-difference'

const samples = fullRun ? 20_000 : 4_000
const secret = createSecretKey(randomBytes(32))
const now = 1_700_000_000
const { verify } = createSharedAuthenticator({
  ...{ secret, clock: () => now * 1_000, isRevoked: () => false, log: silentLog },
})

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const claims = { iss: 'sealway-node', sub: 'orders-1', aud: 'sealway', iat: now, exp: now + 900, jti: 'a1' }
const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
const signature = createHmac('sha256', secret).update(text).digest()

/** A refused verification of a token whose signature is wrong in one byte. */
function refusing(wrongByte: number): () => void {
  const wrong = Buffer.from(signature)
  wrong[wrongByte]! ^= 0x41
  const token = `${text}.${wrong.toString('base64url')}`
  return () => {
    try {
      verify(token)
    } catch {
      return
    }
    throw new Error('a wrong signature was accepted')
  }
}

describe('J6: the time that a refused token takes', () => {
  it('does not tell a signature that is wrong in its first byte from one that is wrong in its last', () => {
    expect(verify(`${text}.${signature.toString('base64url')}`).subject).toBe('orders-1')
    expect(differInTime(refusing(0), refusing(signature.length - 1), samples)).toBe(false)
  })

  it('would tell them apart if bytes were compared one after the other', () => {
    const ours = randomBytes(4_096)
    const comparing = (wrongByte: number) => {
      const given = Buffer.from(ours)
      given[wrongByte]! ^= 1
      return () => {
        for (let i = 0; i < ours.length; i++) if (ours[i] !== given[i]) return
      }
    }
    expect(differInTime(comparing(0), comparing(ours.length - 1), samples)).toBe(true)
  })
})
