import { fileURLToPath } from 'node:url'

/** @type {import('../index.mjs').System} */
export const system = {
  name: 'redis',
  title: 'Redis pub/sub',
  client: fileURLToPath(new URL('./client.mjs', import.meta.url)),
  settings:
    'nothing saved to disk; messages published by ioredis with enableAutoPipelining, calls by ioredis without it, ' +
    'subscriptions held by node-redis: each where it is the faster one; bodies are buffers',
  packages: ['ioredis', 'redis'],
  server: { program: 'redis-server', version: ['--version'] },
  async start(processes) {
    const port = await processes.freePort()
    const folder = processes.folder('redis')
    const running = await processes.packaged({
      program: 'redis-server',
      package: 'redis-server',
      args: ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', '', '--appendonly', 'no'],
      port,
    })
    return { endpoint: { host: '127.0.0.1', port, folder }, running }
  },
}
