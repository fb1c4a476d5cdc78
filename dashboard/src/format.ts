const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** 999, 1,234, 12.3k, 4.5M. */
export function count(value: number): string {
  if (value < 10_000) return plain.format(value)
  return value < 1e6 ? `${trim(value / 1e3)}k` : value < 1e9 ? `${trim(value / 1e6)}M` : `${trim(value / 1e9)}G`
}

/** 512 B, 1.5 KiB, 3.2 MiB. */
export function bytes(value: number): string {
  if (value < 1_024) return `${plain.format(value)} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  let scaled = value / 1_024
  let unit = 0
  while (scaled >= 1_024 && unit < units.length - 1) {
    scaled /= 1_024
    unit++
  }
  return `${trim(scaled)} ${units[unit]}`
}

/** 0.12 ms, 3.4 ms, 120 ms, 1.2 s; a dash where nothing is known. */
export function millis(value: number | null): string {
  if (value === null) return '–'
  if (value === 0) return '0 ms'
  if (value < 10) return `${value.toFixed(value < 1 ? 2 : 1)} ms`
  return value < 1_000 ? `${Math.round(value)} ms` : `${trim(value / 1_000)} s`
}

/** 12 s, 5 min, 3 h 20 min, 4 d 2 h: a length of time, ms. */
export function span(value: number): string {
  const seconds = Math.max(0, Math.round(value / 1_000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  const days = Math.floor(hours / 24)
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`
}

/** 14:03:27.120, of this browser's time zone. */
export function clockTime(at: number): string {
  const date = new Date(at)
  const two = (part: number): string => String(part).padStart(2, '0')
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  return `${time}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

/** 2026-03-01 14:03, of this browser's time zone. */
export function dateTime(at: number): string {
  const date = new Date(at)
  const two = (part: number): string => String(part).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`
}

/** `1 node`, `2 nodes`. */
export const plural = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? '' : 's'}`

const trim = (value: number): string =>
  value >= 100 ? String(Math.round(value)) : value.toFixed(1).replace(/\.0$/, '')
