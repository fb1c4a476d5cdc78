import { inParallel, openAtOnce } from './parallel.mjs'

/**
 * Opens links that then do nothing.
 *
 * @param {import('./link.mjs').Open} open
 * @param {import('./worker.mjs').Task} task
 */
export function createIdlers(open, task) {
  /** @param {number} index */
  const openOne = (index) =>
    open(task.endpoint, { name: `${task.senderName}-${index}`, group: undefined, onMessage() {}, answers: false })

  return {
    /** One link, so that what the server loads and allocates once is not counted as memory of links. */
    async first() {
      await openOne(0)
    },
    /** @returns {Promise<{ perSecond: number }>} */
    async rest() {
      const indexes = Array.from({ length: task.measurement.links ?? 0 }, (_, index) => index + 1)
      const startedAt = performance.now()
      await inParallel(indexes, openAtOnce, openOne)
      return { perSecond: indexes.length / ((performance.now() - startedAt) / 1_000) }
    },
  }
}
