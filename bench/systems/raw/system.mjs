import { fileURLToPath } from 'node:url'

/** @type {import('../index.mjs').System} */
export const system = {
  name: 'raw',
  title: 'raw relay',
  client: fileURLToPath(new URL('./client.mjs', import.meta.url)),
  settings:
    'our own relay over plain TCP, as an upper bound: length-prefixed frames with a numeric route rewritten in place, ' +
    'runs of frames for one target forwarded as one slice, writes of 64 KiB, reused receive buffers; nothing sealed, ' +
    'nobody authenticated, nothing limited',
  packages: [],
  async start(processes) {
    const script = fileURLToPath(new URL('./server.mjs', import.meta.url))
    const { endpoint, running } = await processes.nodeServer('raw.server', script)
    return { endpoint: { host: '127.0.0.1', port: Number(endpoint.port), folder: '' }, running }
  },
}
