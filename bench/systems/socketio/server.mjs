import { createServer } from 'node:http'
import { Server } from 'socket.io'
import parser from 'socket.io-msgpack-parser'
import { listening } from '../../harness/listening.mjs'

const httpServer = createServer()
const io = new Server(httpServer, {
  parser,
  transports: ['websocket'],
  perMessageDeflate: false,
  serveClient: false,
})
/** @type {Map<string, import('socket.io').Socket>} */
const byName = new Map()

// https://socket.io/docs/v4/memory-usage: the request is kept otherwise.
io.engine.on('connection', (socket) => {
  socket.request = null
})
io.on('connection', (socket) => {
  const { name, group } = socket.handshake.auth
  byName.set(name, socket)
  if (group !== undefined) socket.join(group)
  socket.on('disconnect', () => byName.delete(name))
  socket.on('send', (to, body) => byName.get(to)?.emit('message', body))
  socket.on('call', (to, body, answer) => byName.get(to)?.emit('request', body, answer))
  socket.on('broadcast', (to, body) => socket.to(to).emit('message', body))
})
httpServer.listen(0, '127.0.0.1', () => {
  listening({ port: /** @type {import('node:net').AddressInfo} */ (httpServer.address()).port })
})
