import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '../../..')
// Not the tests: some of them quote such calls.
const skipped = new Set(['node_modules', 'dist', '.git', 'test'])

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : sources(path)
    return /\.[cm]?[jt]sx?$/.test(entry.name) ? [path] : []
  })
}

/** The arguments of every call of createDecipheriv, split at the commas of the call itself. */
function decipherCalls(text: string): string[][] {
  return [...text.matchAll(/createDecipheriv\(/g)].map(({ index, 0: head }) => {
    const args = ['']
    let depth = 1
    for (let at = index + head.length; depth > 0 && at < text.length; at++) {
      const character = text[at]!
      if ('([{'.includes(character)) depth += 1
      else if (')]}'.includes(character)) depth -= 1
      if (character === ',' && depth === 1) args.push('')
      else if (depth > 0) args[args.length - 1] += character
    }
    return args.map((arg) => arg.trim())
  })
}

/** Whether a call pins the length of the tag: in place, or by a constant of the same file. */
function pinned(args: readonly string[], text: string): boolean {
  const options = args[3] ?? ''
  return options.includes('authTagLength') || new RegExp(`const ${options} = \\{ authTagLength: `).test(text)
}

it('C9: no source opens AES-GCM without pinning the length of the tag (RELIABILITY F5)', () => {
  const calls = sources(root).flatMap((path) => {
    const text = readFileSync(path, 'utf8')
    return decipherCalls(text).map((args) => ({ path, pinned: pinned(args, text) }))
  })
  expect(calls.filter((call) => !call.pinned)).toEqual([])
  expect(calls.map((call) => call.path)).toContain(join(root, 'client-lib/src/crypto/open.ts'))
})

it('the search itself finds what it must', () => {
  const good = "createDecipheriv('aes-256-gcm', key, nonce.subarray(0, 12), { authTagLength: 16 })"
  const named = "const gcm = { authTagLength: 16 }\ncreateDecipheriv('aes-256-gcm', f(a, b), nonce, gcm)"
  const verdicts = (text: string) => decipherCalls(text).map((args) => pinned(args, text))
  expect([verdicts(good), verdicts(named)]).toEqual([[true], [true]])
  expect(verdicts("createDecipheriv('aes-256-gcm', key, nonce)")).toEqual([false])
  expect(verdicts("createDecipheriv('aes-256-gcm', key, f(a, b), { other: 1 })")).toEqual([false])
})
