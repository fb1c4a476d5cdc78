import { fileURLToPath } from 'node:url'
import { startNats } from '../nats/system.mjs'

const client = fileURLToPath(new URL('./client.mjs', import.meta.url))
const settings =
  'CBOR (the serializer its documentation calls the fastest; with the default, JSON, bytes become arrays of numbers); ' +
  'metrics, tracing, validation, logging and copying of parameters off; events one way, actions for calls'
const noServer = 'it has no server'
const slowGossip =
  'a node learns about one other a second at most by gossip: meeting that many takes longer than a round has'
const notMeant = 'every node keeps a registry of every other'

/** Nodes that dial each other: no broker between. @type {import('../index.mjs').System} */
export const moleculerTcp = {
  name: 'moleculer-tcp',
  title: 'Moleculer over TCP (no broker between)',
  client,
  settings: `${settings}; TCP transporter with the receivers' addresses given instead of UDP discovery`,
  packages: ['moleculer', 'cbor-x'],
  without: {
    'multi-128': slowGossip,
    'fanout-50-128': slowGossip,
    'fanout-50-1024': slowGossip,
    'cpu-oneway-128': noServer,
    'idle-5000': noServer,
    connect: noServer,
  },
  async start(processes) {
    const folder = processes.folder('moleculer')
    return { endpoint: { host: '127.0.0.1', port: 0, folder, transporter: 'TCP' }, running: undefined }
  },
}

/** @type {import('../index.mjs').System} */
export const moleculerNats = {
  name: 'moleculer-nats',
  title: 'Moleculer over NATS',
  client,
  settings: `${settings}; NATS transporter`,
  packages: ['moleculer', 'nats', 'cbor-x'],
  without: { 'idle-5000': notMeant, connect: notMeant },
  server: { program: 'nats-server', version: ['--version'] },
  async start(processes) {
    const server = await startNats(processes)
    return { ...server, endpoint: { ...server.endpoint, transporter: 'NATS' } }
  },
}
