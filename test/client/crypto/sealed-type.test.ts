import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '..', '..', '..')

/** Compiles one file as the tests are compiled, strictly. @returns the lines with an error, by number from 1 */
function linesWithErrors(code: string): number[] {
  const cache = join(root, 'node_modules', '.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'types-'))
  try {
    writeFileSync(join(folder, 'sample.ts'), code)
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: '../../../test/tsconfig.json', include: ['sample.ts'] }),
    )
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const { stdout } = spawnSync(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { encoding: 'utf8' })
    const found = [...stdout.matchAll(/sample\.ts\((\d+),\d+\): error/g)].map(([, line]) => Number(line))
    if (found.length === 0 && stdout.trim() !== '') throw new Error(stdout)
    return [...new Set(found)]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describe('the type of sealed bytes', () => {
  it('is given to no other bytes by the compiler', () => {
    const code = [
      `import type { Sealed } from '@sealway/protocol'`,
      `import type { SealedFrame } from '../../../client-lib/src/crypto/seal.js'`,
      `export const a: Sealed = new Uint8Array(96)`,
      `export const b: Sealed = Buffer.from('plain')`,
      `const parts = { header: Buffer.alloc(92), ciphertext: Buffer.alloc(1), tag: Buffer.alloc(16), counter: 0, bytes: 97 }`,
      `export const c: SealedFrame = parts`,
      `export const d = (sealed: Sealed): Uint8Array => sealed`,
    ]
    expect(linesWithErrors(code.join('\n'))).toEqual([3, 4, 6])
  })
})
