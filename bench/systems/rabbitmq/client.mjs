import { connect } from 'amqplib'
import { Calls } from '../wire.mjs'

/** RabbitMQ's own queue for answers, without a queue per caller (https://www.rabbitmq.com/docs/direct-reply-to). */
const directReply = 'amq.rabbitmq.reply-to'
const noAck = { noAck: true }

/** @type {import('../../harness/link.mjs').Open} */
export async function open(endpoint, { name, group, onMessage, answers }) {
  const calls = new Calls()
  const connection = await connect(`amqp://${endpoint.host}:${endpoint.port}`, { noDelay: true })
  connection.on('error', () => {})
  const channel = await connection.createChannel()
  const { queue } = await channel.assertQueue(name, { exclusive: true, durable: false })
  if (group !== undefined) {
    await channel.assertExchange(group, 'fanout', { durable: false, autoDelete: true })
    await channel.bindQueue(queue, group, '')
  }
  await channel.consume(
    queue,
    (message) => {
      if (message === null) return
      if (!answers) return onMessage(message.content)
      const { replyTo, correlationId } = message.properties
      channel.publish('', replyTo, message.content, { correlationId })
    },
    noAck,
  )

  /** @type {Promise<unknown> | undefined} */
  let drained
  /** @param {boolean} goOn what a publish returned */
  const backPressure = (goOn) => {
    if (goOn) return undefined
    drained ??= new Promise((resolve) =>
      channel.once('drain', () => {
        drained = undefined
        resolve(undefined)
      }),
    )
    return drained
  }
  return {
    async meet() {
      await channel.consume(
        directReply,
        (message) => {
          if (message !== null) calls.answered(Number(message.properties.correlationId), message.content)
        },
        noAck,
      )
    },
    address: (to) => to,
    groupAddress: (to) => to,
    send: (to, body) => backPressure(channel.publish('', /** @type {string} */ (to), body)),
    broadcast: (to, body) => backPressure(channel.publish(/** @type {string} */ (to), '', body)),
    call: (to, body) =>
      calls.make((id) =>
        channel.publish('', /** @type {string} */ (to), body, { replyTo: directReply, correlationId: String(id) }),
      ),
    close: () => connection.close(),
  }
}
