import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { cpuSeconds, residentKiB } from './proc.mjs'

const workerScript = fileURLToPath(new URL('./worker.mjs', import.meta.url))
/** A worker that has not answered a command by then hangs, ms, beside the time it was asked to measure. */
const commandMs = 15_000
/** Setting up 5,000 links takes its time with some, ms. */
const idlersMs = 60_000
/** Links sit idle for so long before the server's memory is read, ms. */
const settleMs = 1_000

/**
 * @typedef {object} Server a system's server, running
 * @property {import('./link.mjs').Endpoint} endpoint
 * @property {import('./processes.mjs').Running | undefined} running undefined: the system needs none
 *
 * @typedef {object} Figure
 * @property {number} value
 * @property {number} [p99] of the paced case; `value` is the p50
 *
 * @typedef {object} Outcome
 * @property {Record<string, Figure>} figures by the name of the case
 * @property {number} lost messages that the receiver never saw, plus calls that failed
 * @property {number} wrong messages whose body had another length
 * @property {number} sent
 */

/**
 * Starts the sender and the receiver, lets them run, counts.
 *
 * @param {object} job
 * @param {import('./processes.mjs').Processes} job.processes
 * @param {import('../systems/index.mjs').System} job.system
 * @param {Server} job.server
 * @param {import('./cases.mjs').Measurement} job.measurement
 * @param {{ warmUpMs: number, measureMs: number }} job.times
 * @param {number} job.serial names are never used twice in a run
 * @returns {Promise<Outcome>}
 */
export async function measure({ processes, system, server, measurement, times, serial }) {
  if (system.client === undefined) throw new Error(`${system.name} carries no messages`)
  const task = {
    client: system.client,
    endpoint: server.endpoint,
    measurement,
    progressPath: path.join(processes.root, `progress-${serial}.sock`),
    senderName: `sender-${serial}`,
    names: Array.from({ length: measurement.receivers }, (_, index) => `receiver-${serial}-${index}`),
    group: `group-${serial}`,
  }
  const label = system.name
  if (measurement.kind === 'idle') return measureIdle(processes, label, task, server)

  const receiver = new Worker(processes, `${label}.receiver`)
  const sender = new Worker(processes, `${label}.sender`)
  try {
    const ready = [
      receiver.ask('prepare', { ...task, role: 'receiver' }),
      sender.ask('prepare', { ...task, role: 'sender' }),
    ]
    await Promise.all(ready)
    await sender.ask('meet')
    // Calls count where they come back, messages where they arrive.
    const counter = measurement.kind === 'calls' ? sender : receiver
    /** @type {Map<string, { count: number, atNs: number, cpu: number }>} */
    const marks = new Map()
    counter.onMark = ({ mark, count, atNs }) =>
      marks.set(mark, { count, atNs, cpu: server.running === undefined ? 0 : cpuSeconds(server.running.pid) })
    const watched = counter.ask('watch', times, commandMs + times.warmUpMs + times.measureMs)
    await sender.ask('start')
    const latency = await watched
    const { expected, completed, failed } = await sender.ask('stop')
    const { seen, wrong } = await receiver.ask('settle', expected)
    const begin = marks.get('begin')
    const end = marks.get('end')
    if (begin === undefined || end === undefined) throw new Error('the counter did not mark its time')

    const counted = end.count - begin.count
    if (counted === 0) throw new Error('nothing arrived')
    const perSecond = counted / ((end.atNs - begin.atNs) / 1e9)
    /** @type {Record<string, Figure>} */
    const figures = {}
    for (const name of measurement.cases) {
      if (name === 'paced-128') figures[name] = { value: latency.p50, p99: latency.p99 }
      else if (name !== 'cpu-oneway-128') figures[name] = { value: perSecond }
      else if (server.running !== undefined) figures[name] = { value: ((end.cpu - begin.cpu) / counted) * 1e6 }
    }
    const lost = measurement.kind === 'calls' ? expected - completed : expected - seen
    return { figures, lost: lost + failed, wrong, sent: expected }
  } finally {
    await Promise.all([sender.quit(), receiver.quit()])
  }
}

/**
 * @param {import('./processes.mjs').Processes} processes
 * @param {string} label
 * @param {object & { measurement: import('./cases.mjs').Measurement }} task
 * @param {Server} server just started, so that no other case's garbage is counted
 * @returns {Promise<Outcome>}
 */
async function measureIdle(processes, label, task, server) {
  if (server.running === undefined) throw new Error('it has no server')
  const idlers = new Worker(processes, `${label}.idlers`)
  try {
    await idlers.ask('prepare', { ...task, role: 'idlers' })
    await idlers.ask('first')
    await sleep(settleMs)
    const before = residentKiB(server.running.pid)
    const { perSecond } = await idlers.ask('rest', undefined, idlersMs)
    await sleep(settleMs)
    const links = task.measurement.links ?? 1
    const perLink = (residentKiB(server.running.pid) - before) / links
    return { figures: { 'idle-5000': { value: perLink }, connect: { value: perSecond } }, lost: 0, wrong: 0, sent: 0 }
  } finally {
    await idlers.quit()
  }
}

/** A worker process: one command, one answer. */
export class Worker {
  /** @type {((mark: { mark: string, count: number, atNs: number }) => void) | undefined} */
  onMark
  #serial = 0
  /** @type {Map<number, { resolve: (answer: any) => void, reject: (error: Error) => void }>} */
  #asked = new Map()

  /**
   * @param {import('./processes.mjs').Processes} processes
   * @param {string} label
   * @param {string} [script] another one that takes commands in the same way
   */
  constructor(processes, label, script = workerScript) {
    this.label = label
    const { child, running } = processes.node(label, script)
    this.child = child
    this.running = running
    child.on('message', (/** @type {any} */ message) => {
      if (message.mark !== undefined) return this.onMark?.(message)
      const asked = this.#asked.get(message.id)
      this.#asked.delete(message.id)
      if (message.error === undefined) asked?.resolve(message.answer)
      else asked?.reject(new Error(`${label}: ${message.error}`))
    })
    child.on('exit', () => {
      for (const { reject } of this.#asked.values()) reject(new Error(`${label} ended\n${running.output()}`))
      this.#asked.clear()
    })
  }

  /**
   * @param {string} command
   * @param {unknown} [argument]
   * @param {number} [limitMs]
   * @returns {Promise<any>}
   */
  ask(command, argument, limitMs = commandMs) {
    const id = ++this.#serial
    const answer = new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${this.label} did not ${command} in ${limitMs} ms\n${this.running.output()}`)),
        limitMs,
      )
      const done = (/** @type {(value: any) => void} */ settle) => (/** @type {any} */ value) => {
        clearTimeout(timer)
        settle(value)
      }
      this.#asked.set(id, { resolve: done(resolve), reject: done(reject) })
    })
    if (this.child.connected) this.child.send({ id, command, argument })
    else this.#asked.get(id)?.reject(new Error(`${this.label} has ended\n${this.running.output()}`))
    return answer
  }

  /** Lets it say goodbye to the server, then ends it. */
  async quit() {
    if (this.running.alive()) await this.ask('quit', undefined, 1_500).catch(() => {})
    // Its exit writes the profile, if there is one: give it the time.
    for (let waited = 0; waited < 2_000 && this.running.alive(); waited += 5) await sleep(5)
    await this.running.stop()
  }
}
