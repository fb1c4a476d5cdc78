import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** @type {import('../index.mjs').System} */
export const system = {
  name: 'mosquitto',
  title: 'Mosquitto',
  client: fileURLToPath(new URL('../mqtt/client.mjs', import.meta.url)),
  settings:
    'QoS 0, no persistence, set_tcp_nodelay on, max_queued_messages 0 (unlimited: at its default of 1,000 it would ' +
    'drop), no log; MQTT.js with its defaults',
  packages: ['mqtt'],
  server: { program: 'mosquitto', version: ['-h'] },
  async start(processes) {
    const port = await processes.freePort()
    const folder = processes.folder('mosquitto')
    const config = path.join(folder, 'mosquitto.conf')
    const lines = [
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'persistence false',
      'set_tcp_nodelay true',
      'max_queued_messages 0',
      'log_type none',
    ]
    writeFileSync(config, `${lines.join('\n')}\n`)
    const running = await processes.packaged({ program: 'mosquitto', package: 'mosquitto', args: ['-c', config], port })
    return { endpoint: { host: '127.0.0.1', port, folder }, running }
  },
}
