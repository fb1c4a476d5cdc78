import {
  type Address,
  type ClientTransport,
  type Connection,
  limits as defaultLimits,
  type Limits,
  type Peer,
  parseName,
  parsePolicy,
  SealwayError,
  type TrafficPolicy,
} from '@sealway/protocol'
import type { ActionMap, TypedNode } from '../actions.js'
import { formatKey, generateKey } from '../crypto/keys.js'
import type { Handler } from '../messaging/middleware.js'
import { type ConnectOptions, resolveOptions } from '../options.js'
import { inMemory, ownGroups, type Switchboard, type SwitchboardParts } from './board.js'
import { VirtualClock } from './clock.js'
import type { Faults } from './faults.js'
import { History } from './history.js'
import { Records } from './mediator/records.js'
import { seeded } from './seeded.js'
import { Process, TestNode } from './test-node.js'
import { type Interceptor, notConnected, Way } from './way.js'

export interface TestNetOptions {
  /** The same seed, the same history. Default: 1. */
  readonly seed?: number
  /** When time begins, ms since 1970. */
  readonly startAt?: number
  /** Limits of the mediator and of the nodes that differ from the defaults. */
  readonly limits?: Partial<Limits>
}

export interface TestNodeOptions extends Omit<ConnectOptions, 'name' | 'groups' | 'transport' | 'url'> {
  /** Default: one group, `test`; none where it reaches some. */
  readonly groups?: readonly string[]
  /** Groups and nodes it may send to besides those of its own groups: what its token's scopes would say. */
  readonly mayReach?: readonly string[]
}

/** What a stub answers: a handler, or always the same. */
export type StubHandlers = { readonly [action: string]: Handler | unknown }

/** How often a mediator looks at its time limits, ms. */
const tickMs = 250
const drainMs = 25_000
const defaultGroups = ['test']

interface Member {
  readonly node: TestNode
  readonly process: Process
}

/**
 * A mediator and any number of nodes in this process: no ports, no waiting, and the same every time. What needs no time
 * happens by itself; time moves with `advance` and `until`.
 */
export class TestNet {
  readonly seed: number
  readonly clock: VirtualClock
  /** Every call of a verb, every handler that ran, and what the nodes noticed. */
  readonly history = new History()
  /** Nodes that are alive, by name. */
  private readonly members = new Map<string, Member>()
  private readonly processes = new Map<string, number>()
  private readonly reach = new Map<string, ReadonlySet<string>>()
  /** Names and groups of stubs: everybody may send to them. */
  private readonly stubs = new Set<string>()
  private readonly way: Way
  private readonly limits: Limits
  private readonly records = new Records()
  private readonly key = formatKey(generateKey())
  private readonly secret = 'a secret of all nodes of one test net, which never leaves it'
  private policies: readonly TrafficPolicy[] = []
  private board: Switchboard | undefined
  private ticking = false

  /** Use {@link testNet}. */
  constructor(
    options: TestNetOptions,
    private readonly createBoard: (parts: SwitchboardParts) => Switchboard,
  ) {
    this.seed = options.seed ?? 1
    this.clock = new VirtualClock(options.startAt)
    this.way = new Way(this.clock, seeded(this.seed).fork('faults'))
    this.limits = { ...defaultLimits, ...options.limits }
    this.startMediator()
  }

  // ---- nodes

  /**
   * A node in this net, registered; time goes by as far as that takes.
   * @throws SealwayError as `connect`
   */
  connect(name: string, options?: TestNodeOptions): Promise<TestNode>
  connect<Actions extends ActionMap<Actions>>(name: string, options?: TestNodeOptions): Promise<TypedNode<Actions>>
  async connect(name: string, options?: TestNodeOptions): Promise<unknown> {
    const node = this.begin(name, options)
    await this.clock.until(node.ready())
    return node
  }

  /** As `connect`, without waiting. @internal */
  begin(name: string, options: TestNodeOptions = {}): TestNode {
    const { mayReach = [], groups = options.reaches ? [] : defaultGroups, limits, ...others } = options
    const process = this.process(parseName(name))
    this.reach.set(name, new Set(mayReach))
    const surroundings = {
      environment: { PROTECTED_BASIC_AND_JWT: this.secret },
      clock: process.now,
      random: seeded(this.seed).fork(process.id).next,
      timers: process,
      afterBurst: process.soon,
      nextTurn: process.soon,
    }
    const resolved = resolveOptions(
      {
        keys: this.key,
        ...others,
        name,
        groups,
        url: 'memory:',
        transport: this.transport(name, process),
        limits: { ...this.limits, ...limits },
      },
      surroundings,
    )
    const node = new TestNode(resolved, surroundings, process, this.history)
    this.members.set(name, { node, process })
    return node
  }

  /**
   * Stands in for a service that is not there: a node of this name, by default in a group of this name, to which
   * everybody may send. `net.stub('billing', { charge: { paid: true }, refund: ({ body }) => ... })`
   */
  async stub(name: string, handlers: StubHandlers, options: TestNodeOptions = {}): Promise<TestNode> {
    const { groups = [name] } = options
    for (const reachable of [name, ...groups]) this.stubs.add(reachable)
    const node = await this.connect(name, { ...options, groups })
    for (const [action, answer] of Object.entries(handlers)) {
      node.on(action, typeof answer === 'function' ? (answer as Handler) : () => answer)
    }
    return node
  }

  private process(name: string): Process {
    const nth = (this.processes.get(name) ?? 0) + 1
    this.processes.set(name, nth)
    return new Process(`${name}#${nth}`, this.clock)
  }

  private transport(name: string, process: Process): ClientTransport {
    return {
      name: 'memory',
      connect: async (_, { signal }) => {
        const accept = (mediatorEnd: Connection): void => {
          if (!this.board) throw notConnected('the mediator is down')
          this.board.accept(mediatorEnd)
        }
        const nodeEnd = await this.way.dial(name, accept, signal)
        this.tick()
        return ofProcess(nodeEnd, process)
      },
    }
  }

  // ---- time

  /** Lets so many milliseconds go by, with all that happens in them. */
  advance(ms: number): Promise<void> {
    return this.clock.advance(ms)
  }

  /** Runs all that is due now; time does not move. */
  settle(): Promise<void> {
    return this.clock.settle()
  }

  /** Lets time go by until a promise settles, and gives what it gives: `await net.until(node.call(...))`. */
  until<T>(promise: PromiseLike<T>): Promise<T> {
    return this.clock.until(promise)
  }

  /** Resolves when so much virtual time has gone by: for handlers that take their time. */
  sleep(ms: number): Promise<void> {
    return this.clock.sleep(ms)
  }

  // ---- what goes wrong

  /** From now on the way is like this, in place of what it was like; `{}` is a way without faults. */
  faults(faults: Faults): void {
    this.way.faults(faults)
  }

  /**
   * Between these two nothing passes, and nobody is told. With one alone, it is cut off from the mediator: both ends
   * find out when their heartbeats stay away.
   */
  partition(name: string, other?: string): void {
    if (other === undefined) this.way.cutOff(name)
    else this.way.part(name, other)
  }

  /** Ends all partitions and lets slow nodes read again; what a cut-off link held back arrives. */
  heal(): void {
    this.way.heal()
  }

  /** From now on this node reads no more than so many bytes a second; none at all unless given. `heal` ends it. */
  slow(name: string, bytesPerSecond = 0): void {
    this.memberOf(name)
    this.way.slow(name, bytesPerSecond)
  }

  /** Breaks the link of a node, without a word. The node comes back by itself. */
  disconnect(name: string): void {
    const { process } = this.memberOf(name)
    this.history.add({ type: 'broken', at: this.clock.now(), node: name, process: process.id })
    this.way.breakLinks(name)
  }

  /**
   * As kill -9: what this process waited for it never learns, and nothing of it happens any more. `connect` with the
   * same name is the next process.
   */
  crash(name: string): void {
    const { node } = this.memberOf(name)
    this.members.delete(name)
    node.crash()
    // Where it is cut off, nobody hears of it either.
    if (!this.way.isCutOff(name)) this.way.breakLinks(name)
  }

  /**
   * Without more, as kill -9 and a start `downMs` later. `graceful`: the nodes are asked to leave first, and the next
   * mediator starts when they have, after 25 s at the latest.
   */
  restartMediator({ downMs = 0, graceful = false } = {}): void {
    const stop = new AbortController()
    const gone = (): void => {
      this.stopMediator()
      if (downMs > 0) this.clock.set(() => this.startMediator(), downMs)
      else this.startMediator()
    }
    if (!graceful || !this.board) return gone()
    this.clock.set(() => stop.abort(), drainMs)
    void this.board.drain(stop.signal).then(gone)
  }

  stopMediator(): void {
    this.board = undefined
    this.way.breakAll()
  }

  startMediator(): void {
    if (this.board) return
    this.board = this.createBoard({
      limits: this.limits,
      records: this.records,
      clock: this.clock,
      random: seeded(this.seed).fork('mediator').next,
      secret: this.secret,
      maySend: (sender, address, target) => this.maySend(sender, address, target),
      policies: this.policies,
    })
  }

  /**
   * A hostile or broken way: what this returns for a whole frame of the link arrives in its place, on its way `up` to
   * the mediator or `down` to the node.
   */
  intercept(interceptor: Interceptor | undefined): void {
    this.way.interceptor = interceptor
  }

  /** The policies for traffic that the mediator tells its nodes. @throws SealwayError `MALFORMED` */
  setPolicies(policies: readonly unknown[]): void {
    this.policies = policies.map((policy) => parsePolicy(policy))
    this.board?.updatePolicies?.(this.policies)
  }

  // ---- the end

  /** Closes all nodes. */
  async close(): Promise<void> {
    this.heal()
    this.faults({})
    await this.until(Promise.all([...this.members.values()].map(({ node }) => node.close())))
    this.stopMediator()
    await this.settle()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // ---- inside

  /** `mayReach` and stubs are what scopes would add to a node's own groups. */
  private maySend(sender: Peer, address: Address, target: Peer | undefined): boolean {
    if (ownGroups(sender, address, target)) return true
    const more = (name: string): boolean => this.stubs.has(name) || this.reach.get(sender.name)?.has(name) === true
    return address.type === 'node' ? more(address.name) || (target?.groups ?? []).some(more) : more(address.group)
  }

  private tick(): void {
    if (this.ticking) return
    this.ticking = true
    this.clock.setBackground(() => {
      this.ticking = false
      this.board?.tick()
      if (this.way.used) this.tick()
    }, tickMs)
  }

  private memberOf(name: string): Member {
    const member = this.members.get(name)
    if (!member) throw invalid(`no node ${name} is in this net`)
    return member
  }
}

/** What a process that has crashed no longer does: neither hear nor say anything. */
function ofProcess(connection: Connection, process: Process): Connection {
  return {
    transport: connection.transport,
    remoteAddress: connection.remoteAddress,
    start: ({ data, drain, close }) =>
      connection.start({ data: process.gated(data), drain: process.gated(drain), close: process.gated(close) }),
    write: (parts) => !process.alive || connection.write(parts),
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    end: () => connection.end(),
    destroy: () => connection.destroy(),
  }
}

/** A net for tests: `await using net = testNet({ seed: 7 })`. */
export const testNet = (options: TestNetOptions = {}): TestNet => testNetWith(options, inMemory)

/** The same with a mediator from outside. @internal */
export const testNetWith = (options: TestNetOptions, createBoard: (parts: SwitchboardParts) => Switchboard): TestNet =>
  new TestNet(options, createBoard)

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
