import { fileURLToPath } from 'node:url'

/** @type {import('../index.mjs').System} */
export const system = {
  name: 'aedes',
  title: 'Aedes',
  client: fileURLToPath(new URL('../mqtt/client.mjs', import.meta.url)),
  settings: 'QoS 0, its in-memory persistence and emitter, concurrency 100 (its default); MQTT.js with its defaults',
  packages: ['aedes', 'mqtt'],
  async start(processes) {
    const script = fileURLToPath(new URL('./server.mjs', import.meta.url))
    const { endpoint, running } = await processes.nodeServer('aedes.server', script)
    return { endpoint: { host: '127.0.0.1', port: Number(endpoint.port), folder: '' }, running }
  },
}
