import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { io } from 'socket.io-client'
import { measurements } from './harness/cases.mjs'
import { describeMachine } from './harness/machine.mjs'
import { Worker } from './harness/measure.mjs'
import { Processes } from './harness/processes.mjs'
import { summarize } from './harness/statistics.mjs'
import { sealway } from './systems/sealway/system.mjs'

/**
 * What an open dashboard costs: one sender and one receiver talk without a pause, and what the mediator's live feed is
 * asked for changes every 0.8 s: nothing (no dashboard), and what each of the pages that show traffic asks for. The
 * kinds take turns, so that a machine that drifts shifts all of them, and each round gives ratios of its own.
 *
 * Beside the throughput it compares what a message costs the mediator's main thread, which other programs on the machine
 * disturb less. The dashboard itself is left out: a browser is on another machine, and here only takes what it is sent.
 */
const goal = 0.95
const times = { warmUpMs: 200, measureMs: 600 }
const cases = ['oneway-128', 'turn-128']

const names = { sender: 'sender', receiver: 'receiver' }
/** @type {Record<string, { topics: readonly string[], filter?: object } | undefined>} */
const kinds = {
  closed: undefined,
  topology: { topics: ['health', 'nodes', 'edges'] },
  traffic: { topics: ['health', 'frames'] },
  edge: { topics: ['health', 'nodes', 'edges', 'frames'], filter: { from: names.sender, to: names.receiver } },
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '12' } } })
const rounds = Math.max(3, Number(values.rounds))
const processes = new Processes()
processes.stopAtSignals()
try {
  const { endpoint, running } = await sealway.start(processes)
  if (running === undefined) throw new Error('the mediator was not started')
  /** @type {Record<string, unknown>} */
  const results = {}
  for (const name of cases) {
    const measurement = measurements.find((one) => one.name === name)
    if (measurement === undefined) throw new Error(`there is no measurement ${name}`)
    const readings = await measureCase(measurement, endpoint, running.pid)
    const ratios = Object.fromEntries(
      Object.keys(kinds)
        .filter((kind) => kind !== 'closed')
        .map((kind) => [kind, compare(readings, kind)]),
    )
    results[name] = { closed: summarize(of(readings, 'closed').map(({ perSecond }) => perSecond)), ratios }
    for (const [kind, { throughput, cost }] of Object.entries(ratios)) {
      console.log(
        `${name}  ${kind.padEnd(9)} throughput ${shown(throughput)} of closed (goal: ${goal})  ` +
          `mediator's time for a message ${shown(cost)}`,
      )
    }
  }
  mkdirSync(new URL('./results', import.meta.url), { recursive: true })
  const result = { machine: describeMachine(), goal, rounds, cases: results }
  writeFileSync(new URL('./results/dashboard.json', import.meta.url), `${JSON.stringify(result, undefined, 2)}\n`)
} finally {
  await processes.stopAll()
}

/**
 * @typedef {{ kind: string, round: number, perSecond: number, secondsEach: number }} Reading
 *
 * @param {import('./harness/cases.mjs').Measurement} measurement
 * @param {import('./harness/link.mjs').Endpoint} endpoint
 * @param {number} pid of the mediator
 * @returns {Promise<Reading[]>}
 */
async function measureCase(measurement, endpoint, pid) {
  const task = {
    client: sealway.client,
    endpoint,
    measurement,
    progressPath: path.join(processes.root, `progress-${measurement.name}.sock`),
    senderName: names.sender,
    names: [names.receiver],
    group: 'group',
  }
  const receiver = new Worker(processes, 'receiver')
  const sender = new Worker(processes, 'sender')
  /** @type {Reading[]} */
  const readings = []
  try {
    await Promise.all([
      receiver.ask('prepare', { ...task, role: 'receiver' }),
      sender.ask('prepare', { ...task, role: 'sender' }),
    ])
    await sender.ask('meet')
    await sender.ask('start')
    await receiver.ask('watch', times)
    const order = Object.keys(kinds)
    for (let round = 1; round <= rounds; round++) {
      for (const kind of order) {
        const close = await open(endpoint, kinds[kind])
        readings.push({ kind, round, ...(await take(receiver, pid)) })
        close()
      }
      // Who comes first changes from round to round.
      order.push(/** @type {string} */ (order.shift()))
    }
    const { expected } = await sender.ask('stop')
    const { seen } = await receiver.ask('settle', expected)
    if (seen !== expected) throw new Error(`${expected - seen} of ${expected} messages did not arrive`)
  } finally {
    await Promise.all([sender.quit(), receiver.quit()])
  }
  return readings
}

/**
 * One reading, counted at the receiver.
 *
 * @param {Worker} receiver
 * @param {number} pid
 */
async function take(receiver, pid) {
  /** @type {{ count: number, atNs: number, ran: number }[]} */
  const marks = []
  receiver.onMark = ({ count, atNs }) => marks.push({ count, atNs, ran: ranSeconds(pid) })
  await receiver.ask('watch', times)
  const [begin, end] = marks
  if (begin === undefined || end === undefined || end.count === begin.count) throw new Error('nothing arrived')
  const counted = end.count - begin.count
  return {
    perSecond: counted / ((end.atNs - begin.atNs) / 1e9),
    secondsEach: (end.ran - begin.ran) / counted,
  }
}

/** @param {number} pid @returns {number} how long its main thread has run so far, s */
function ranSeconds(pid) {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[0]) / 1e9
}

/**
 * Watches as a page does.
 *
 * @param {import('./harness/link.mjs').Endpoint} endpoint
 * @param {{ topics: readonly string[], filter?: object } | undefined} watch
 * @returns {Promise<() => void>} closes it
 */
async function open({ adminUrl, adminPassword }, watch) {
  if (watch === undefined) return () => {}
  const authorization = `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}`
  const socket = io(String(adminUrl), {
    path: '/api/live',
    transports: ['websocket'],
    extraHeaders: { authorization },
    reconnection: false,
    forceNew: true,
  })
  await new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(undefined))
    socket.once('connect_error', reject)
  })
  await socket.timeout(5_000).emitWithAck('watch', watch)
  return () => socket.disconnect()
}

/** @param {readonly Reading[]} readings @param {string} kind */
function of(readings, kind) {
  return readings.filter((reading) => reading.kind === kind)
}

/**
 * Round by round, against no dashboard.
 *
 * @param {readonly Reading[]} readings
 * @param {string} kind
 */
function compare(readings, kind) {
  const closed = of(readings, 'closed')
  const ratio = (/** @type {'perSecond' | 'secondsEach'} */ field) =>
    summarize(
      of(readings, kind).map((reading) => {
        const other = closed.find(({ round }) => round === reading.round)
        return reading[field] / Number(other?.[field])
      }),
    )
  return { throughput: ratio('perSecond'), cost: ratio('secondsEach') }
}

/** @param {import('./harness/statistics.mjs').Summary} summary */
function shown({ median, min, max }) {
  return `${median.toFixed(3)} (${min.toFixed(2)} to ${max.toFixed(2)})`
}
