/**
 * The HTTP app behind every proxy: a plain node:http handler that reads the body it is sent and answers with as much. One
 * command at a time over IPC, one answer each, as in worker.mjs.
 */
import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'
import { obey } from './obey.mjs'

const answer = Buffer.alloc(1_024, 'sealway bench ')

/** @type {import('node:http').RequestListener} */
function app(request, response) {
  let bytes = 0
  request.on('data', (chunk) => {
    bytes += chunk.length
  })
  request.on('end', () => {
    response.writeHead(bytes === answer.length ? 200 : 400, {
      'content-type': 'application/octet-stream',
      'content-length': answer.length,
    })
    response.end(answer)
  })
}

/** @type {Record<string, (argument: any) => Promise<unknown>>} */
const commands = {
  /** Listens where the proxy expects it. @param {number} port */
  listen: (port) =>
    new Promise((resolve, reject) => {
      // Longer than the run: no proxy meets a connection that is just being closed.
      const server = createServer({ keepAliveTimeout: 120_000 }, app).once('error', reject)
      server.listen(port, '127.0.0.1', 1_024, () => resolve(undefined))
    }),
  /** Serves by name, through a module of the system. @param {{ module: string, endpoint: any, name: string, port: number }} how */
  async serve({ module, endpoint, name, port }) {
    const { serve } = await import(pathToFileURL(module).href)
    await serve(endpoint, name, app, port)
  },
  async quit() {
    setImmediate(() => process.exit(0))
  },
}

obey(commands)
