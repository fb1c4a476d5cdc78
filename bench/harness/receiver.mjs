import { setTimeout as sleep } from 'node:timers/promises'
import { inParallel, openAtOnce } from './parallel.mjs'
import { listenForSender } from './progress.mjs'
import { reportStepFor } from './window.mjs'

/** A report goes out at least this often, ms, so that the last messages of a window are reported too. */
const reportEveryMs = 2
/** Nothing new for this long after the sender has stopped: what is missing is lost, ms. */
const quietMs = 1_500

/**
 * Opens the links that receive, counts what arrives and tells the sender.
 *
 * @param {import('./link.mjs').Open} open
 * @param {import('./worker.mjs').Task} task
 */
export async function createReceiver(open, task) {
  const { measurement, names, group } = task
  const report = await listenForSender(task.progressPath)
  const deliveries = measurement.fanOut ? measurement.receivers : 1
  const step = reportStepFor(Math.max(1, measurement.bytes), deliveries)
  let seen = 0
  let reported = 0
  let wrong = 0
  /** @type {number[]} */
  let latencies = []

  const tell = () => {
    reported = seen
    report(seen)
  }
  /** @param {Uint8Array} body */
  const count = (body) => {
    if (body.length !== measurement.bytes) wrong++
    seen++
    if (seen - reported >= step) tell()
  }
  /** @param {Uint8Array} body its first 8 bytes: when it was handed over, ns on the machine's monotonic clock */
  const time = (body) => {
    const sentAt = Buffer.from(body.buffer, body.byteOffset, 8).readBigInt64LE()
    latencies.push(Number(process.hrtime.bigint() - sentAt) / 1_000)
    count(body)
  }
  const links = await inParallel(names, openAtOnce, (name) =>
    open(task.endpoint, {
      name,
      group: measurement.fanOut ? group : undefined,
      onMessage: measurement.kind === 'paced' ? time : count,
      answers: measurement.kind === 'calls',
    }),
  )
  setInterval(() => {
    if (seen !== reported) tell()
  }, reportEveryMs)

  return {
    count: () => seen,
    /** The latencies since the last time, us. */
    takeLatencies() {
      const taken = latencies
      latencies = []
      return Float64Array.from(taken).sort()
    },
    /**
     * @param {number} expected
     * @returns {Promise<{ seen: number, wrong: number }>}
     */
    async settle(expected) {
      for (let last = -1, still = 0; seen < expected && still < quietMs; ) {
        await sleep(5)
        still = seen === last ? still + 5 : 0
        last = seen
      }
      return { seen, wrong }
    },
    async close() {
      await Promise.all(links.map((link) => link.close()))
    },
  }
}
