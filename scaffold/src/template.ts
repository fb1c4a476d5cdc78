import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Answers } from './answers.js'

/**
 * The template is JavaScript that runs as it is, with its types in comments: `node /*: Node *\/` and
 * `/*:: import type ... *\/`. So there is one text for both languages.
 */
const types = / ?\/\*(::?)([\s\S]*?)\*\//g
/** A line, or several, of which nothing is left. */
const wholeLines = /^[ \t]*\/\*::[\s\S]*?\*\/\n/gm

export const toJavaScript = (text: string): string =>
  text
    .replace(wholeLines, '')
    .replace(types, '')
    .replace(/\n{3,}/g, '\n\n')
    .replace(/^\n+/, '')

export const toTypeScript = (text: string): string =>
  text.replace(types, (_, colons: string, inside: string) => {
    if (colons === ':') return `: ${inside.trim()}`
    // What spans lines stands alone.
    return inside.includes('\n') ? inside.trim() : ` ${inside.trim()}`
  })

/** The files that come out of the template, path to text. @param folder of the template */
export async function renderTemplate(folder: string, answers: Answers): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  const named = (text: string): string =>
    text.replaceAll('__NAME__', answers.name).replaceAll('__GROUP__', answers.group)
  for (const part of answers.http === 'express' ? ['src', 'express'] : ['src']) {
    for (const file of await readdir(join(folder, part))) {
      const text = named(await readFile(join(folder, part, file), 'utf8'))
      // What Express needs takes the place of the file of the same name.
      if (answers.language === 'js') files.set(`src/${file}`, toJavaScript(text))
      else files.set(`src/${file.replace(/\.js$/, '.ts')}`, toTypeScript(text).trimStart())
    }
  }
  for (const file of await readdir(join(folder, 'page'))) {
    files.set(`page/${file}`, await readFile(join(folder, 'page', file), 'utf8'))
  }
  return files
}
