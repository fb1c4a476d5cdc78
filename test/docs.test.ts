import { existsSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { codeTable } from '@sealway/protocol'
import { allSettings } from '../server/src/settings/table'
import { codeWords, markdownFiles, relativeLinks, tableRows } from './support/markdown'

const root = join(__dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const codes = codeTable.map((row) => row[1] as string)

describe('docs/errors.md', () => {
  it('has each code of the table with its number, retry, status and meaning, and no other', () => {
    const documented = tableRows(read('docs/errors.md')).map((cells) => cells.slice(0, 5))
    expect(documented).toEqual(
      codeTable.map(([number, code, retry, status, meaning]) => [
        String(number),
        `\`${code}\``,
        retry,
        (status as number) === 0 ? '-' : String(status),
        meaning,
      ]),
    )
  })

  it('says of each code what to do', () => {
    for (const [, code, , , , advice] of tableRows(read('docs/errors.md'))) {
      expect([code, advice]).toEqual([code, expect.stringMatching(/\w{3,}/)])
    }
  })
})

describe('docs/settings.md', () => {
  it('has each setting with its unit, default and meaning, and no other', () => {
    const documented = tableRows(read('docs/settings.md'))
    expect(documented).toEqual(
      allSettings.map(({ name, unit, fallback, secret, meaning }) => [
        `\`${name}\``,
        unit.replaceAll('<', '\\<'),
        secret ? 'generated' : fallback === '' ? 'off' : `\`${fallback}\``,
        meaning,
      ]),
    )
  })
})

describe('docs/lifecycle.md', () => {
  it('names every code there is, and no other', () => {
    const named = new Set(codeWords(read('docs/lifecycle.md')).filter((text) => /^[A-Z][A-Z_]+$/.test(text)))
    expect([...named].sort()).toEqual([...codes].sort())
  })

  it('walks through twelve hops in order', () => {
    const hops = tableRows(read('docs/lifecycle.md')).map(([number]) => number)
    expect(hops).toEqual(Array.from({ length: 12 }, (_, i) => String(i + 1)))
  })
})

describe('docs/features.md', () => {
  const rows = tableRows(read('docs/features.md'))

  it('lists features 1 to 116 in order, each as works or not yet', () => {
    expect(rows.map(([number]) => Number(number))).toEqual(Array.from({ length: 116 }, (_, i) => i + 1))
    for (const [number, , state] of rows)
      expect([number, state]).toEqual([number, expect.stringMatching(/^(works|not yet)$/)])
  })

  it('names for each that works a test that exists, and none for the others', () => {
    for (const [number, , state, shownBy] of rows) {
      const tests = relativeLinks(shownBy!).map((link) => posix.join('docs', link))
      if (state === 'not yet') expect([number, tests]).toEqual([number, []])
      else expect([number, tests]).not.toEqual([number, []])
      for (const test of tests) {
        expect([number, test]).toEqual([number, expect.stringMatching(/^test\/.*\.test\.ts$/)])
        expect([number, test, existsSync(join(root, test))]).toEqual([number, test, true])
      }
    }
  })
})

describe('all markdown', () => {
  const files = markdownFiles(root)

  it('is found', () => {
    for (const file of ['README.md', 'CHANGELOG.md', 'docs/tour.md', 'docs/threat-model.md', 'docs/operations.md']) {
      expect(files).toContain(file)
    }
  })

  it.each(files)('%s links only to what exists', (file) => {
    const broken = relativeLinks(read(file)).filter((link) => !existsSync(join(root, posix.dirname(file), link)))
    expect(broken).toEqual([])
  })

  it.each(files)('%s names only files and folders that exist', (file) => {
    const paths = codeWords(read(file)).filter((text) =>
      /^(protocol|server|client-lib|migrations|test|docs|examples|bench|fixtures)\/[\w./-]*$/.test(text),
    )
    expect(paths.filter((path) => !/(^|\/)dist(\/|$)/.test(path) && !existsSync(join(root, path)))).toEqual([])
  })

  it.each(files)('%s names only make targets that exist', (file) => {
    const targets = new Set([...read('Makefile').matchAll(/^([a-z-]+):/gm)].map(([, name]) => name))
    const named = [...read(file).matchAll(/\bmake ((?:[a-z]+-)*[a-z]+)\b(?=`|$| +#|;)/gm)].map(([, name]) => name!)
    expect(named.filter((name) => !targets.has(name))).toEqual([])
  })

  it('numbers the decisions without a gap, and each says what was given up', () => {
    const decisions = files.filter((file) => file.startsWith('docs/decisions/')).sort()
    decisions.forEach((file, i) => {
      expect(posix.basename(file)).toMatch(new RegExp(`^${String(i + 1).padStart(4, '0')}-[a-z0-9-]+\\.md$`))
      for (const part of ['**Decided.**', '**Why.**', '**Given up.**']) expect(read(file)).toContain(part)
      expect(read(file)).toMatch(new RegExp(`^# ${i + 1}\\. `))
    })
    expect(decisions.length).toBeGreaterThanOrEqual(5)
  })
})
