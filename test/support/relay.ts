import { randomBytes } from 'node:crypto'
import {
  type Connection,
  limits as defaultLimits,
  type Limits,
  memoryPair,
  type NodeName,
  SealwayError,
  type TransportName,
} from '@sealway/protocol'
import { scopePolicy } from '../../server/src/auth/policy'
import { createSharedAuthenticator } from '../../server/src/auth/shared'
import type { Log } from '../../server/src/observe/log'
import type { Claim, NodeRecord, Registry } from '../../server/src/registry/registry'
import { Relay } from '../../server/src/routing/relay'
import { type HelloFields, RawLink, tokenFor } from './link'

/** As much of a registry as links need, in a Map, with a gate that a test can shut. */
export class MapRegistry {
  readonly rows = new Map<string, { epoch: number; groups: readonly string[]; online: boolean }>()
  readonly released: { name: string; epoch: number }[] = []
  readonly claims: Claim[] = []
  /** What every question waits for: the database that does not answer, or fails. */
  gate: () => Promise<void> = () => Promise.resolve()
  lookups = 0

  async claim(claim: Claim): Promise<{ name: NodeName; epoch: number; id: number }> {
    await this.gate()
    this.claims.push(claim)
    const name = (claim.name ?? `${claim.groups[0]}-${this.rows.size}`) as NodeName
    const epoch = (this.rows.get(name)?.epoch ?? 0) + 1
    this.rows.set(name, { epoch, groups: claim.groups, online: true })
    return { name, epoch, id: 1 }
  }

  async release(name: string, epoch: number): Promise<void> {
    this.released.push({ name, epoch })
    const row = this.rows.get(name)
    if (row?.epoch === epoch) row.online = false
  }

  async node(name: string): Promise<NodeRecord | undefined> {
    this.lookups++
    await this.gate()
    return this.rows.has(name) ? ({ name } as NodeRecord) : undefined
  }

  async existing(kind: 'node' | 'group', names: readonly string[]): Promise<ReadonlySet<string>> {
    this.lookups++
    await this.gate()
    const groups = new Set([...this.rows.values()].flatMap((row) => row.groups))
    return new Set(names.filter((name) => (kind === 'node' ? this.rows.has(name) : groups.has(name))))
  }
}

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: { readonly [name: string]: unknown }
}

export interface WorldOptions {
  readonly limits?: Partial<Limits>
  readonly random?: () => number
}

/** A relay in virtual time: nothing happens in it but what the test does, and all of that before `settle` resolves. */
export class World {
  now = 1_700_000_000_000
  /** How far the wall clock was set back or forward, ms. */
  steppedMs = 0
  readonly secret = randomBytes(32).toString('base64url')
  readonly registry = new MapRegistry()
  readonly revoked = new Set<string>()
  readonly log: LogLine[] = []
  readonly limits: Limits
  readonly relay: Relay
  private readonly queue: (() => void)[] = []

  constructor(options: WorldOptions = {}) {
    this.limits = { ...defaultLimits, ...options.limits }
    const clock = () => this.now + this.steppedMs
    const at =
      (level: string) =>
      (fields: object, message: string): void =>
        void this.log.push({ level, message, fields: fields as LogLine['fields'] })
    const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
    this.relay = new Relay({
      registry: this.registry as unknown as Registry,
      authenticator: createSharedAuthenticator({
        secret: this.secret,
        clock,
        isRevoked: (id) => this.revoked.has(id),
        log,
      }),
      policy: scopePolicy,
      limits: this.limits,
      log,
      version: '9.9.9',
      clock,
      monotonic: () => this.now,
      random: options.random ?? (() => 0.5),
      defer: this.schedule,
    })
  }

  private readonly schedule = (work: () => void): void => void this.queue.push(work)

  /** Runs everything that is due, promises included, until nothing more happens. */
  async settle(): Promise<void> {
    do {
      for (let work = this.queue.shift(); work; work = this.queue.shift()) work()
      await new Promise(setImmediate)
    } while (this.queue.length > 0)
  }

  /** Time goes by, a tick at a time. */
  async advance(ms: number): Promise<void> {
    for (const until = this.now + ms; this.now < until; ) {
      this.now = Math.min(this.now + 250, until)
      this.relay.tick()
      await this.settle()
    }
  }

  /** A connection that has not said anything. */
  connect(from: { transport?: TransportName; remoteAddress?: string; highWaterBytes?: number } = {}): RawLink {
    const [near, far] = memoryPair({ schedule: this.schedule, highWaterBytes: from.highWaterBytes ?? 64 * 1024 })
    this.relay.accept(seenFrom(far, from.transport ?? 'memory', from.remoteAddress ?? 'memory'))
    return new RawLink(near)
  }

  token(subject = '*', options: { scopes?: readonly string[]; lifeMs?: number } = {}) {
    return tokenFor(this.secret, subject, { ...options, clock: () => this.now + this.steppedMs })
  }

  /** A link that was welcomed; what it was sent by then is taken off, but for the welcome's being checked. */
  async node(name: string, fields: HelloFields = {}, from: Parameters<World['connect']>[0] = {}): Promise<RawLink> {
    const link = this.connect(from)
    link.hello({ name, token: this.token().token, ...fields })
    await this.settle()
    if (!link.welcome) throw new Error(`${name} was refused: ${JSON.stringify(link.closeFrame)}`)
    link.take()
    return link
  }

  warnings(): string[] {
    return this.log.filter(({ level }) => level === 'warn').map(({ message }) => message)
  }
}

export const unavailable = () => Promise.reject(new SealwayError('STORAGE_UNAVAILABLE', { message: 'no database' }))

/** The same pipe, as if it came over another transport. */
function seenFrom(connection: Connection, transport: TransportName, remoteAddress: string): Connection {
  return {
    transport,
    remoteAddress,
    start: (events) => connection.start(events),
    write: (parts) => connection.write(parts),
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    end: () => connection.end(),
    destroy: () => connection.destroy(),
  }
}
