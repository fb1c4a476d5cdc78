import {
  type ClientTransport,
  type Connection,
  limits as defaultLimits,
  FrameReader,
  type Limits,
  memoryPair,
  SealwayError,
} from '@sealway/protocol'
import { formatKey, generateKey } from '../../client-lib/src/crypto/keys.js'
import { connectWith, type Node } from '../../client-lib/src/node.js'
import type { ConnectOptions } from '../../client-lib/src/options.js'
import { scopePolicy } from '../../server/src/auth/policy.js'
import { createSharedAuthenticator } from '../../server/src/auth/shared.js'
import { mintToken } from '../../server/src/auth/token.js'
import { silentLog } from '../../server/src/observe/log.js'
import { Relay } from '../../server/src/routing/relay.js'
import type { VirtualTime } from './clock.js'
import { tinyRegistry } from './tiny-registry.js'

/** `up`: from the node to the mediator. */
export type Direction = 'up' | 'down'

/** What a hostile or broken way does to one whole frame: what it returns arrives in its place. */
export type Tamper = (frame: Uint8Array, direction: Direction, node: string) => readonly Uint8Array[]

export interface NetOptions {
  readonly limits?: Partial<Limits>
  /** Absent: real time. */
  readonly time?: VirtualTime
}

/**
 * A mediator's heart and real nodes in one process: everything but ports, timers of the mediator and a database.
 * Each link runs through a wire on which frames can be dropped, changed, held back and forged.
 */
export class Net {
  relay: Relay | undefined
  tamper: Tamper | undefined
  readonly key = formatKey(generateKey())
  readonly secret = 'a secret that the nodes and the mediator of one test share'
  /** Attempts to reach the mediator, also those that failed. */
  dialled = 0
  readonly clock: () => number
  readonly time: VirtualTime | undefined
  private readonly limits: Limits
  private readonly registry = tinyRegistry()
  private readonly wires = new Map<string, Wire>()
  private readonly nodes = new Set<Node>()

  constructor(options: NetOptions = {}) {
    this.time = options.time
    this.clock = options.time?.read ?? Date.now
    this.limits = { ...defaultLimits, ...options.limits }
    this.start()
  }

  start(): void {
    const { clock, limits } = this
    this.relay = new Relay({
      registry: this.registry,
      authenticator: createSharedAuthenticator({
        secret: this.secret,
        clock,
        isRevoked: () => false,
        log: silentLog,
      }),
      policy: scopePolicy,
      limits,
      log: silentLog,
      version: 'test',
      clock,
      monotonic: clock,
      random: () => 0,
      defer: setImmediate,
    })
  }

  /** As kill -9: every link breaks without a word. */
  kill(): void {
    this.relay = undefined
    for (const name of [...this.wires.keys()]) this.cut(name)
  }

  /** Breaks the link of one node. */
  cut(name: string): void {
    this.wires.get(name)?.cut()
  }

  wire(name: string): Wire {
    const wire = this.wires.get(name)
    if (!wire) throw new Error(`${name} has no link`)
    return wire
  }

  /** How a node of this name reaches the relay. */
  transport(name: string): ClientTransport {
    return {
      name: 'memory',
      connect: async () => {
        this.dialled++
        if (!this.relay) {
          throw new SealwayError('NOT_CONNECTED', { message: 'the mediator is down', outcome: 'not-delivered' })
        }
        const wire = new Wire((frame, direction) => this.tamper?.(frame, direction, name) ?? [frame])
        this.wires.set(name, wire)
        this.relay.accept(wire.mediatorEnd)
        return wire.nodeEnd
      },
    }
  }

  /** A node in group `g` with the key that all nodes of this net share, unless the options say otherwise. */
  async join(name: string, options: Partial<ConnectOptions> = {}): Promise<Node> {
    const node = await connectWith(
      {
        name,
        groups: ['g'],
        keys: this.key,
        transport: this.transport(name),
        ...options,
        limits: { reconnectMinMs: 1, reconnectMaxMs: 20, ...options.limits },
      },
      {
        environment: { PROTECTED_BASIC_AND_JWT: this.secret },
        clock: this.clock,
        random: () => 0,
        afterBurst: process.nextTick,
        nextTurn: setImmediate,
        ...(this.time ? { timers: this.time } : {}),
      },
    )
    this.nodes.add(node)
    return node
  }

  /** A node's own token with scopes other than the usual ones. */
  token(subject: string, scopes: readonly string[], lifeMs = 900_000): string {
    return mintToken({ secret: this.secret, subject, scopes, lifeMs, clock: this.clock }).token
  }

  /** Another payload key. */
  newKey(): string {
    return formatKey(generateKey())
  }

  async close(): Promise<void> {
    await Promise.all([...this.nodes].map((node) => node.close()))
    this.relay?.closeAll('DRAINING', 'the test is over')
  }
}

/** A link in two halves with something in between. */
export class Wire {
  readonly nodeEnd: Connection
  readonly mediatorEnd: Connection
  /** While held, frames in this direction wait here. */
  private readonly held: { up: Uint8Array[] | undefined; down: Uint8Array[] | undefined } = {
    up: undefined,
    down: undefined,
  }
  private readonly nearNode: Connection
  private readonly nearMediator: Connection

  constructor(private readonly tamper: (frame: Uint8Array, direction: Direction) => readonly Uint8Array[]) {
    ;[this.nodeEnd, this.nearNode] = memoryPair()
    ;[this.nearMediator, this.mediatorEnd] = memoryPair()
    this.forward(this.nearNode, 'up')
    this.forward(this.nearMediator, 'down')
  }

  private forward(from: Connection, direction: Direction): void {
    const to = direction === 'up' ? this.nearMediator : this.nearNode
    const reader = new FrameReader(defaultLimits.hardMaxFrameBytes)
    from.start({
      data: (chunk) =>
        reader.push(chunk, (bytes, at, end) => {
          for (const frame of this.tamper(new Uint8Array(bytes.subarray(at, end)), direction)) {
            const held = this.held[direction]
            if (held) held.push(frame)
            else to.write([frame])
          }
        }),
      drain() {},
      close: () => to.end(),
    })
  }

  hold(direction: Direction): void {
    this.held[direction] ??= []
  }

  /** Lets go what was held, in its order or as `order` says. */
  release(direction: Direction, order: (frames: Uint8Array[]) => Uint8Array[] = (frames) => frames): void {
    const held = this.held[direction] ?? []
    this.held[direction] = undefined
    for (const frame of order(held)) this.inject(direction, frame)
  }

  /** A frame that nobody sent. */
  inject(direction: Direction, frame: Uint8Array): void {
    ;(direction === 'up' ? this.nearMediator : this.nearNode).write([frame])
  }

  /** Both ends see a link that broke; what was on the way is lost. */
  cut(): void {
    this.nearNode.destroy()
    this.nearMediator.destroy()
  }
}
