import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseSync } from '@swc/core'

const root = join(__dirname, '..', '..')
/** Folders whose code runs in a mediator, a node, a page or the command line. */
const shipped = ['protocol/src', 'client-lib/src', 'server/src', 'dashboard/src', 'scaffold/src', 'migrations']

export interface SourceRegex {
  readonly file: string
  readonly pattern: string
  readonly flags: string
}

/** Returns every regular expression literal of the shipped sources, and the files that build one from text. */
export function sourceRegexes(): { readonly literals: SourceRegex[]; readonly built: string[] } {
  const literals: SourceRegex[] = []
  const built: string[] = []
  for (const path of shipped.flatMap((folder) => typescriptFiles(join(root, folder)))) {
    const file = relative(root, path)
    visit(parseSync(readFileSync(path, 'utf8'), { syntax: 'typescript', tsx: path.endsWith('x') }), (node) => {
      if (node.type === 'RegExpLiteral') {
        literals.push({ file, pattern: node.pattern as string, flags: node.flags as string })
      }
      const callee = node.callee as SyntaxNode | undefined
      if ((node.type === 'NewExpression' || node.type === 'CallExpression') && callee?.value === 'RegExp')
        built.push(file)
    })
  }
  return { literals, built }
}

type SyntaxNode = { readonly [field: string]: unknown }

function visit(value: unknown, look: (node: SyntaxNode) => void): void {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) look(value as SyntaxNode)
  for (const child of Object.values(value)) visit(child, look)
}

function typescriptFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /(?<!\.d)\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}
