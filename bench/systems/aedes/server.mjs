import net from 'node:net'
import { Aedes } from 'aedes'
import { listening } from '../../harness/listening.mjs'

const broker = await Aedes.createBroker()
const server = net.createServer({ noDelay: true }, broker.handle)
server.listen(0, '127.0.0.1', () => {
  listening({ port: /** @type {net.AddressInfo} */ (server.address()).port })
})
