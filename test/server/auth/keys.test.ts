import { createSecretKey, randomBytes } from 'node:crypto'
import { operatorKey } from '../../../server/src/auth/keys'

describe('the key of operators', () => {
  const secret = createSecretKey(randomBytes(32))
  const password = (text: string) => createSecretKey(Buffer.from(text))

  it('is the same each time, and another one with another password or secret', () => {
    const key = operatorKey(secret, password('one password of many'))
    expect(key.symmetricKeySize).toBe(32)
    expect(operatorKey(secret, password('one password of many')).equals(key)).toBe(true)
    expect(operatorKey(secret, password('two passwords of many')).equals(key)).toBe(false)
    expect(operatorKey(createSecretKey(randomBytes(32)), password('one password of many')).equals(key)).toBe(false)
  })
})
