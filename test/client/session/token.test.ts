import { mintedBy } from '../../../client-lib/src/session/token.js'
import { createSharedAuthenticator } from '../../../server/src/auth/shared.js'
import { silentLog } from '../../../server/src/observe/log.js'

const secret = 'thirty-two bytes and a few more of them'
const now = 1_700_000_000_500

const verify = (token: string, at = now) =>
  createSharedAuthenticator({ secret, clock: () => at, isRevoked: () => false, log: silentLog }).verify(token)

describe('a token that a node mints for itself', () => {
  it('is accepted by the mediator, stands for the node, and lasts 15 minutes', () => {
    const token = mintedBy(secret, 'alice', () => now)()
    expect(verify(token)).toMatchObject({ subject: 'alice', scopes: [], expiresAt: 1_700_000_000_000 + 15 * 60_000 })
  })

  it('is another one each time', () => {
    const mint = mintedBy(secret, 'alice', () => now)
    expect(verify(mint()).tokenId).not.toBe(verify(mint()).tokenId)
  })

  it('ends when it says', () => {
    const token = mintedBy(secret, 'alice', () => now)()
    expect(() => verify(token, now + 15 * 60_000)).toThrow(expect.objectContaining({ code: 'UNAUTHORIZED' }))
  })

  it('follows the clock', () => {
    let at = now
    const mint = mintedBy(secret, 'alice', () => at)
    mint()
    at += 3_600_000
    expect(verify(mint(), at).expiresAt).toBe(1_700_000_000_000 + 3_600_000 + 15 * 60_000)
  })

  it('is refused with another secret', () => {
    const token = mintedBy(`${secret}!`, 'alice', () => now)()
    expect(() => verify(token)).toThrow(expect.objectContaining({ code: 'UNAUTHORIZED' }))
  })

  it.each(['', 'short', 'x'.repeat(31)])(
    'is not made with a secret of less than 32 bytes, which is not shown: %p',
    (weak) => {
      let message = ''
      try {
        mintedBy(weak, 'alice', () => now)
      } catch (error) {
        expect(error).toMatchObject({ code: 'WEAK_SECRET', outcome: 'not-delivered' })
        message = (error as Error).message
      }
      expect(message).toContain('at least 32 bytes')
      if (weak) expect(message).not.toContain(weak)
    },
  )

  it('counts bytes and not characters', () => {
    expect(() => mintedBy('ü'.repeat(16), 'alice', () => now)).not.toThrow()
  })
})
