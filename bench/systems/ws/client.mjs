import { WebSocket } from 'ws'
import { Calls, headBytes, idOf, kindOf, message, relayRoute, reply, request, tagOf } from '../wire.mjs'

/** More than this in the socket's queue is back-pressure, bytes. */
const highWaterBytes = 1024 * 1024
const asBinary = { binary: true }

/** @type {import('../../harness/link.mjs').Open} */
export async function open(endpoint, { name, group, onMessage, answers }) {
  const calls = new Calls()
  const socket = new WebSocket(`ws://${endpoint.host}:${endpoint.port}`, {
    perMessageDeflate: false,
    skipUTF8Validation: true,
  })
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })

  /** @param {unknown} route @param {number} tag @param {Buffer} body */
  const send = (route, tag, body) => {
    const bytes = Buffer.allocUnsafe(headBytes + body.length)
    bytes.writeUInt32LE(/** @type {number} */ (route), 0)
    bytes.writeUInt32LE(tag, 4)
    body.copy(bytes, headBytes)
    if (socket.bufferedAmount < highWaterBytes) {
      socket.send(bytes, asBinary)
      return undefined
    }
    return new Promise((resolve) => socket.send(bytes, asBinary, resolve))
  }
  socket.on('message', (/** @type {Buffer} */ bytes) => {
    const tag = bytes.readUInt32LE(4)
    const body = bytes.subarray(headBytes)
    const kind = kindOf(tag)
    if (kind === message) onMessage(body)
    else if (kind === reply) calls.answered(idOf(tag), body)
    else if (answers) send(bytes.readUInt32LE(0), tagOf(reply, idOf(tag)), body)
  })

  /** @param {object} question */
  const askRelay = async (question) => {
    const answer = await calls.make((id) => send(relayRoute, id, Buffer.from(JSON.stringify(question))))
    const { number, missing } = JSON.parse(Buffer.from(answer).toString())
    if (number === undefined) throw new Error(`nobody is called ${missing}`)
    return number
  }
  await askRelay({ register: name, group })

  return {
    address: (to) => askRelay({ find: to }),
    groupAddress: (to) => askRelay({ find: to }),
    send: (to, body) => send(to, tagOf(message, 0), body),
    broadcast: (to, body) => send(to, tagOf(message, 0), body),
    call: (to, body) => calls.make((id) => send(to, tagOf(request, id), body)),
    async close() {
      socket.terminate()
    },
  }
}
