import { fileURLToPath } from 'node:url'

/**
 * @param {import('../../harness/processes.mjs').Processes} processes
 * @returns {Promise<import('../../harness/measure.mjs').Server>}
 */
export async function startNats(processes) {
  const port = await processes.freePort()
  const running = await processes.packaged({
    program: 'nats-server',
    package: 'nats-server',
    args: ['--addr', '127.0.0.1', '--port', String(port)],
    port,
  })
  return { endpoint: { host: '127.0.0.1', port, folder: '' }, running }
}

/** @type {import('../index.mjs').System} */
export const system = {
  name: 'nats',
  title: 'NATS',
  client: fileURLToPath(new URL('./client.mjs', import.meta.url)),
  settings:
    'nats-server as it comes, core NATS; @nats-io/transport-node with callback subscriptions instead of iterators and ' +
    'noAsyncTraces, both of which its documentation names as faster',
  packages: ['@nats-io/transport-node'],
  server: { program: 'nats-server', version: ['--version'] },
  start: startNats,
}
