/**
 * The sending or the receiving process. The bench (its parent) sends one command at a time over IPC and gets one
 * answer for each: `{ answer }` or `{ error }`. `mark` is the one thing it says unasked.
 *
 * @typedef {object} Task
 * @property {'sender' | 'receiver' | 'idlers'} role
 * @property {string} client path of the system's client module
 * @property {import('./link.mjs').Endpoint} endpoint
 * @property {import('./cases.mjs').Measurement} measurement
 * @property {string} progressPath
 * @property {string} senderName
 * @property {readonly string[]} names of the receivers
 * @property {string} group of the receivers, for fan-outs
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { createIdlers } from './idlers.mjs'
import { obey } from './obey.mjs'
import { createReceiver } from './receiver.mjs'
import { createSender } from './sender.mjs'

/** How long links may take to say goodbye, ms. */
const closeMs = 400

const roles = { sender: createSender, receiver: createReceiver, idlers: createIdlers }
/** @type {any} what the role made: the commands are its methods */
let actor

/** @type {Record<string, (argument: any) => Promise<unknown>>} */
const commands = {
  /** @param {Task} task */
  async prepare(task) {
    const { open } = await import(pathToFileURL(task.client).href)
    actor = await roles[task.role](open, task)
  },
  /** @param {{ warmUpMs: number, measureMs: number }} times counts at the end of each and reports the pair */
  async watch({ warmUpMs, measureMs }) {
    await sleep(warmUpMs)
    actor.takeLatencies?.()
    mark('begin')
    await sleep(measureMs)
    mark('end')
    const latencies = actor.takeLatencies?.()
    if (latencies === undefined || latencies.length === 0) return {}
    const at = (/** @type {number} */ share) => latencies[Math.floor((latencies.length - 1) * share)]
    return { p50: at(0.5), p99: at(0.99) }
  },
  async quit() {
    await Promise.race([actor?.close?.(), sleep(closeMs)]).catch(() => {})
    setImmediate(() => process.exit(0))
  },
}

/** @param {'begin' | 'end'} which */
function mark(which) {
  process.send?.({ mark: which, count: actor.count(), atNs: Number(process.hrtime.bigint()) })
}

/** What the role made has commands of its own. */
obey(
  new Proxy(commands, {
    get: (own, /** @type {string} */ command) => own[command] ?? actor?.[command]?.bind(actor),
  }),
)
