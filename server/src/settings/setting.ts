import { createSecretKey, type KeyObject } from 'node:crypto'
import { formatDuration, formatSize, parseDuration, parseSize } from './units.js'
import { weakness } from './weakness.js'

/** What a reader found wrong; the caller adds the name of the setting and where it came from. */
export class Problem {
  readonly code: 'CONFIG_INVALID' | 'WEAK_SECRET'
  readonly text: string

  constructor(text: string, code: Problem['code'] = 'CONFIG_INVALID') {
    this.code = code
    this.text = text
  }
}

/** One row of the settings table. */
export interface Setting<T> {
  /** The environment variable. */
  readonly name: string
  /** What its value is written in, for people: `port`, `duration (10s, 5m, 24h)`. */
  readonly unit: string
  /** As it would be written; empty: there is none. */
  readonly fallback: string
  /** The same where NODE_ENV is `development`, if it is another there. */
  readonly inDevelopment?: string
  readonly meaning: string
  /** Never shown. */
  readonly secret: boolean
  read(text: string): T | Problem
}

interface Range {
  readonly min?: number
  readonly max?: number
}

const row = <T>(
  name: string,
  unit: string,
  fallback: string,
  meaning: string,
  read: (text: string) => T | Problem,
  secret = false,
): Setting<T> => ({ name, unit, fallback, meaning, secret, read })

const within = (value: number, { min = 0, max = Number.MAX_SAFE_INTEGER }: Range, show: (n: number) => string) =>
  value < min
    ? new Problem(`is below the least, ${show(min)}`)
    : value > max
      ? new Problem(`is above the most, ${show(max)}`)
      : value

export const port = (name: string, fallback: number, meaning: string): Setting<number> =>
  row(name, 'port, 0 to 65535 (0: any free one)', String(fallback), meaning, (text) =>
    /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : new Problem('is not a port: 0 to 65535'),
  )

export const count = (name: string, fallback: number, meaning: string, range: Range = {}): Setting<number> =>
  row(name, 'number', String(fallback), meaning, (text) =>
    /^\d{1,15}$/.test(text) ? within(Number(text), range, String) : new Problem('is not a whole number'),
  )

export const duration = (name: string, fallbackMs: number, meaning: string, range: Range = {}): Setting<number> =>
  row(name, 'duration: 250ms, 10s, 5m, 24h, 30d', formatDuration(fallbackMs), meaning, (text) => {
    const ms = parseDuration(text)
    return ms === undefined
      ? new Problem('is not a duration: write 250ms, 10s, 5m, 24h or 30d')
      : within(ms, range, formatDuration)
  })

export const size = (name: string, fallbackBytes: number, meaning: string, range: Range = {}): Setting<number> =>
  row(name, 'size: 64KiB, 8MiB, 1GiB, or bytes', formatSize(fallbackBytes), meaning, (text) => {
    const bytes = parseSize(text)
    return bytes === undefined
      ? new Problem('is not a size: write 64KiB, 8MiB, 1GiB or plain bytes')
      : within(bytes, range, formatSize)
  })

export const choice = <T extends string>(
  name: string,
  options: readonly [T, ...T[]],
  meaning: string,
  fallback: T = options[0],
): Setting<T> =>
  row(name, `one of ${options.join(', ')}`, fallback, meaning, (text) =>
    (options as readonly string[]).includes(text) ? (text as T) : new Problem(`is not one of ${options.join(', ')}`),
  )

/** Text of a known form; `expected` ends the sentence "is not ...". */
export const text = (
  name: string,
  unit: string,
  fallback: string,
  meaning: string,
  form: RegExp,
  expected: string,
): Setting<string> =>
  row(name, unit, fallback, meaning, (value) => (form.test(value) ? value : new Problem(`is not ${expected}`)))

/** Text that may be left empty, which turns it off. */
export const optionalText = (
  name: string,
  unit: string,
  meaning: string,
  check: (value: string) => Problem | undefined,
): Setting<string | undefined> =>
  row<string | undefined>(name, unit, '', meaning, (value) => (value === '' ? undefined : (check(value) ?? value)))

/** Held as a KeyObject, which prints as nothing: a secret that was dumped by accident stays one. */
export const secret = (name: string, minBytes: number, meaning: string): Setting<KeyObject> =>
  row(
    name,
    `text of at least ${minBytes} bytes`,
    '',
    meaning,
    (value) => {
      const bytes = Buffer.from(value, 'utf8')
      if (bytes.length === 0) return new Problem('is not set; `sealway setup` generates it')
      const weak = weakness(value, minBytes)
      return weak === undefined
        ? createSecretKey(bytes)
        : new Problem(`${weak}; \`openssl rand -base64 32\` makes a good one`, 'WEAK_SECRET')
    },
    true,
  )
