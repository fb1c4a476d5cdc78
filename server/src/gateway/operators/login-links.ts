import { createHash, randomBytes } from 'node:crypto'

export const linkLifeMs = 15 * 60_000
/** Links that wait to be used; one more ends the oldest. */
const maxLinks = 16
const codeForm = /^[A-Za-z0-9_-]{43}$/

/**
 * Codes that log an operator in once, without the password: 32 random bytes each, in memory only. They go into the
 * part of an address after `#`, which browsers send to nobody. Only hashes are kept, so a dump logs nobody in.
 */
export class LoginLinks {
  private readonly endByHash = new Map<string, number>()
  private readonly clock: () => number

  constructor(clock: () => number) {
    this.clock = clock
  }

  /** @returns a new code, good for 15 minutes */
  make(): string {
    const code = randomBytes(32).toString('base64url')
    this.endByHash.set(hashOf(code), this.clock() + linkLifeMs)
    if (this.endByHash.size > maxLinks) this.endByHash.delete(this.endByHash.keys().next().value!)
    return code
  }

  /** True once for each code. No attempts are counted: 256 bits are not guessed. */
  take(code: string): boolean {
    if (!codeForm.test(code)) return false
    const hash = hashOf(code)
    const end = this.endByHash.get(hash)
    this.endByHash.delete(hash)
    return end !== undefined && this.clock() < end
  }
}

const hashOf = (code: string): string => createHash('sha256').update(code).digest('base64url')
