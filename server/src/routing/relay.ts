import {
  type Code,
  type Connection,
  encodeJson,
  FrameType,
  type Limits,
  parseExposed,
  SealwayError,
} from '@sealway/protocol'
import type { Authenticator } from '../auth/authenticator.js'
import type { Policy } from '../auth/policy.js'
import { Counters } from '../observe/counters.js'
import { type GroupTotal, GroupTotals } from '../observe/groups.js'
import type { Log } from '../observe/log.js'
import type { Registry } from '../registry/registry.js'
import { Admission } from '../session/admission.js'
import { BlockPool } from '../session/block.js'
import type { Budget } from '../session/outbox.js'
import type { Route } from '../session/route.js'
import { Session, type SessionEvents } from '../session/session.js'
import { SilentLinks } from '../session/silent-links.js'
import { Turn } from '../session/turn.js'
import { KnownNames } from './known-names.js'
import { Peers } from './peers.js'
import { Policies } from './policies.js'
import { Presence } from './presence.js'
import { Router, type TrafficWatcher } from './router.js'

/** HTTP by name stands above the relay, and is told by it of what concerns links. */
export interface ExchangeEvents {
  /** A frame of types 22 to 26. @throws SealwayError `MALFORMED`: the link ends */
  frame(session: Session, type: number, number: number, flags: number, body: Uint8Array): void
  /** The link is over, and every exchange on it. */
  left(session: Session): void
}

export interface RelayParts {
  readonly registry: Registry
  /** Hellos wait for this: rows that an earlier run left online are being released. */
  readonly cleared?: Promise<void>
  readonly authenticator: Authenticator
  readonly policy: Policy
  readonly limits: Limits
  readonly log: Log
  readonly version: string
  /** ms since 1970. Only for what is told or compared with tokens: it may be set back or forward. */
  readonly clock: () => number
  /** ms, never set back: every duration. */
  readonly monotonic: () => number
  readonly random: () => number
  /** Runs at the end of this turn of the event loop; setImmediate unless a test hands in its own. */
  readonly defer: (work: () => void) => void
  /** Absent: no node is ever sent a request. */
  readonly exchanges?: ExchangeEvents
}

/** How full the queues are, as steps of the overload ladder (SEMANTICS.md, "Limits"). */
export const overloadSteps = ['none', 'no-new-links', 'shed-broadcasts', 'close-heaviest'] as const
export type OverloadStep = (typeof overloadSteps)[number]

/** The heart: takes connections, makes them sessions, and moves frames between them. No ports, no HTTP, no timers. */
export class Relay {
  readonly presence = new Presence()
  readonly counters = new Counters()
  private readonly groupTotals = new GroupTotals()
  readonly budget: Budget
  /** For traffic, as nodes are told of them. */
  readonly policies = new Policies()
  private readonly parts: RelayParts
  private readonly sessions = new Set<Session>()
  private readonly router: Router
  private readonly peers: Peers
  private readonly admission: Admission
  private readonly events: SessionEvents
  private readonly turn: Turn
  private readonly blocks = new BlockPool()
  private coarseNow: number
  private coarseTime: number
  private readonly silent: SilentLinks
  /** Links whose hello waits for the registry. */
  private admitting = 0
  private drainingSince: number | undefined
  private step: OverloadStep = 'none'
  private readonly emptied = new Set<() => void>()
  /** Nodes that said that they leave; their links are still open. */
  private readonly saidGoodbye = new WeakSet<Session>()
  private readonly releases = new Set<Promise<void>>()

  constructor(parts: RelayParts) {
    this.parts = parts
    this.coarseNow = parts.monotonic()
    this.coarseTime = parts.clock()
    this.turn = new Turn(parts.defer)
    this.budget = { usedBytes: 0, limitBytes: parts.limits.budgetBytes }
    this.peers = new Peers({
      presence: this.presence,
      maySee: (session, group) => parts.policy.maySee(session.member!.identity, session.member!.within, group),
    })
    const names = new KnownNames({
      read: (kind, sought) => parts.registry.existing(kind, sought),
      now: this.now,
      defer: parts.defer,
    })
    this.silent = new SilentLinks({
      maxLinks: parts.limits.maxUnauthenticated,
      maxPerAddress: parts.limits.maxUnauthenticatedPerAddress,
      now: this.now,
      random: parts.random,
      end: (session, reconnectInMs) =>
        session.close('OVERLOADED', 'a newer link took the place of this one, which had not said hello', reconnectInMs),
    })
    this.router = new Router({
      presence: this.presence,
      limits: parts.limits,
      policy: (sender, route, target) => this.maySend(sender, route, target),
      known: (kind, name) => names.known(kind, name),
      count: (outcome, frames, bytes) => this.counters.add(outcome, frames, bytes),
      blocks: this.blocks,
      refused: ({ sender, to }, outcome, frames) =>
        parts.log.debug({ from: sender.member!.name, to, outcome, frames }, 'frames refused'),
      time: this.time,
      draining: () => this.draining,
      shedsBroadcasts: () => this.step === 'shed-broadcasts' || this.step === 'close-heaviest',
    })
    this.admission = new Admission({
      registry: parts.registry,
      cleared: parts.cleared ?? Promise.resolve(),
      authenticator: parts.authenticator,
      limits: parts.limits,
      version: parts.version,
      log: parts.log,
      clock: parts.clock,
      monotonic: parts.monotonic,
      mayRegister: (identity, hello) => parts.policy.mayRegister(identity, hello),
      incumbent: (name) => this.presence.get(name),
      draining: () => this.draining,
    })
    this.events = this.sessionEvents()
  }

  private readonly now = (): number => this.coarseNow

  private readonly time = (): number => this.coarseTime

  /** From now on traffic is told to it; undefined: to nobody, and nothing is gathered. */
  watch(watcher: TrafficWatcher | undefined): void {
    this.router.watcher = watcher
  }

  get draining(): boolean {
    return this.drainingSince !== undefined
  }

  get overloadStep(): OverloadStep {
    return this.step
  }

  get linkCount(): number {
    return this.sessions.size
  }

  /** Registered links, by transport. */
  links(): { [transport: string]: number } {
    const links: { [transport: string]: number } = {}
    for (const session of this.presence.all()) links[session.transport] = (links[session.transport] ?? 0) + 1
    return links
  }

  /** Traffic by group, of all time. */
  groups(): GroupTotal[] {
    return this.groupTotals.read(Array.from(this.presence.all(), totalsOf))
  }

  /** A transport hands in what arrived. */
  accept(connection: Connection): void {
    const session = new Session({
      connection,
      limits: this.parts.limits,
      budget: this.budget,
      blocks: this.blocks,
      log: this.parts.log,
      now: this.now,
      time: this.time,
      turn: this.turn,
      events: this.events,
    })
    this.sessions.add(session)
    const refusal = this.refusal()
    if (!refusal) this.silent.add(session, addressOf(session))
    session.start()
    if (refusal) session.close(refusal.code, refusal.message, this.reconnectDelay())
  }

  private refusal(): { code: Code; message: string } | undefined {
    if (this.draining) return { code: 'DRAINING', message: 'this mediator is shutting down' }
    if (this.step !== 'none') return { code: 'OVERLOADED', message: 'this mediator is over 80 % of its memory budget' }
    return undefined
  }

  /** Hellos wait for the registry in the order in which they came; their number is bounded. */
  private async admit(session: Session, body: unknown, welcome: Parameters<SessionEvents['hello']>[2]): Promise<void> {
    this.silent.delete(session, addressOf(session))
    const { maxPendingHellos } = this.parts.limits
    if (this.admitting >= maxPendingHellos) {
      const message = `${maxPendingHellos} links wait to be registered`
      session.close('OVERLOADED', message, returnMs(this.parts.random()))
      return
    }
    this.admitting++
    try {
      await this.admission.admit(session, body, welcome)
    } finally {
      this.admitting--
    }
  }

  private sessionEvents(): SessionEvents {
    const { log } = this.parts
    return {
      hello: (session, body, admit) => this.admit(session, body, admit),
      joined: (session) => {
        const member = session.member!
        this.counters.registrations++
        this.router.joined(session)
        this.peers.changed(session, 'joined')
        log.info(
          { node: member.name, groups: member.groups, epoch: member.epoch, transport: session.transport },
          'node joined',
        )
      },
      open: (session, number, to, scope) => this.router.open(session, number, to, scope),
      send: (route, run, frames) => this.router.send(route, run, frames),
      sendAccepted: (route, frame) => this.router.sendAccepted(route, frame),
      retire: (route) => this.router.retire(route),
      leaving: (session) => {
        this.saidGoodbye.add(session)
        if (!this.presence.inGroups(session)) return
        this.presence.leaveGroups(session)
        this.peers.changed(session, 'left')
      },
      query: (session, id, question) => {
        const type = (question as { type?: unknown } | null)?.type
        if (type === 'time') session.control(encodeJson(FrameType.answer, { now: this.parts.clock() }, id))
        else if (type === 'policies') this.policies.answer(session, id)
        else if (type === 'expose') this.expose(session, id, (question as { http?: unknown }).http)
        else this.peers.answer(session, id, question)
      },
      exchange: (session, type, number, flags, body) => {
        const { exchanges } = this.parts
        if (!exchanges) throw new SealwayError('MALFORMED', { message: `exchange ${number} was never begun` })
        exchanges.frame(session, type, number, flags, body)
      },
      token: (session, token) => {
        const identity = this.parts.authenticator.verify(token)
        if (identity.subject !== session.member!.identity.subject) {
          throw new SealwayError('FORBIDDEN', { message: 'a link cannot change whom it stands for' })
        }
        return identity
      },
      abandoned: (member) => this.release(member.name, member.epoch),
      closed: (session, reason) => {
        const { member } = session
        this.counters.add('LOST', session.outbox.lostFrames, 0)
        if (!member) {
          this.silent.delete(session, addressOf(session))
          this.counters.refuseLink(reason.code)
          log.info({ address: session.remoteAddress, code: reason.code, reason: reason.message }, 'link refused')
          return
        }
        this.groupTotals.left(totalsOf(session))
        // One that was draining has been reported already.
        const reported = !this.presence.inGroups(session)
        this.router.left(session)
        this.parts.exchanges?.left(session)
        this.peers.left(session, reported)
        this.policies.left(session)
        this.release(member.name, member.epoch, this.saidGoodbye.delete(session))
        log.info({ node: member.name, code: reason.code, reason: reason.message }, 'node left')
      },
      gone: (session) => {
        this.sessions.delete(session)
        if (this.sessions.size === 0) for (const resolve of this.emptied) resolve()
      },
    }
  }

  private expose(session: Session, id: number, http: unknown): void {
    session.member!.http = http === null ? undefined : parseExposed(http)
    session.control(encodeJson(FrameType.answer, {}, id))
  }

  private release(name: string, epoch: number, leaves = false): void {
    const release = this.parts.registry
      .release(name, epoch, leaves)
      .catch((error: unknown) => {
        this.parts.log.warn({ node: name, err: error }, 'the database does not know yet that this node left')
      })
      .finally(() => this.releases.delete(release))
    this.releases.add(release)
  }

  /** Resolves when the registry knows of everybody who has left. */
  async settled(): Promise<void> {
    await Promise.all(this.releases)
  }

  private maySend(sender: Session, route: Route, target: Session | undefined): boolean {
    const { address } = route
    const { identity, within } = sender.member!
    if (address.type !== 'node') return this.parts.policy.maySend(identity, within, address)
    // Whoever was allowed to send here may be answered.
    if (target && sender.hearsFrom(target)) return true
    return this.parts.policy.maySend(identity, within, {
      type: 'node',
      name: address.name,
      groups: target?.member?.groups ?? [],
    })
  }

  /** Four times a second: every time limit, heartbeat and step of the overload ladder. */
  tick(): void {
    // By the clock of the tick before: where this process stood still itself, its readers have not been late.
    this.climb()
    this.coarseNow = this.parts.monotonic()
    this.coarseTime = this.parts.clock()
    for (const session of this.sessions) session.tick(this.coarseNow)
  }

  private climb(): void {
    const full = this.budget.usedBytes / this.budget.limitBytes
    const step: OverloadStep =
      full >= 0.95 ? 'close-heaviest' : full >= 0.9 ? 'shed-broadcasts' : full >= 0.8 ? 'no-new-links' : 'none'
    if (step !== this.step) {
      this.step = step
      this.parts.log.warn({ step, usedBytes: this.budget.usedBytes }, 'overload ladder')
    }
    if (step !== 'close-heaviest') return
    let heaviest: Session | undefined
    for (const session of this.sessions) {
      // In the middle of a burst, one that reads as fast as it can may have more waiting than any that has stopped.
      if (!session.outbox.lagging) continue
      if (!heaviest || session.outbox.bytes > heaviest.outbox.bytes) heaviest = session
    }
    heaviest?.close('SLOW', 'the mediator is out of memory for queues, and of those who lag this link has the longest')
  }

  /** Names and epochs of all live links, for the registry's "last seen". */
  live(): { name: string; epoch: number }[] {
    return Array.from(this.presence.all(), (session) => ({
      name: session.member!.name,
      epoch: session.member!.epoch,
    }))
  }

  /** Ends the link of a node that was removed or whose token was revoked. */
  disconnect(name: string, code: Code, message: string): boolean {
    const session = this.presence.get(name)
    session?.close(code, message)
    return session !== undefined
  }

  /** Takes a node out of its groups and asks it to finish, leave, and come back after so long. */
  drainNode(name: string, reconnectInMs: number): boolean {
    const session = this.presence.get(name)
    if (!session) return false
    this.events.leaving(session)
    session.control(
      encodeJson(FrameType.goaway, { code: 'DRAINING', message: 'an operator drains this node', reconnectInMs }),
    )
    return true
  }

  /** Ends the links whose token was revoked. */
  disconnectToken(tokenId: string): number {
    let ended = 0
    for (const session of [...this.presence.all()]) {
      if (session.member!.identity.tokenId !== tokenId) continue
      session.close('REVOKED', 'the token of this link was revoked')
      ended++
    }
    return ended
  }

  private reconnectDelay(): number {
    return Math.floor(this.parts.random() * this.parts.limits.goawaySpreadMs)
  }

  /**
   * Takes no new links, tells every node to finish and leave, and resolves when they have left.
   * `stop` ends the wait: whoever is still there is closed.
   */
  async drain(stop: AbortSignal): Promise<void> {
    this.drainingSince ??= this.parts.monotonic()
    for (const session of [...this.sessions]) {
      const reconnectInMs = this.reconnectDelay()
      if (session.live) {
        session.control(
          encodeJson(FrameType.goaway, { code: 'DRAINING', message: 'the mediator is shutting down', reconnectInMs }),
        )
      } else {
        session.close('DRAINING', 'this mediator is shutting down', reconnectInMs)
      }
    }
    if (this.sessions.size > 0 && !stop.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.emptied.delete(done)
          stop.removeEventListener('abort', done)
          resolve()
        }
        this.emptied.add(done)
        stop.addEventListener('abort', done)
      })
    }
    this.closeAll('DRAINING', 'this mediator has shut down')
  }

  closeAll(code: Code, message: string): void {
    for (const session of [...this.sessions]) session.close(code, message, this.reconnectDelay())
  }
}

const totalsOf = ({ member, outbox }: Session) => ({
  groups: member!.groups,
  frames: outbox.writtenFrames,
  bytes: outbox.writtenBytes,
  queuedBytes: outbox.bytes,
})

/** What links are counted by. Over a Unix socket or in memory there is no address, and each link counts alone. */
const addressOf = (session: Session): string | Session =>
  session.transport === 'ipc' || session.transport === 'memory' ? session : session.remoteAddress

/** A link that finds no place is told to come back after 100 ms to 1 s: by then the registry has taken thousands. */
const returnMs = (random: number): number => Math.round(100 + random * 900)
