import {
  type Address,
  type Code,
  type Connection,
  codeNumber,
  decodeJson,
  decodeOpen,
  encodeAccepted,
  encodeAnnounce,
  encodeFrame,
  encodeJson,
  encodeReject,
  encodeStatus,
  FrameFlag,
  FrameType,
  frameIdOf,
  headerBytes,
  incarnationOf,
  type Limits,
  minSealedBytes,
  type Peer,
  parseAddress,
  parseName,
  SealwayError,
  type TrafficPolicy,
  writeU32,
} from '@sealway/protocol'
import { Admission } from './admission.js'
import { LinkEnd, malformed } from './link-end.js'
import { Peers } from './peers.js'
import { Policies } from './policies.js'
import { Presence } from './presence.js'
import type { Records } from './records.js'
import { Route } from './route.js'

export interface MediatorParts {
  readonly limits: Limits
  readonly records: Records
  readonly clock: () => number
  readonly random: () => number
  /** Runs at the end of this turn. */
  readonly soon: (work: () => void) => void
  /** Whom a token stands for. @throws SealwayError */
  readonly identify: (token: string, name: string) => { readonly expiresAt: number }
  /** May it send there? `target` is who would receive, where the address is a node that is there. */
  readonly maySend: (sender: Peer, address: Address, target: Peer | undefined) => boolean
  readonly maySee: (peer: Peer, group: string) => boolean
  readonly policies: readonly TrafficPolicy[]
}

/** A reader that lags gets broadcasts up to this part of its queue. */
const lateShare = 1 / 4

/**
 * A mediator in memory, as SPEC.md says one behaves, without what makes one fit for use: no database, no ports, no
 * administration, no memory budget. `test/contract/mediator.ts` holds it against the real one.
 */
export class MemoryMediator {
  private readonly presence = new Presence()
  private readonly peers: Peers
  private readonly policies: Policies
  private readonly links = new Set<LinkEnd>()
  private readonly admission: Admission
  private lastRoute = 0
  private draining: { readonly emptied: () => void } | undefined

  constructor(private readonly parts: MediatorParts) {
    this.peers = new Peers(this.presence, parts.maySee)
    this.policies = new Policies(parts.policies)
    this.admission = new Admission({
      ...parts,
      incumbent: (name) => this.presence.get(name),
      draining: () => this.draining !== undefined,
      joined: (link) => this.joined(link),
    })
  }

  /** What the nodes are told from now on. */
  updatePolicies(policies: readonly TrafficPolicy[]): void {
    this.policies.update(policies)
  }

  accept(connection: Connection): void {
    const link = new LinkEnd(connection, {
      limits: this.parts.limits,
      clock: this.parts.clock,
      soon: this.parts.soon,
      hello: (from, body) => this.admission.admit(from, body),
      frame: (from, type, route, frame) => this.frame(from, type, route, frame),
      closed: (from) => this.left(from),
      gone: (from) => {
        this.links.delete(from)
        if (this.links.size === 0) this.draining?.emptied()
      },
    })
    this.links.add(link)
    link.start()
    if (this.draining) link.close('DRAINING', 'this mediator is shutting down', this.comeBackIn())
  }

  /** Four times a second: every time limit. */
  tick(): void {
    const now = this.parts.clock()
    for (const link of [...this.links]) link.tick(now)
  }

  /** Takes no new links, tells the nodes to leave, and resolves when they have; whoever is left at `stop` is closed. */
  async drain(stop: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      this.draining = { emptied: resolve }
      stop.addEventListener('abort', () => resolve(), { once: true })
      for (const link of [...this.links]) {
        const reconnectInMs = this.comeBackIn()
        const message = 'the mediator is shutting down'
        if (link.live) link.say(encodeJson(FrameType.goaway, { code: 'DRAINING', message, reconnectInMs }))
        else link.close('DRAINING', message, reconnectInMs)
      }
      if (this.links.size === 0 || stop.aborted) resolve()
    })
    for (const link of [...this.links]) link.close('DRAINING', 'this mediator has shut down', this.comeBackIn())
  }

  private comeBackIn(): number {
    return Math.floor(this.parts.random() * this.parts.limits.goawaySpreadMs)
  }

  // ---- who is there

  private joined(link: LinkEnd): void {
    this.presence.join(link)
    for (const route of this.presence.routesTo(link.member!.name)) route.sender.say(statusOf(route, link))
    this.peers.changed(link, 'joined')
  }

  private left(link: LinkEnd): void {
    const { member } = link
    if (!member) return
    // One that was draining was reported when it said so.
    const reported = !this.presence.inGroups(link)
    const held = this.presence.leave(link)
    for (const route of link.routes.values()) this.retire(route)
    link.routes.clear()
    for (const route of link.known) route.announcedTo.delete(link)
    link.known.clear()
    if (held) {
      for (const route of this.presence.routesTo(member.name)) {
        route.absence = 'OFFLINE'
        route.sender.say(statusOf(route, undefined))
      }
    }
    this.peers.forget(link)
    this.policies.forget(link)
    if (!reported) this.peers.changed(link, 'left')
  }

  // ---- frames

  private frame(link: LinkEnd, type: number, number: number, frame: Uint8Array): void {
    const body = frame.subarray(headerBytes)
    switch (type) {
      case FrameType.send:
        this.send(routeOf(link, number), frame)
        return
      case FrameType.open:
        this.open(link, number, body)
        return
      case FrameType.retire:
        this.retire(routeOf(link, number))
        link.routes.delete(number)
        return
      case FrameType.goaway:
        if (!this.presence.inGroups(link)) return
        this.presence.leaveGroups(link)
        this.peers.changed(link, 'left')
        return
      case FrameType.query: {
        const question = decodeJson(body) as { type?: unknown } | null
        if (question?.type === 'time') link.say(encodeJson(FrameType.answer, { now: this.parts.clock() }, number))
        else if (question?.type === 'policies') this.policies.answer(link, number)
        // It proxies nothing: what a node exposes is answered to other nodes, sealed.
        else if (question?.type === 'expose') link.say(encodeJson(FrameType.answer, {}, number))
        else this.peers.answer(link, number, question)
        return
      }
      case FrameType.token: {
        const { member } = link
        member!.expiresAt = this.parts.identify(Buffer.from(body).toString('latin1'), member!.name).expiresAt
        return
      }
      default:
        throw malformed(`frame type ${type} is not for a mediator`)
    }
  }

  private open(link: LinkEnd, number: number, body: Uint8Array): void {
    const { to, scope } = decodeOpen(body)
    const { limits, maySend } = this.parts
    if (link.routes.has(number)) throw malformed(`route ${number} is open already`)
    if (link.routes.size >= limits.maxRoutesPerLink) {
      throw new SealwayError('OVERLOADED', { message: `one link holds at most ${limits.maxRoutesPerLink} routes` })
    }
    const address = parseAddress(to)
    parseName(scope, 'scope')
    const route = new Route(++this.lastRoute, number, link, address, scope, this.draining !== undefined, limits)
    link.routes.set(number, route)
    if (address.type === 'node') {
      this.presence.routesTo(address.name).add(route)
      const target = this.presence.get(address.name)
      link.say(statusOf(route, target))
      if (!target) this.explainAbsence(route)
    } else if (!maySend(link.member!.sender, address, undefined)) route.absence = 'FORBIDDEN'
    else if (this.presence.members(address.group).length === 0) this.explainAbsence(route)
  }

  private explainAbsence(route: Route): void {
    const known = this.parts.records.know(route.address)
    route.absence = known ? 'OFFLINE' : route.address.type === 'node' ? 'UNKNOWN_NODE' : 'UNKNOWN_GROUP'
  }

  private retire(route: Route): void {
    route.close()
    if (route.address.type === 'node') this.presence.routesTo(route.address.name).delete(route)
    for (const target of route.announcedTo) {
      target.known.delete(route)
      target.say(encodeFrame(FrameType.retire, route.id))
    }
    route.announcedTo.clear()
  }

  private send(route: Route, sent: Uint8Array): void {
    if (sent.length - headerBytes < minSealedBytes) {
      throw malformed(`a sealed frame has at least ${minSealedBytes} bytes`)
    }
    const flags = sent[5]!
    if ((flags & ~FrameFlag.wantAccepted) !== 0) throw malformed(`unknown flags ${flags} on a send frame`)
    const frame = new Uint8Array(sent)
    frame[4] = FrameType.deliver
    frame[5] = 0
    writeU32(frame, 8, route.id)
    const outcome = this.route(route, frame)
    if (typeof outcome !== 'string') {
      if (flags === 0) return
      const names = outcome.map((target) => target.member!.name)
      route.sender.say(encodeAccepted(route.number, idOf(frame), names))
      return
    }
    // What was refused uses no window.
    route.accept(frame.length)
    route.release(frame.length)
    route.sender.say(encodeReject(route.number, codeNumber(outcome), idOf(frame)))
  }

  /** @returns whom it was handed to, or why to nobody */
  private route(route: Route, frame: Uint8Array): readonly LinkEnd[] | Code {
    const { presence } = this
    const { address, sender } = route
    const expired = this.parts.clock() >= sender.member!.expiresAt
    if (route.overruns(frame.length)) return 'BUSY'
    if (route.isNewWork && !this.isAnswer(route)) return 'DRAINING'
    if (route.absence === 'FORBIDDEN') return 'FORBIDDEN'
    if (address.type === 'group') {
      if (expired) return 'TOKEN_EXPIRED'
      return this.fanOut(route, frame, presence.members(address.group))
    }
    const target =
      address.type === 'node' ? presence.get(address.name) : presence.pick(address.group, frame.length, sender)
    if (!target) {
      const busy = address.type === 'any' && presence.members(address.group).length > 0
      return busy ? 'BUSY' : (route.absence ?? 'OFFLINE')
    }
    // Whoever was allowed to send here may be answered.
    const answers = sender.hearsFrom(target)
    if (!answers && !this.parts.maySend(sender.member!.sender, address, target.member!.peer)) return 'FORBIDDEN'
    route.absence = undefined
    if (expired && !answers) return 'TOKEN_EXPIRED'
    if (!target.outbox.hasRoom(frame.length)) return 'BUSY'
    route.accept(frame.length)
    this.deliver(route, target, frame, () => route.release(frame.length))
    return [target]
  }

  /** It goes to a node that has sent here. */
  private isAnswer({ address, sender }: Route): boolean {
    const target = address.type === 'node' ? this.presence.get(address.name) : undefined
    return target !== undefined && sender.hearsFrom(target)
  }

  private fanOut(route: Route, frame: Uint8Array, members: readonly LinkEnd[]): readonly LinkEnd[] | Code {
    if (members.length === 0) return route.absence ?? 'OFFLINE'
    route.absence = undefined
    const { outboxBytes } = this.parts.limits
    // One that does not read holds no credit of others, and at most a quarter of its queue for them.
    const targets = members.filter(({ outbox }) => {
      const late = outbox.lagging && outbox.bytes > outboxBytes * lateShare
      return outbox.hasRoom(frame.length) && !late
    })
    const reached = targets.filter((target) => target !== route.sender)
    const prompt = reached.filter(({ outbox }) => !outbox.lagging)
    let holders = prompt.length
    const release = (): void => {
      if (--holders === 0) route.release(frame.length)
    }
    route.accept(frame.length)
    if (holders === 0) route.release(frame.length)
    for (const target of reached)
      this.deliver(route, target, frame, prompt.includes(target) ? release : undefined, true)
    return reached
  }

  private deliver(route: Route, target: LinkEnd, frame: Uint8Array, release?: () => void, shared = false): void {
    if (!route.announcedTo.has(target)) {
      route.announcedTo.add(target)
      target.known.add(route)
      target.outbox.push(encodeAnnounce(route.id, route.sender.member!.name, route.to, route.scope))
    }
    target.outbox.push(frame, 1, release, shared)
  }
}

function routeOf(link: LinkEnd, number: number): Route {
  const route = link.routes.get(number)
  if (!route) throw new SealwayError('UNKNOWN_ROUTE', { message: `route ${number} is not open` })
  return route
}

const idOf = (frame: Uint8Array): Uint8Array => frameIdOf(frame.subarray(headerBytes))

const statusOf = (route: Route, target: LinkEnd | undefined): Uint8Array =>
  encodeStatus(route.number, target !== undefined, target ? incarnationOf(target.member!.instance) : 0)
