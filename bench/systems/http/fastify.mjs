/** Fastify with its own proxy, which forwards with undici and keep-alive by default. */
import fastifyProxy from '@fastify/http-proxy'
import fastify from 'fastify'
import { listening } from '../../harness/listening.mjs'

const [appPort] = process.argv.slice(2)
const server = fastify({ logger: false })
await server.register(fastifyProxy, { upstream: `http://127.0.0.1:${appPort}`, undici: { connections: 256 } })
await server.listen({ host: '127.0.0.1', port: 0, backlog: 1_024 })
listening({ port: /** @type {import('node:net').AddressInfo} */ (server.server.address()).port })
