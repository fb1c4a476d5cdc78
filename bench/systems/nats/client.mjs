import { connect } from '@nats-io/transport-node'

const requestOptions = { timeout: 10_000, noAsyncTraces: true }

/** @type {import('../../harness/link.mjs').Open} */
export async function open(endpoint, { name, group, onMessage, answers }) {
  const connection = await connect({
    servers: `${endpoint.host}:${endpoint.port}`,
    name,
    noAsyncTraces: true,
    reconnect: false,
  })
  for (const subject of group === undefined ? [name] : [name, group]) {
    connection.subscribe(subject, {
      callback(error, message) {
        if (error) throw error
        if (answers) message.respond(message.data)
        else onMessage(message.data)
      },
    })
  }
  await connection.flush()

  /** @param {unknown} to @param {Buffer} body */
  const publish = (to, body) => {
    connection.publish(/** @type {string} */ (to), body)
    return undefined
  }
  return {
    address: (to) => to,
    groupAddress: (to) => to,
    send: publish,
    broadcast: publish,
    async call(to, body) {
      const answer = await connection.request(/** @type {string} */ (to), body, requestOptions)
      return answer.data
    },
    close: () => connection.close(),
  }
}
