import { io } from 'socket.io-client'
import parser from 'socket.io-msgpack-parser'

/** @type {import('../../harness/link.mjs').Open} */
export async function open(endpoint, { name, group, onMessage, answers }) {
  const socket = io(`http://${endpoint.host}:${endpoint.port}`, {
    parser,
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    auth: group === undefined ? { name } : { name, group },
  })
  socket.on('message', onMessage)
  if (answers) socket.on('request', (body, answer) => answer(body))
  await new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(undefined))
    socket.once('connect_error', reject)
  })

  return {
    address: (to) => to,
    groupAddress: (to) => to,
    send(to, body) {
      socket.emit('send', to, body)
      return undefined
    },
    broadcast(to, body) {
      socket.emit('broadcast', to, body)
      return undefined
    },
    call: (to, body) => new Promise((resolve) => socket.emit('call', to, body, resolve)),
    async close() {
      socket.disconnect()
    },
  }
}
