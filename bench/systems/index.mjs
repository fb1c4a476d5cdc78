import { system as aedes } from './aedes/system.mjs'
import { expressHttpProxy, expressHttpProxyPlain, fastifyProxy, nginx, none } from './http/system.mjs'
import { moleculerNats, moleculerTcp } from './moleculer/system.mjs'
import { system as mosquitto } from './mosquitto/system.mjs'
import { system as nats } from './nats/system.mjs'
import { system as rabbitmq } from './rabbitmq/system.mjs'
import { system as raw } from './raw/system.mjs'
import { system as redis } from './redis/system.mjs'
import { sealway, sealwayDirect, sealwayIpc, sealwayWs } from './sealway/system.mjs'
import { system as socketio } from './socketio/system.mjs'
import { system as ws } from './ws/system.mjs'

/**
 * @typedef {object} System
 * @property {string} name as in the results
 * @property {string} title
 * @property {string | undefined} [client] path of its client module, an `Open` of harness/link.mjs; absent: it carries HTTP only
 * @property {Http} [http] absent: it carries messages only
 * @property {string} settings which of its documented settings are used, for RESULTS.md
 * @property {readonly string[]} packages of bench/node_modules whose versions are reported
 * @property {{ name?: string, program: string, version: readonly string[] }} [server] a Debian package, and what prints its
 *   version
 * @property {Record<string, string>} [without] cases it has no figure for, and why
 * @property {(processes: import('../harness/processes.mjs').Processes) => Promise<import('../harness/measure.mjs').Server>} start
 */

/**
 * @typedef {object} Http what the HTTP cases need of a system, beside an `appPort` in its endpoint
 * @property {string} [serve] path of a module that makes the app reachable; absent: the app listens at `appPort`
 * @property {(name: string) => string} [path] of the app of this name; `/echo` unless told
 * @property {(endpoint: any) => Record<string, string>} [headers] of each request
 */

/**
 * In the order in which they are measured and listed.
 *
 * @type {readonly System[]}
 */
export const systems = [
  sealway,
  sealwayIpc,
  sealwayWs,
  sealwayDirect,
  nats,
  redis,
  mosquitto,
  aedes,
  rabbitmq,
  ws,
  socketio,
  moleculerTcp,
  moleculerNats,
  expressHttpProxyPlain,
  expressHttpProxy,
  fastifyProxy,
  nginx,
  none,
  raw,
]
