import type { SealwayError } from '@sealway/protocol'
import { patienceMs } from './patience.js'

const everyMs = 20

/** Turns of the event loop until something holds; an error that names it where it does not within the limit. */
export async function until(condition: () => boolean, what: string, limitMs = patienceMs): Promise<void> {
  const end = performance.now() + limitMs
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The same where other processes need the processor in between, and for what is to be asked for: gives what was found. */
export async function eventually<T>(
  found: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  limitMs = patienceMs,
): Promise<T> {
  for (const end = performance.now() + limitMs; ; ) {
    const value = await found()
    if (value !== undefined && value !== false) return value
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}

/** So many turns of the event loop: whatever was under way in memory is through by then. */
export async function turns(count = 30): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** What a promise rejects with. A promise that resolves is an error. */
export async function rejection(promise: Promise<unknown>): Promise<SealwayError> {
  try {
    await promise
  } catch (error) {
    return error as SealwayError
  }
  throw new Error('it resolved, where it should have been rejected')
}
