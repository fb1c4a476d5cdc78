import {
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
  type ScryptOptions,
  scrypt,
  timingSafeEqual,
} from 'node:crypto'
import { HttpError } from '../problem.js'

/** OWASP's least for interactive logins; about 60 ms and 32 MiB. maxmem: Node's default refuses it (RELIABILITY F12). */
const cost: ScryptOptions = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 }
/** Hashes at once, and how many may wait: logins never take more than two threads. */
const maxRunning = 2
const maxWaiting = 16
const maxPasswordBytes = 1_024

export interface PasswordCheck {
  /** Takes the same time whatever is wrong. @throws HttpError `TOO_MANY_REQUESTS` where too many wait */
  matches(user: string, password: string): Promise<boolean>
}

/** Keeps a salted scrypt hash of the password, and forgets the password. */
export function createPasswordCheck(user: string, password: KeyObject): PasswordCheck {
  const salt = randomBytes(16)
  const macKey = createSecretKey(randomBytes(32))
  const waiting: (() => void)[] = []
  let running = 0

  /** timingSafeEqual needs equal lengths, so the MACs of both are compared. */
  const equal = (a: Buffer | string, b: Buffer | string): boolean => {
    const mac = (value: Buffer | string) => createHmac('sha256', macKey).update(value).digest()
    return timingSafeEqual(mac(a), mac(b))
  }
  const hash = async (value: Buffer): Promise<Buffer> => {
    if (running >= maxRunning) {
      if (waiting.length >= maxWaiting) {
        throw new HttpError('TOO_MANY_REQUESTS', 'too many logins at once', { headers: { 'retry-after': '1' } })
      }
      // Whoever finishes hands its place on, so the count stays.
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else running++
    try {
      return await scryptOf(value, salt)
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
  const expected = scryptOf(password.export(), salt)
  // Whoever asks sees the failure; until then it is nobody's.
  expected.catch(() => {})

  return {
    async matches(givenUser, givenPassword) {
      const given = Buffer.from(givenPassword, 'utf8').subarray(0, maxPasswordBytes)
      const isUser = equal(givenUser, user)
      const isPassword = equal(await hash(given), await expected)
      return isUser && isPassword && Buffer.byteLength(givenPassword) <= maxPasswordBytes
    },
  }
}

const scryptOf = (value: Buffer, salt: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(value, salt, 32, cost, (error, key) => (error ? reject(error) : resolve(key)))
  })
