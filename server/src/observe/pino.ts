import { pino } from 'pino'
import type { Log } from './log.js'
import { scrub } from './scrub.js'
import { textLine } from './text-line.js'

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly format: 'json' | 'text'
  /** Takes whole lines. */
  readonly write: (line: string) => void
  /** ms since 1970. */
  readonly clock?: () => number
}

/** A Log on pino: one line of JSON (or text) each; secrets are masked before pino sees them. */
export function createLog({ level, format, write, clock = Date.now }: LogOptions): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date(clock()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line) => write(format === 'json' ? line : textLine(line)) },
  )
  const withStack = level === 'debug'
  const at =
    (name: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: object, message: string): void => {
      if (logger.isLevelEnabled(name)) logger[name](scrub(fields, withStack) as object, message)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
