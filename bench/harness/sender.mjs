import { Progress } from './progress.mjs'
import { burstFor, windowFor } from './window.mjs'

/** Messages a second in the paced case. */
const pacedPerSecond = 10_000

/**
 * Sends as the measurement asks: as fast as the system's own back-pressure and the window permit.
 *
 * @param {import('./link.mjs').Open} open
 * @param {import('./worker.mjs').Task} task
 */
export async function createSender(open, task) {
  const { measurement } = task
  const link = await open(task.endpoint, {
    name: task.senderName,
    group: undefined,
    sendsToGroup: measurement.fanOut ? task.group : undefined,
    onMessage() {},
    answers: false,
  })
  /** @type {import('./link.mjs').Address[]} */
  let targets = []
  /** @type {Progress} */
  let progress
  /** @type {unknown} */
  let failure
  let sent = 0
  let completed = 0
  let stopped = false
  /** @type {Promise<unknown>} */
  let running = Promise.resolve()

  const deliveries = measurement.fanOut ? measurement.receivers : 1
  const window = windowFor(Math.max(1, measurement.bytes), deliveries)
  const burst = burstFor(Math.max(1, measurement.bytes), deliveries)
  const body = Buffer.alloc(measurement.bytes, 'sealway bench ')
  const hand = measurement.fanOut ? link.broadcast : link.send
  const room = () => Math.floor((window - (sent * deliveries - progress.seen)) / deliveries)
  const nextTarget = () => (targets.length === 1 ? targets[0] : targets[sent % targets.length])

  /** By the kind of the measurement. @type {Record<string, () => Promise<unknown>>} */
  const ways = {
    async bursts() {
      while (!stopped) {
        const allowed = Math.min(burst, room())
        if (allowed <= 0) {
          await progress.next()
          continue
        }
        // The last one's promise stands for all: no client lets a later message overtake one that waits for room.
        let wait
        for (let i = 0; i < allowed; i++) {
          wait = hand(nextTarget(), body)
          sent++
        }
        await wait
        await new Promise(setImmediate)
      }
    },
    turns() {
      return new Promise((resolve, reject) => {
        const turn = () => {
          if (stopped) {
            resolve(undefined)
            return
          }
          if (room() <= 0) {
            progress.next().then(turn)
            return
          }
          const wait = hand(nextTarget(), body)
          sent++
          if (wait === undefined) setImmediate(turn)
          else wait.then(() => setImmediate(turn), reject)
        }
        turn()
      })
    },
    paced() {
      return new Promise((resolve, reject) => {
        const startedAt = process.hrtime.bigint()
        const timer = setInterval(() => {
          if (stopped) {
            clearInterval(timer)
            return resolve(undefined)
          }
          const due = (Number(process.hrtime.bigint() - startedAt) / 1e9) * pacedPerSecond
          for (let allowed = room(); sent < due && allowed > 0; allowed--) {
            // Its own copy: a client may keep what it was handed until the socket has taken it.
            const stamped = Buffer.from(body)
            stamped.writeBigInt64LE(process.hrtime.bigint())
            hand(nextTarget(), stamped)?.catch(reject)
            sent++
          }
        }, 1)
      })
    },
    calls() {
      const caller = async () => {
        while (!stopped) {
          sent++
          const answer = await link.call(targets[0], body)
          if (answer.length !== body.length) throw new Error(`an answer of ${answer.length} bytes`)
          completed++
        }
      }
      return Promise.all(Array.from({ length: measurement.inFlight ?? 1 }, caller))
    },
  }

  return {
    /** Once the receivers are there. */
    async meet() {
      progress = await Progress.connect(task.progressPath)
      await link.meet?.(task.names)
      targets = measurement.fanOut
        ? [await link.groupAddress(task.group)]
        : await Promise.all(task.names.map((name) => link.address(name)))
    },
    start() {
      running = /** @type {() => Promise<unknown>} */ (ways[measurement.kind])().catch((error) => {
        failure = error
      })
    },
    count: () => completed,
    /** @returns {Promise<{ expected: number, completed: number, failed: number }>} what the receiver should have seen */
    async stop() {
      stopped = true
      progress.wake()
      await running
      if (failure !== undefined) throw failure
      return { expected: sent * deliveries, completed, failed: link.failed?.() ?? 0 }
    },
    close: () => link.close(),
  }
}
