/** What runs when one signal fires: one listener on the signal, however many wait. */
class Waiters {
  private readonly waiting = new Set<() => void>()

  constructor(private readonly signal: AbortSignal) {
    signal.addEventListener('abort', this.fire, { once: true })
  }

  add(run: () => void): void {
    this.waiting.add(run)
  }

  delete(run: () => void): void {
    if (!this.waiting.delete(run) || this.waiting.size > 0) return
    this.signal.removeEventListener('abort', this.fire)
    bySignal.delete(this.signal)
  }

  private readonly fire = (): void => {
    bySignal.delete(this.signal)
    for (const run of [...this.waiting]) {
      // One that runs may have ended the wait of another.
      if (!this.waiting.delete(run)) continue
      try {
        run()
      } catch (error) {
        // As an event target does it: the others run all the same.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}

const bySignal = new WeakMap<AbortSignal, Waiters>()

/**
 * Runs `run` once, when the signal fires. A program may share one signal among any number of calls: a listener for each
 * would print MaxListenersExceededWarning from the eleventh on. The last that ends takes the listener off.
 * @param run its own function for each wait
 * @returns a function that ends the wait
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  let waiters = bySignal.get(signal)
  if (!waiters) {
    waiters = new Waiters(signal)
    bySignal.set(signal, waiters)
  }
  waiters.add(run)
  const added = waiters
  return () => added.delete(run)
}
