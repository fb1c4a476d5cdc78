import { measure } from './measure.mjs'
import { measureHttp } from './measure-http.mjs'
import { NotInstalled } from './processes.mjs'

/**
 * @typedef {import('../systems/index.mjs').System} System
 * @typedef {import('./measure.mjs').Server} Server
 *
 * @typedef {object} Plan
 * @property {readonly System[]} systems
 * @property {readonly import('./cases.mjs').Measurement[]} measurements
 * @property {ReadonlySet<string>} cases asked for
 * @property {number} rounds
 * @property {number} idleRounds in how many of them the idle links are measured
 * @property {{ warmUpMs: number, measureMs: number }} times
 * @property {number} budgetMs no measurement starts later than this
 * @property {boolean} profile
 *
 * @typedef {object} Run
 * @property {import('./statistics.mjs').Reading[]} readings
 * @property {Map<string, string>} absent systems that could not be started, with the reason or the line that installs them
 * @property {{ round: number, system: string, measurement: string, reason: string }[]} failures
 * @property {{ round: number, system: string, measurement: string, lost: number, wrong: number, sent: number }[]} losses
 * @property {number} skipped measurements that the budget left no time for
 * @property {number} tookMs
 */

/**
 * Every case of a round is measured on all systems in turn before the next case comes, so that what is compared was
 * measured within seconds. Who comes first changes from round to round.
 *
 * @param {Plan} plan
 * @param {import('./processes.mjs').Processes} processes
 * @param {(line: string) => void} say
 * @returns {Promise<Run>}
 */
export async function runRounds(plan, processes, say) {
  const startedAt = Date.now()
  /** @type {Run} */
  const run = { readings: [], absent: new Map(), failures: [], losses: [], skipped: 0, tookMs: 0 }
  let serial = 0
  for (let round = 1; round <= plan.rounds; round++) {
    /** @type {Map<string, Server>} */
    const servers = new Map()
    for (const measurement of plan.measurements) {
      if (measurement.kind === 'idle' && round > plan.idleRounds) continue
      // Memory is counted without the garbage of other cases, and a profile shows one case.
      const needsOwnServer = measurement.kind === 'idle' || plan.profile
      processes.stage = measurement.name
      if (needsOwnServer) await stopServers(servers)
      for (const system of rotate(plan.systems, round - 1)) {
        const wanted = measurement.cases.filter((name) => plan.cases.has(name) && !system.without?.[name])
        if (wanted.length === 0 || run.absent.has(system.name) || !takes(system, measurement)) continue
        if (Date.now() - startedAt > plan.budgetMs) {
          run.skipped++
          continue
        }
        const where = { round, system: system.name, measurement: measurement.name }
        try {
          const server = await serverOf(system, servers, processes)
          const job = { processes, system, server, measurement, times: plan.times, serial: ++serial }
          const outcome = await (measurement.kind === 'http' ? measureHttp(job) : measure(job))
          for (const name of wanted) {
            const figure = outcome.figures[name]
            if (figure !== undefined) run.readings.push({ round, system: system.name, case: name, ...figure })
          }
          const { lost, wrong, sent } = outcome
          if (lost !== 0 || wrong !== 0) run.losses.push({ ...where, lost, wrong, sent })
          say(describe(where, outcome, wanted))
        } catch (error) {
          if (error instanceof NotInstalled) {
            run.absent.set(system.name, error.message)
            say(`${system.name}: ${error.message}`)
            continue
          }
          const reason = error instanceof Error ? error.message : String(error)
          run.failures.push({ ...where, reason })
          say(`round ${round}  ${measurement.name}  ${system.name}: FAILED, ${reason}`)
          await dropServer(system, servers)
        }
        if (needsOwnServer) await dropServer(system, servers)
      }
    }
    await stopServers(servers)
  }
  run.tookMs = Date.now() - startedAt
  return run
}

/**
 * @param {System} system
 * @param {import('./cases.mjs').Measurement} measurement
 */
const takes = (system, measurement) => (measurement.kind === 'http' ? system.http : system.client) !== undefined

/**
 * @param {System} system
 * @param {Map<string, Server>} servers
 * @param {import('./processes.mjs').Processes} processes
 */
async function serverOf(system, servers, processes) {
  const existing = servers.get(system.name)
  if (existing !== undefined && (existing.running?.alive() ?? true)) return existing
  const started = await system.start(processes)
  servers.set(system.name, started)
  return started
}

/** @param {System} system @param {Map<string, Server>} servers */
async function dropServer(system, servers) {
  const server = servers.get(system.name)
  servers.delete(system.name)
  await server?.running?.stop()
}

/** @param {Map<string, Server>} servers */
async function stopServers(servers) {
  await Promise.all([...servers.values()].map((server) => server.running?.stop()))
  servers.clear()
}

/** @template T @param {readonly T[]} list @param {number} by */
function rotate(list, by) {
  const at = list.length === 0 ? 0 : by % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}

/**
 * @param {{ round: number, system: string, measurement: string }} where
 * @param {import('./measure.mjs').Outcome} outcome
 * @param {readonly string[]} wanted
 */
function describe({ round, system, measurement }, { figures, lost, wrong }, wanted) {
  const values = wanted.map((name) => {
    const figure = figures[name]
    const p99 = figure?.p99 === undefined ? '' : ` p99 ${round3(figure.p99)}`
    return `${name === measurement ? '' : `${name} `}${figure === undefined ? '-' : round3(figure.value)}${p99}`
  })
  const trouble = lost === 0 && wrong === 0 ? '' : `  LOST ${lost}, WRONG ${wrong}`
  return `round ${round}  ${measurement.padEnd(15)} ${system.padEnd(14)} ${values.join('   ')}${trouble}`
}

/** @param {number} value @returns {string} three significant digits, or whole */
export function round3(value) {
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3)
}
