import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { relativeLinks, tableRows } from './support/markdown'

const root = join(__dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const rows = tableRows(read('docs/reliability.md')).map(([id, , figure, shownBy]) => ({
  id: id!,
  figure: figure!,
  isOpen: shownBy!.startsWith('not yet'),
  reason: shownBy!,
  files: relativeLinks(shownBy!).map((link) => posix.join('docs', link)),
}))

const numbered = (letter: string, count: number) => Array.from({ length: count }, (_, i) => `${letter}${i + 1}`)
const allIds = [
  ...numbered('R', 26),
  ...numbered('C', 12),
  ...numbered('J', 11),
  ...numbered('H', 6),
  ...numbered('W', 7),
]

/** The rows that a file's test names begin with, separated by commas. */
function rowsNamedIn(file: string): string[] {
  const titles = /\b(?:it|test|describe)(?:\.each\([\s\S]*?\))?\(\s*['"`]((?:[RCJHW]\d{1,2}(?:, )?)+): /g
  return [...read(file).matchAll(titles)].flatMap(([, ids]) => ids!.split(', '))
}

const testFiles = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => `test/${file}`)

describe('docs/reliability.md', () => {
  it('lists every row of the test matrix once, in order', () => {
    expect(rows.map(({ id }) => id)).toEqual(allIds)
  })

  it.each(rows)(
    '$id says what must hold, and names its test or why there is none yet',
    ({ figure, isOpen, reason, files }) => {
      expect(figure).toMatch(/\w{3,}/)
      if (isOpen) expect(reason).toMatch(/^not yet: \w{3,}/)
      else expect(files).not.toEqual([])
    },
  )

  it.each(rows)('$id links to files that exist and name the row', ({ id, files }) => {
    for (const file of files) {
      expect([file, existsSync(join(root, file))]).toEqual([file, true])
      if (file.startsWith('test/')) expect([file, rowsNamedIn(file)]).toEqual([file, expect.arrayContaining([id])])
    }
  })

  it('links to every test that is named after a row', () => {
    const named = testFiles.flatMap((file) => [...new Set(rowsNamedIn(file))].map((id) => `${id} ${file}`))
    const linked = rows.flatMap(({ id, files }) => files.map((file) => `${id} ${file}`))
    expect(named.filter((pair) => !linked.includes(pair))).toEqual([])
  })
})
