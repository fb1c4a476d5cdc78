const durationUnits = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

const sizeUnits = new Map([
  ['B', 1],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
])

/** `250ms`, `10s`, `5m`, `24h`, `30d` in ms. A number without a unit is refused: 10 of what? Undefined: not a duration. */
export function parseDuration(text: string): number | undefined {
  return measure(text, /^(\d{1,9}(?:\.\d{1,3})?) ?(ms|s|m|h|d)$/, durationUnits)
}

/** `512B`, `64KiB`, `8MiB`, `1GiB`, or plain bytes, in bytes. Undefined: not a size. */
export function parseSize(text: string): number | undefined {
  return measure(/^\d+$/.test(text) ? `${text}B` : text, /^(\d{1,12}(?:\.\d{1,3})?) ?(B|KiB|MiB|GiB)$/, sizeUnits)
}

/** The shortest exact text: 90000 is `90s`, 86400000 is `1d`. */
export const formatDuration = (ms: number): string => format(ms, durationUnits)
export const formatSize = (bytes: number): string => format(bytes, sizeUnits)

function measure(text: string, form: RegExp, units: ReadonlyMap<string, number>): number | undefined {
  const match = form.exec(text)
  if (!match) return undefined
  const value = Number(match[1]) * units.get(match[2]!)!
  return Number.isSafeInteger(value) ? value : undefined
}

function format(value: number, units: ReadonlyMap<string, number>): string {
  let best = ['', 1] as [string, number]
  for (const [name, factor] of units) if (value % factor === 0 && (value > 0 || factor === 1)) best = [name, factor]
  return `${value / best[1]}${best[0]}`
}
