import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Vectors } from '../client/browser/check-vectors'

const load = (name: string): unknown =>
  JSON.parse(readFileSync(join(__dirname, `../../protocol/vectors/${name}.json`), 'utf8'))

/** The vectors that a client without streams is checked against. */
export const clientVectors = (): Vectors =>
  ({
    frames: load('frames'),
    sealed: load('sealed'),
    bundles: load('bundles'),
    receipts: load('receipts'),
  }) as Vectors
