import { randomBytes } from 'node:crypto'
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { busyPoll, type Connection, SealwayError } from '@sealway/protocol'
import type { Server as SocketIoServer } from 'socket.io'
import type { Authenticator } from './auth/authenticator.js'
import { operatorKey } from './auth/keys.js'
import { scopePolicy } from './auth/policy.js'
import { createRevocations } from './auth/revocations.js'
import { createSharedAuthenticator } from './auth/shared.js'
import { mintToken } from './auth/token.js'
import type { Config } from './config.js'
import { createAdminApp, type ShownSetting } from './gateway/admin-app.js'
import type { GatewayDeps } from './gateway/deps.js'
import { createReadiness } from './gateway/health.js'
import { createOperators } from './gateway/operators/login.js'
import { Pages } from './gateway/pages.js'
import { createPublicApp } from './gateway/public-app.js'
import { Live, type Memory } from './live/live.js'
import { createVisitors } from './live/visitors.js'
import { type Log, silentLog } from './observe/log.js'
import { Metrics } from './observe/metrics.js'
import { createResolveName, type ResolveName } from './proxy/direct/resolve.js'
import { isThisMachine } from './proxy/direct/this-machine.js'
import { DirectUpstream } from './proxy/direct/upstream.js'
import { createProxy, type HttpByName } from './proxy/proxy.js'
import { createRegistry } from './registry/create-registry.js'
import { Lease, type Processes } from './registry/lease.js'
import { createPolicyFeed } from './registry/policy-feed.js'
import type { Registry } from './registry/registry.js'
import { createUpkeep } from './registry/upkeep.js'
import { overloadSteps, Relay } from './routing/relay.js'
import { openDatabase } from './store/database.js'
import { requireMigrated } from './store/migrate.js'
import { hasGone } from './transport/gone.js'
import { acceptHttpLinks } from './transport/http.js'
import { listenOnPath } from './transport/ipc.js'
import { acceptUpgrades } from './transport/upgrade.js'
import { acceptWebSockets, wsPath } from './transport/ws.js'

export { parseConfig } from './config.js'
export type { Config, Registry }

/** What may be handed in; everything else is made from the settings. */
export interface MediatorParts {
  readonly registry?: Registry
  readonly authenticator?: Authenticator
  readonly log?: Log
  /** ms since 1970. */
  readonly clock?: () => number
  readonly random?: () => number
  readonly version?: string
  /** What operators are shown of the settings; secrets masked. */
  readonly settings?: () => readonly ShownSetting[]
  readonly warnings?: () => readonly string[]
  /** Folder of the built dashboard. */
  readonly dashboard?: string
  /** Of this process; absent: operators are told 0. */
  readonly memory?: () => Memory
  /** That this process may use; absent: one. */
  readonly processors?: number
  /** Of the addresses that nodes registered; the system's name servers unless a test hands in its own. */
  readonly resolveName?: ResolveName
  /** Of this machine; absent: no other mediator runs on it. */
  readonly processes?: Processes
  /** False: Node's own HTTP server reads all there is, as a comparison (docs/decisions/0018). */
  readonly fastPath?: boolean
}

export interface Mediator {
  /** Opens the ports. @throws SealwayError `PORT_IN_USE`, `CONFIG_INVALID` */
  listen(): Promise<{ readonly url: string; readonly adminUrl: string; readonly ipcPath: string | undefined }>
  /** Takes no new links, lets the nodes finish and leave, and closes: at most the configured time. */
  drain(): Promise<void>
  /** Closes now. */
  close(): Promise<void>
  /** Resolves when another mediator has taken over the database: this one must be closed. */
  readonly replaced: Promise<SealwayError>
  /** A code that logs an operator in once, within 15 minutes: for `<adminUrl>/login#<code>`. */
  loginCode(): string
  readonly relay: Relay
  readonly registry: Registry
  readonly proxy: HttpByName
}

const tickMs = 250
/** How long a connection to an address that a node registered may take, ms. */
const connectTimeoutMs = 5_000
/** How long a connection may take to end by itself when the mediator closes, ms. */
const closingMs = 500
/** Node's own limits are 60 s and 300 s, checked every 30 s: a slow stranger would hold his place for long. */
const httpTimeouts = { headersTimeout: 4_500, requestTimeout: 15_000, connectionsCheckingInterval: 500 }
/**
 * Where nodes are asked, the proxy limits bodies, each kind in its own way, for an upload may take longer; and it says
 * what is wrong with a request that names no host, which Node answers without a word.
 */
const nodesHttpOptions = { ...httpTimeouts, requestTimeout: 0, requireHostHeader: false }

/**
 * Puts the mediator together. It composes and decides nothing.
 * @throws SealwayError `DATABASE_UNREACHABLE`, `MIGRATION_PENDING`, `CONFIG_INVALID`
 */
export async function createMediator(config: Config, parts: MediatorParts = {}): Promise<Mediator> {
  const log = parts.log ?? silentLog
  const clock = parts.clock ?? Date.now
  const version = parts.version ?? '0.1.0'
  const { limits } = config
  const registry = parts.registry ?? (await openRegistry(config, log))
  const startedAt = clock()
  let onReplaced = (_error: SealwayError): void => {}
  const replaced = new Promise<SealwayError>((resolve) => {
    onReplaced = resolve
  })
  const instance = randomBytes(16).toString('hex')
  const processes = parts.processes ?? { own: 0, isRunning: () => false }
  const lease = new Lease({ registry, log, instance, processes, lost: (error) => onReplaced(error) })

  const revocations = createRevocations({ registry, log, onRevoked: (id) => relay.disconnectToken(id) })
  const adminKey = operatorKey(config.jwtSecret, config.adminPassword)
  const authenticator =
    parts.authenticator ??
    createSharedAuthenticator({
      secret: config.jwtSecret,
      operatorKey: adminKey,
      audience: config.tokenAudience,
      maxLifeMs: config.tokenMaxLifeMs,
      clock,
      isRevoked: (id) => revocations.isRevoked(id),
      log,
    })
  let onCleared = (): void => {}
  const cleared = new Promise<void>((resolve) => {
    onCleared = resolve
  })
  const ownPorts = new Set<number>()
  const direct = new DirectUpstream({
    mode: config.httpDirect,
    places: config.httpDirectAllow,
    resolve: parts.resolveName ?? createResolveName(),
    isOwn: (ip, port) => ownPorts.has(port) && isThisMachine(ip),
    answerTimeoutMs: config.httpTimeoutMs,
    idleTimeoutMs: config.httpIdleTimeoutMs,
    connectTimeoutMs,
  })
  const arrived = busyPoll(config.busyPollUs, parts.processors ?? 1, setImmediate)
  const proxy = createProxy({
    links: () => relay.presence,
    budget: () => relay.budget,
    draining: () => relay.draining,
    timeouts: { answerTimeoutMs: config.httpTimeoutMs, idleTimeoutMs: config.httpIdleTimeoutMs },
    trust: config.trustProxy,
    domain: config.httpDomain,
    strangers: { perSecond: config.httpPublicRate, atOnce: config.httpPublicAtOnce },
    upstreams: [direct],
    monotonic: () => performance.now(),
    fastPath: parts.fastPath ?? true,
    arrived,
    ...{ registry, authenticator, limits, log, clock },
  })
  const relay: Relay = new Relay({
    registry,
    cleared,
    authenticator,
    policy: scopePolicy,
    limits,
    log,
    version,
    clock,
    monotonic: () => performance.now(),
    random: parts.random ?? Math.random,
    defer: setImmediate,
    exchanges: proxy.exchanges,
  })
  const policyFeed = createPolicyFeed({ registry, log, onList: (policies) => relay.policies.update(policies) })
  const upkeep = createUpkeep({
    registry,
    log,
    live: () => relay.live(),
    evictAfterMs: config.nodeEvictAfterMs,
    evictNamelessAfterMs: config.namelessEvictAfterMs,
  })

  let listening = false
  const deps: GatewayDeps = {
    registry,
    authenticator,
    tokens: {
      mint: (request) =>
        mintToken({ ...request, by: 'operator', secret: adminKey, audience: config.tokenAudience, clock }),
      maxLifeMs: config.tokenMaxLifeMs,
      revoke: (id, expiresAt, actor) => revocations.revoke(id, expiresAt, actor),
    },
    disconnect: (name) => {
      relay.disconnect(name, 'REMOVED', `${name} was removed by an operator`)
      live.removed(name)
    },
    policiesChanged: () => policyFeed.refresh(),
    accept: (connection) => relay.accept(connection),
    limits,
    status: () => ({ listening, draining: relay.draining, startedAt, links: relay.links() }),
    clock,
    log,
    version,
  }
  const operators = createOperators({
    user: config.adminUser,
    password: config.adminPassword,
    isRevoked: (id) => revocations.isRevoked(id),
    ...{ key: adminKey, clock, log },
  })
  const readiness = createReadiness(deps)
  const live: Live = new Live({
    relay,
    visitors: createVisitors({ operators, authenticator, clock }),
    databaseUp: async () => (await readiness()).database === 'up',
    httpEnded: () => proxy.outcomes.total,
    memory: parts.memory ?? (() => ({ rssBytes: 0, heapBytes: 0 })),
    monotonic: () => performance.now(),
    ...{ registry, version, startedAt, clock, log },
  })
  const metrics = new Metrics({
    version,
    outcomes: () => relay.counters.snapshot(),
    links: () => relay.links(),
    registrations: () => relay.counters.registrations,
    refusedLinks: () => relay.counters.refusedLinks,
    http: () => proxy.outcomes.byClass(),
    groups: () => relay.groups(),
    queue: () => relay.budget,
    overloadStep: () => overloadSteps.indexOf(relay.overloadStep),
    lag: () => live.lagNow,
    draining: () => relay.draining,
    databaseUp: async () => (await readiness()).database === 'up',
    watchers: () => live.watching,
  })
  const accept = (connection: Connection): void => relay.accept(connection)
  const publicApp: RequestListener = createPublicApp(deps)
  const servers = new Map<Server, Set<Socket>>()
  const hubs: SocketIoServer[] = []
  const httpLinks = acceptHttpLinks({ idleMs: limits.deadAfterMs, now: () => performance.now() }, accept)
  const listener: RequestListener = (request, response) => {
    if (!httpLinks.handle(request, response)) publicApp(request, response)
  }
  let ticker: NodeJS.Timeout | undefined

  const makeServer = (app: RequestListener, options: ServerOptions = nodesHttpOptions): Server => {
    const server = createServer({ ...options, keepAliveTimeout: 5_000 }, app)
    const sockets = new Set<Socket>()
    servers.set(server, sockets)
    // Behind Node's own listener, which was there first.
    server.on('connection', (socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      if (hasGone(socket, server)) socket.destroy()
    })
    return server
  }

  const closeServers = async (): Promise<void> => {
    listening = false
    clearInterval(ticker)
    upkeep.stop()
    revocations.stop()
    policyFeed.stop()
    live.close()
    for (const hub of hubs) hub.engine.close()
    proxy.close()
    await Promise.all(Array.from(servers, ([server, sockets]) => closeServer(server, sockets)))
    httpLinks.close()
    direct.close()
    await relay.settled()
    await lease.leave()
    await registry.close()
  }

  return {
    relay,
    registry,
    proxy,

    async listen() {
      const server = makeServer(listener)
      hubs.push(acceptWebSockets(server, accept, config.limits.helloTimeoutMs))
      acceptUpgrades(server, { transport: 'tcp', leaveAlone: [wsPath], arrived }, accept)
      proxy.attach(server)
      const admin = makeServer(
        createAdminApp({
          ...deps,
          operators,
          metrics,
          pages: parts.dashboard === undefined ? undefined : Pages.in(parts.dashboard),
          drainNode: (name, awayMs) => relay.drainNode(name, awayMs),
          settings: parts.settings ?? (() => []),
          warnings: parts.warnings ?? (() => []),
        }),
        httpTimeouts,
      )
      // The dashboard can be a node, and may connect to its own origin only.
      hubs.push(acceptWebSockets(admin, accept, config.limits.helloTimeoutMs))
      live.attach(admin)
      try {
        await revocations.start()
        await policyFeed.start()
        const port = await listenOnPort(server, config.host, config.port, 'PORT')
        const adminPort = await listenOnPort(admin, config.adminHost, config.adminPort, 'ADMIN_PORT')
        if (config.ipcPath) {
          const ipc = makeServer(listener)
          acceptUpgrades(ipc, { transport: 'ipc', leaveAlone: [], arrived }, accept)
          proxy.attach(ipc)
          await listenOnPath(ipc, config.ipcPath)
        }
        ownPorts.add(port).add(adminPort)
        // Only now: another mediator would have had its live nodes marked offline.
        await lease.take(`http://${hostInUrl(config.host)}:${port}`)
        await registry.releaseAll()
        onCleared()
        upkeep.start()
        ticker = setInterval(() => {
          relay.tick()
          proxy.tick()
          httpLinks.tick()
          live.tick()
        }, tickMs)
        listening = true
        return {
          url: `http://${hostInUrl(config.host)}:${port}`,
          adminUrl: `http://${hostInUrl(config.adminHost)}:${adminPort}`,
          ipcPath: config.ipcPath,
        }
      } catch (error) {
        await closeServers()
        throw error
      }
    },

    loginCode: () => operators.links.make(),
    replaced,

    async drain() {
      const stop = AbortSignal.timeout(limits.drainMs)
      await Promise.all([relay.drain(stop), proxy.idle(stop)])
      await closeServers()
    },

    async close() {
      relay.closeAll('DRAINING', 'this mediator was stopped')
      await closeServers()
    },
  }
}

async function openRegistry(config: Config, log: Log): Promise<Registry> {
  const database = await openDatabase(config.databaseUrl, log)
  try {
    await requireMigrated(database)
  } catch (error) {
    await database.close()
    throw error
  }
  return createRegistry(database)
}

function listenOnPort(server: Server, host: string, port: number, setting: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port, setting)))
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port))
  })
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number, setting: string): Error {
  switch (error.code) {
    case 'EADDRINUSE':
      return new SealwayError('PORT_IN_USE', {
        message: `another process listens on ${host}:${port}; stop it, or set ${setting} to another port`,
        cause: error,
      })
    case 'EACCES':
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new SealwayError('CONFIG_INVALID', {
        message: `cannot listen on ${host}:${port} (${error.code}); check ${setting} and its host`,
        cause: error,
      })
    default:
      return error
  }
}

/**
 * Ends idle connections at once, and all others after a moment. `closeAllConnections` would not do: sockets that were
 * upgraded are not the HTTP server's any more, and one whose other side stays open keeps it from closing.
 */
function closeServer(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) return resolve()
    server.close(() => resolve())
    server.closeIdleConnections()
    setTimeout(() => {
      for (const socket of sockets) socket.destroy()
    }, closingMs).unref()
  })
}

const hostInUrl = (host: string): string => {
  if (host === '0.0.0.0' || host === '::') return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}
