import { fileURLToPath } from 'node:url'
import { Worker } from './measure.mjs'

const appScript = fileURLToPath(new URL('./http-app.mjs', import.meta.url))
const loadScript = fileURLToPath(new URL('./http-load.mjs', import.meta.url))

/**
 * Starts the app behind the system's proxy, asks it, counts the answers.
 *
 * @param {object} job
 * @param {import('./processes.mjs').Processes} job.processes
 * @param {import('../systems/index.mjs').System} job.system
 * @param {import('./measure.mjs').Server} job.server
 * @param {import('./cases.mjs').Measurement} job.measurement
 * @param {{ warmUpMs: number, measureMs: number }} job.times
 * @param {number} job.serial
 * @returns {Promise<import('./measure.mjs').Outcome>}
 */
export async function measureHttp({ processes, system, server, measurement, times, serial }) {
  const { http } = system
  if (http === undefined) throw new Error(`${system.name} has no HTTP`)
  const { endpoint } = server
  const name = `app-${serial}`
  const app = new Worker(processes, `${system.name}.app`, appScript)
  const load = new Worker(processes, `${system.name}.load`, loadScript)
  try {
    if (http.serve === undefined) await app.ask('listen', endpoint.appPort)
    else await app.ask('serve', { module: http.serve, endpoint, name, port: endpoint.appPort })
    await load.ask('start', {
      port: endpoint.port,
      path: http.path?.(name) ?? '/echo',
      headers: http.headers?.(endpoint) ?? {},
      connections: measurement.inFlight,
      bytes: measurement.bytes,
    })
    const { counted, seconds } = await load.ask('watch', times, 15_000 + times.warmUpMs + times.measureMs)
    const { started, completed } = await load.ask('stop')
    if (counted === 0) throw new Error('nothing was answered')
    return {
      figures: { [measurement.name]: { value: counted / seconds } },
      lost: started - completed,
      wrong: 0,
      sent: started,
    }
  } finally {
    await Promise.all([app.quit(), load.quit()])
  }
}
