import { createServer } from 'node:http'
import { Duplex } from 'node:stream'

export interface NodeRead {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  body: Buffer
  /** Its end has come. */
  complete: boolean
  readonly upgrade: boolean
}

/** What Node's own HTTP server makes of the bytes of a connection. */
export interface NodeReading {
  readonly requests: readonly NodeRead[]
  /** Code of its parser, where it refused something. */
  readonly refused: string | undefined
}

/** Turns of the event loop in which a request's last piece and its end are told: a body is read as a stream. */
const turnsToTell = 4

/** Reads the bytes as Node's server would, but for a `Host` that is missing: that one is no matter of the parser. */
export async function nodeReads(bytes: Uint8Array): Promise<NodeReading> {
  const requests: NodeRead[] = []
  let refused: string | undefined
  const server = createServer({ requireHostHeader: false }, (request) => {
    const { method, url, rawHeaders } = request
    const read = { method: method!, url: url!, rawHeaders, body: Buffer.alloc(0), complete: false, upgrade: false }
    requests.push(read)
    request.on('data', (chunk: Buffer) => {
      read.body = Buffer.concat([read.body, chunk])
    })
    request.on('end', () => {
      read.complete = true
    })
    request.on('error', () => {})
  })
  server.on('clientError', (error: NodeJS.ErrnoException) => {
    refused ??= error.code ?? error.message
  })
  server.on('upgrade', ({ method, url, rawHeaders }, _socket, head: Buffer) => {
    requests.push({ method: method!, url: url!, rawHeaders, body: head, complete: true, upgrade: true })
  })
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  socket.on('error', () => {})
  server.emit('connection', socket)
  socket.push(Buffer.from(bytes))
  for (let turn = 0; turn < turnsToTell; turn++) await new Promise((resolve) => setImmediate(resolve))
  socket.destroy()
  return { requests, refused }
}
