import { parse } from 'dotenv'

/** A `.env` file that was read. */
export interface EnvFile {
  /** For messages: `.env`. */
  readonly name: string
  readonly text: string
}

export interface ParsedEnvFile {
  readonly values: ReadonlyMap<string, string>
  /** One sentence each, with the line's number. */
  readonly problems: readonly string[]
}

const assignment = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/

/**
 * dotenv reads the values; it passes silently over lines that it does not understand,
 * and a setting lost that way is found only much later, so those are found here.
 * The text of a bad line is not shown: it may be a secret.
 */
export function parseEnvFile(file: EnvFile): ParsedEnvFile {
  const text = file.text.replace(/^\uFEFF/, '')
  const problems: string[] = []
  const seen = new Map<string, number>()
  const lines = text.split(/\r\n|\n|\r/)
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!.trim()
    if (line === '' || line.startsWith('#')) continue
    const at = `${file.name} line ${i + 1}`
    const match = assignment.exec(line)
    if (!match) {
      problems.push(`${at} is not NAME=value`)
      continue
    }
    const name = match[1]!
    const earlier = seen.get(name)
    if (earlier !== undefined) problems.push(`${at} sets ${name} again, after line ${earlier}`)
    seen.set(name, i + 1)
    const end = closingLine(lines, i, match[2]!.trim())
    if (end === undefined) problems.push(`${at} opens a quote that is never closed`)
    else i = end
  }
  return { values: new Map(Object.entries(parse(text))), problems }
}

/** The line on which the value that begins on line `from` ends; quoted values may span lines. */
function closingLine(lines: readonly string[], from: number, value: string): number | undefined {
  const quote = value[0]
  if (quote !== '"' && quote !== "'" && quote !== '`') return from
  if (value.indexOf(quote, 1) > 0) return from
  for (let i = from + 1; i < lines.length; i++) if (lines[i]!.includes(quote)) return i
  return undefined
}
