import { parse } from 'dotenv'

/** A `.env` file that was read. */
export interface EnvFile {
  /** For messages: `.env`. */
  readonly name: string
  readonly text: string
}

export interface ParsedEnvFile {
  readonly values: ReadonlyMap<string, string>
  /** Reasons to refuse the file. One sentence each, with the line's number. */
  readonly problems: readonly string[]
  /** Lines that dotenv reads, and that may not say what was meant. One sentence each, with the line's number. */
  readonly warnings: readonly string[]
}

/**
 * Reads an `.env` file with dotenv, and reports the lines that dotenv skips without a word.
 * No message shows the text of a line: it may be a secret.
 */
export function parseEnvFile(file: EnvFile): ParsedEnvFile {
  const text = file.text.replace(/^\uFEFF/, '')
  const problems: string[] = []
  const warnings: string[] = []
  const firstLines = new Map<string, number>()
  const lines = text.split(/\r\n|\n|\r/)
  for (let i = 0; i < lines.length; i++) {
    if (/^\s*(?:#|$)/.test(lines[i]!)) continue
    const at = `${file.name} line ${i + 1}`
    const entry = entryAt(lines, i)
    if (!entry) {
      problems.push(`${at} is not NAME=value`)
      continue
    }
    const { name, fault } = entry
    const earlier = firstLines.get(name)
    if (earlier !== undefined) problems.push(`${at} sets ${name} again, after line ${earlier}`)
    else firstLines.set(name, i + 1)
    if (fault === 'open') problems.push(`${at} opens a quote that is never closed`)
    else if (fault === 'rest') problems.push(`${at} has text behind the closing quote of ${name}`)
    else if (fault === 'comment') {
      warnings.push(`${at} ends the value of ${name} at the #: put the value in quotes if the # belongs to it`)
    }
    i = entry.last
  }
  return { values: new Map(Object.entries(parse(text))), problems, warnings }
}

interface Entry {
  readonly name: string
  /** Index of the line on which the value ends; a value in quotes may span lines. */
  readonly last: number
  /** `open`: no closing quote; `rest`: text behind the closing quote; `comment`: a `#` inside a value without quotes. */
  readonly fault?: 'open' | 'rest' | 'comment'
}

/** The entry that begins on this line, as dotenv reads it. Undefined: dotenv finds none there. */
function entryAt(lines: readonly string[], from: number): Entry | undefined {
  const line = lines[from]!
  const name = Object.keys(parse(line))[0]
  if (name === undefined) return undefined
  const written = line.slice(line.search(/[=:]/) + 1)
  const quote = /^\s*(["'`])/.exec(written)?.[1]
  if (quote === undefined) {
    const value = parse(line)[name]!
    const start = value === '' ? written : written.trimStart()
    return start.startsWith(`${value}#`) ? { name, last: from, fault: 'comment' } : { name, last: from }
  }
  const closesHere = written.indexOf(quote) < written.lastIndexOf(quote)
  for (let last = from; last < lines.length; last++) {
    if (last === from ? !closesHere : !lines[last]!.includes(quote)) continue
    // dotenv keeps the opening quote of a value that it could not close.
    if (!parse(lines.slice(from, last + 1).join('\n'))[name]!.startsWith(quote)) return { name, last }
  }
  if (closesHere) return { name, last: from, fault: 'rest' }
  return { name, last: from, fault: 'open' }
}
