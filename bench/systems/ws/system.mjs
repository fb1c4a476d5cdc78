import { fileURLToPath } from 'node:url'

/** @type {import('../index.mjs').System} */
export const system = {
  name: 'ws',
  title: 'ws relay',
  client: fileURLToPath(new URL('./client.mjs', import.meta.url)),
  settings:
    'a minimal relay with the ws package on both sides: binary messages with a numeric route rewritten in place; ' +
    'perMessageDeflate off (its documentation advises so), skipUTF8Validation on, the native masking of bufferutil installed',
  packages: ['ws', 'bufferutil'],
  async start(processes) {
    const script = fileURLToPath(new URL('./server.mjs', import.meta.url))
    const { endpoint, running } = await processes.nodeServer('ws.server', script)
    return { endpoint: { host: '127.0.0.1', port: Number(endpoint.port), folder: '' }, running }
  },
}
