import { fileURLToPath } from 'node:url'

/** @type {import('../index.mjs').System} */
export const system = {
  name: 'socketio',
  title: 'socket.io relay',
  client: fileURLToPath(new URL('./client.mjs', import.meta.url)),
  settings:
    "a relay by name with socket.io's own events, acknowledgements and rooms; websocket only, per-message deflate off, " +
    'and what its page on performance advises: socket.io-msgpack-parser for binary bodies, bufferutil, the ' +
    'reference to the first HTTP request dropped',
  packages: ['socket.io', 'socket.io-msgpack-parser', 'bufferutil'],
  async start(processes) {
    const script = fileURLToPath(new URL('./server.mjs', import.meta.url))
    const { endpoint, running } = await processes.nodeServer('socketio.server', script)
    return { endpoint: { host: '127.0.0.1', port: Number(endpoint.port), folder: '' }, running }
  },
}
