import { WebSocketServer } from 'ws'
import { listening } from '../../harness/listening.mjs'
import { headBytes, Names, relayRoute, reply, tagOf } from '../wire.mjs'

const names = new Names()
const asBinary = { binary: true }

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  perMessageDeflate: false,
  skipUTF8Validation: true,
})
server.on('listening', () => {
  listening({ port: /** @type {import('node:net').AddressInfo} */ (server.address()).port })
})
server.on('connection', (socket) => {
  let own = 0
  socket.on('error', () => {})
  socket.on('close', () => names.forget(socket))
  socket.on('message', (/** @type {Buffer} */ bytes) => {
    const route = bytes.readUInt32LE(0)
    if (route === relayRoute) {
      const asked = JSON.parse(bytes.subarray(headBytes).toString())
      const answer = names.answer(asked, socket)
      if (asked.register !== undefined && 'number' in answer) own = answer.number
      const head = Buffer.alloc(headBytes)
      head.writeUInt32LE(tagOf(reply, bytes.readUInt32LE(4)), 4)
      socket.send(Buffer.concat([head, Buffer.from(JSON.stringify(answer))]), asBinary)
      return
    }
    bytes.writeUInt32LE(own, 0)
    for (const target of names.members(route) ?? []) target.send(bytes, asBinary)
  })
})
