import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { ServiceBroker } from 'moleculer'

/** Everything that costs time and that the comparison does not need is off: see docs/0.14/performance of Moleculer. */
const quick = {
  logger: false,
  serializer: 'CBOR',
  metrics: false,
  tracing: false,
  validator: false,
  cacher: false,
  contextParamsCloning: false,
  requestTimeout: 0,
  internalServices: false,
  hotReload: false,
}

/**
 * For both transporters. A receiver is a service of its own name, so that events and actions reach exactly it; the
 * group of a fan-out is another service that all of them offer.
 *
 * @type {import('../../harness/link.mjs').Open}
 */
export async function open(endpoint, { name, group, onMessage, answers }) {
  let failed = 0
  /** @type {ServiceBroker} */
  let broker
  const mesh = endpoint.transporter === 'TCP'
  const urlOf = (/** @type {string} */ node) => path.join(endpoint.folder, node)

  /** @param {readonly string[]} peers */
  const start = async (peers) => {
    const port = mesh ? await freePort() : 0
    broker = new ServiceBroker({
      ...quick,
      nodeID: name,
      transporter: mesh
        ? {
            type: 'TCP',
            options: {
              udpDiscovery: false,
              useHostname: false,
              port,
              urls: peers.map((peer) => readFileSync(urlOf(peer), 'utf8')),
            },
          }
        : { type: 'NATS', options: { url: `nats://${endpoint.host}:${endpoint.port}` } },
    })
    for (const service of group === undefined ? [name] : [name, group]) {
      broker.createService({
        name: service,
        events: {
          [`${service}.message`]: {
            group: service,
            handler: (/** @type {any} */ context) => onMessage(context.params),
          },
        },
        actions: answers ? { echo: (/** @type {any} */ context) => context.params } : {},
      })
    }
    await broker.start()
    if (mesh) {
      mkdirSync(endpoint.folder, { recursive: true })
      writeFileSync(urlOf(name), `tcp://127.0.0.1:${port}/${name}`)
    }
  }

  // In the mesh a sender has to know where its receivers are before it starts.
  const sends = name.startsWith('sender')
  if (!sends) await start([])

  return {
    async meet(names) {
      await start(names)
      await broker.waitForServices([...names], 20_000, 20)
    },
    address: (to) => to,
    groupAddress: (to) => to,
    send(to, body) {
      broker.emit(`${to}.message`, body).catch(() => failed++)
      return undefined
    },
    broadcast(to, body) {
      broker.broadcast(`${to}.message`, body).catch(() => failed++)
      return undefined
    },
    call: (to, body) => broker.call(`${to}.echo`, body),
    failed: () => failed,
    close: () => broker.stop(),
  }
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = /** @type {net.AddressInfo} */ (server.address())
      server.close(() => resolve(port))
    })
  })
}
