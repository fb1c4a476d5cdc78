import { randomBytes, randomFillSync } from 'node:crypto'

/** What sealing needs of randomness; tests hand in their own. */
export interface Random {
  /** 32 fresh bytes, new with each flow. */
  salt(): Buffer
  /** Writes 4 random bytes, new with each frame. */
  guard(target: Uint8Array, at: number): void
}

/** One draw from the system serves this many bytes: a draw per frame would cost more than the guard is worth. */
const poolBytes = 4_096

/** The system's randomness, drawn in blocks. Salts never come from the block: they carry the scheme's uniqueness. */
export class PooledRandom implements Random {
  private readonly pool = Buffer.allocUnsafeSlow(poolBytes)
  private used = poolBytes

  salt(): Buffer {
    return randomBytes(32)
  }

  guard(target: Uint8Array, at: number): void {
    if (this.used === poolBytes) {
      randomFillSync(this.pool)
      this.used = 0
    }
    const pool = this.pool
    const from = this.used
    target[at] = pool[from]!
    target[at + 1] = pool[from + 1]!
    target[at + 2] = pool[from + 2]!
    target[at + 3] = pool[from + 3]!
    this.used = from + 4
  }
}
