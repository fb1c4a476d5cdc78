import { patienceMs } from './patience.js'

const everyMs = 20

/** For what has no event: asks again until it gives something, and rejects when it has not within `limitMs`. */
export async function eventually<T>(
  what: string,
  found: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = patienceMs,
): Promise<T> {
  for (const until = performance.now() + limitMs; ; ) {
    const value = await found()
    if (value !== undefined && value !== false) return value
    if (performance.now() > until) throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
