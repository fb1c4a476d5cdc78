import type { LiveNode } from './events.js'

/** Keys that are remembered of one node, and errors. */
const maxKeys = 4
const maxErrors = 8

/** What is seen of one node's own frames, while somebody watches. */
export class Sender {
  frames = 0
  errors = 0
  /** Replaced, never changed: whoever holds one may compare by identity. */
  keyIds: LiveNode['keyIds'] = []
  lastErrors: LiveNode['lastErrors'] = []
  private newest = -1

  /** The first 4 bytes of the key id, in clear in each sealed frame. */
  sealedWith(kid: number): void {
    if (kid === this.newest) return
    this.newest = kid
    const text = kid.toString(16).padStart(8, '0')
    this.keyIds = [text, ...this.keyIds.filter((other) => other !== text)].slice(0, maxKeys)
  }

  failed(at: number, to: string, code: string, frames: number): void {
    this.errors += frames
    this.lastErrors = [{ at, to, code }, ...this.lastErrors].slice(0, maxErrors)
  }
}
