import { readdirSync } from 'node:fs'
import { join, posix } from 'node:path'

/** Cells of each row of each table, without the two head rows. */
export function tableRows(markdown: string): string[][] {
  const rows: string[][] = []
  const lines = withoutCode(markdown).split('\n')
  lines.forEach((line, i) => {
    const isHead = /^\|[\s|:-]+\|$/.test(lines[i + 1] ?? '')
    if (!line.startsWith('|') || isHead || /^\|[\s|:-]+\|$/.test(line)) return
    // A bar inside backticks is written \| in a table.
    rows.push(
      line
        .slice(1, line.lastIndexOf('|'))
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll('\\|', '|')),
    )
  })
  return rows
}

export interface Fence {
  readonly language: string
  readonly code: string
  /** What the info string says after the language, as in ```ts greeter.ts */
  readonly title: string
}

export const fences = (markdown: string): Fence[] =>
  [...markdown.matchAll(/^```(\w*) ?([^\n]*)\n([\s\S]*?)^```$/gm)].map(([, language, title, code]) => ({
    language: language!,
    title: title!.trim(),
    code: code!,
  }))

/** Targets of links that are not on the web, without what follows `#`. */
export const relativeLinks = (markdown: string): string[] =>
  [...withoutCode(markdown).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!.split('#')[0]!)
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target))

/** Texts in backticks, outside of fences. */
export const codeWords = (markdown: string): string[] =>
  [...withoutCode(markdown).matchAll(/`([^`\n]+)`/g)].map(([, text]) => text!)

const withoutCode = (markdown: string): string => markdown.replace(/^```[\s\S]*?^```$/gm, '')

/** Every markdown file of the repository that is about it, from its root. */
export function markdownFiles(root: string): string[] {
  const walk = (folder: string): string[] =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = posix.join(folder, entry.name)
      if (/^(node_modules|dist|coverage|\..*)$/.test(entry.name)) return []
      if (entry.isDirectory()) return walk(path)
      return entry.name.endsWith('.md') ? [path] : []
    })
  return walk('.')
}
