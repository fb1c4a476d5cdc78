import net from 'node:net'
import { MqttClient } from 'mqtt'
import { answerRequest, packRequest, unpackAnswer } from '../reply-to.mjs'
import { Calls } from '../wire.mjs'

const atMostOnce = /** @type {const} */ ({ qos: 0 })

/** For both MQTT brokers. @type {import('../../harness/link.mjs').Open} */
export async function open(endpoint, { name, group, onMessage, answers }) {
  const calls = new Calls()
  // MQTT.js leaves Nagle's algorithm on; its own documentation has the stream builder for what else one wants.
  const client = new MqttClient(() => net.connect({ host: endpoint.host, port: endpoint.port, noDelay: true }), {
    clientId: name,
    clean: true,
    reconnectPeriod: 0,
    resubscribe: false,
  })
  await new Promise((resolve, reject) => {
    client.once('connect', resolve)
    client.once('error', reject)
  })
  const ownAnswers = `${name}/answers`

  /** @param {unknown} topic @param {Buffer} body */
  const publish = (topic, body) => {
    client.publish(/** @type {string} */ (topic), body, atMostOnce)
    return undefined
  }
  client.on('message', (topic, bytes) => {
    if (topic === ownAnswers) {
      const { id, body } = unpackAnswer(bytes)
      calls.answered(id, body)
    } else if (answers) {
      const { caller, answer } = answerRequest(bytes)
      publish(caller, answer)
    } else {
      onMessage(bytes)
    }
  })
  await client.subscribeAsync(group === undefined ? [name] : [name, group], atMostOnce)

  return {
    async meet() {
      await client.subscribeAsync(ownAnswers, atMostOnce)
    },
    address: (to) => to,
    groupAddress: (to) => to,
    send: publish,
    broadcast: publish,
    call: (to, body) => calls.make((id) => publish(to, packRequest(ownAnswers, id, body))),
    close: () => client.endAsync(true),
  }
}
