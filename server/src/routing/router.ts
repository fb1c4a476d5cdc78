import {
  type Code,
  codeNumber,
  encodeAccepted,
  encodeAnnounce,
  encodeFrame,
  encodeReject,
  encodeStatus,
  FrameType,
  formatAddress,
  incarnationOf,
  type Limits,
  parseAddress,
  parseName,
} from '@sealway/protocol'
import type { Block, BlockPool } from '../session/block.js'
import { type Releasable, SharedRelease } from '../session/outbox.js'
import { Route } from '../session/route.js'
import { frameIdOfFrame, framesOf, type Session } from '../session/session.js'
import type { NameKind } from './known-names.js'
import type { Presence } from './presence.js'

/** What became of frames: handed to these many links, or not, and why. */
export type Outcome = { readonly accepted: number } | { readonly rejected: Code }

/** From so many bytes on a broadcast lies in memory once for all of its members; below, copies cost less than pieces. */
const sharedFromBytes = 4 * 1024

export interface RouterParts {
  readonly presence: Presence
  readonly limits: Limits
  readonly blocks: BlockPool
  /** May this link send there? Asked once per route and target. */
  readonly policy: (sender: Session, route: Route, target: Session | undefined) => boolean
  /** Whether the registry has this node or group; asked only where no live link answers to the name. */
  readonly known: (kind: NameKind, name: string) => Promise<boolean>
  readonly count: (outcome: Code | 'DELIVERED', frames: number, bytes: number) => void
  /** For the log: who could not send where, and why. */
  readonly refused: (route: Route, outcome: Code, frames: number) => void
  /** Coarse clock, ms since 1970: when tokens expire. */
  readonly time: () => number
  /** A step of the overload ladder: broadcasts are refused first. */
  readonly shedsBroadcasts: () => boolean
  /** The mediator is shutting down. */
  readonly draining: () => boolean
}

/** Is told of traffic while somebody watches it. What it throws ends the sender's link, so it does not. */
export interface TrafficWatcher {
  /** A run was queued for that link. */
  handed(route: Route, target: Session, run: Uint8Array, frames: number): void
  /** It was not; `target` is given where one member of a group did not get what others did. */
  refused(route: Route, target: Session | undefined, code: Code, run: Uint8Array, frames: number): void
}

/** Where frames go. Knows addresses, presence and sizes, and nothing of what is inside. */
export class Router {
  /** Undefined: nobody watches, which is all that it costs then. */
  watcher: TrafficWatcher | undefined
  private readonly parts: RouterParts
  private lastId = 0

  constructor(parts: RouterParts) {
    this.parts = parts
  }

  /** @throws SealwayError `INVALID_NAME` or `FORBIDDEN` */
  open(sender: Session, number: number, toText: string, scope: string): Route {
    const { limits, presence, policy } = this.parts
    const address = parseAddress(toText)
    parseName(scope, 'scope')
    this.lastId = this.lastId === 0xffff_ffff ? 1 : this.lastId + 1
    const route = new Route(this.lastId, number, sender, address, formatAddress(address), scope, {
      bytes: limits.routeWindowBytes,
      frames: limits.routeWindowFrames,
    })
    route.isNewWork = this.parts.draining()
    if (address.type === 'node') {
      presence.watch(address.name, route)
      const target = presence.get(address.name)
      sender.control(statusOf(number, target))
      if (!target) this.askWhetherKnown(route, 'node', address.name)
    } else {
      if (!policy(sender, route, undefined)) route.absence = 'FORBIDDEN'
      else if (!presence.hasGroup(address.group)) this.askWhetherKnown(route, 'group', address.group)
    }
    return route
  }

  private askWhetherKnown(route: Route, kind: NameKind, name: string): void {
    route.lookup = this.parts.known(kind, name).then(
      (known) => {
        route.lookup = undefined
        route.absence = known ? 'OFFLINE' : kind === 'node' ? 'UNKNOWN_NODE' : 'UNKNOWN_GROUP'
      },
      () => {
        route.lookup = undefined
        // Not kept: the next frame asks again.
        route.absence = 'STORAGE_UNAVAILABLE'
      },
    )
  }

  /** Why a frame finds no link there; where the registry could not say so far, it is asked again. */
  private absenceOf(route: Route): Code {
    if (route.absence === 'STORAGE_UNAVAILABLE' && !route.lookup) {
      const { address } = route
      if (address.type === 'node') this.askWhetherKnown(route, 'node', address.name)
      else this.askWhetherKnown(route, 'group', address.group)
    }
    return route.lookup ? 'OFFLINE' : (route.absence ?? 'OFFLINE')
  }

  /** A run of frames of one route, in one piece. */
  send(route: Route, run: Uint8Array, frames: number): void {
    if (route.address.type === 'any' && frames > 1) {
      for (const frame of framesOf(run)) this.finish(route, frame, 1, this.route(route, frame, 1, undefined))
      return
    }
    this.finish(route, run, frames, this.route(route, run, frames, undefined))
  }

  /** One frame whose sender is told by name who got it. */
  sendAccepted(route: Route, frame: Uint8Array): void {
    const names: string[] = []
    const outcome = this.route(route, frame, 1, names)
    this.finish(route, frame, 1, outcome)
    if ('accepted' in outcome) {
      route.sender.control(encodeAccepted(route.number, frameIdOfFrame(frame), names))
    }
  }

  private finish(route: Route, run: Uint8Array, frames: number, outcome: Outcome): void {
    if ('accepted' in outcome) return
    route.accept(run.length, frames)
    const ids = Array.from(framesOf(run), frameIdOfFrame)
    const reject = (why: Code, refused: Uint8Array): void => {
      // What was refused uses no window.
      route.release(run.length, frames)
      this.parts.count(why, frames, run.length)
      this.parts.refused(route, why, frames)
      this.watcher?.refused(route, undefined, why, refused, frames)
      for (const id of ids) route.sender.control(encodeReject(route.number, codeNumber(why), id))
    }
    if (outcome.rejected !== 'OFFLINE' || !route.lookup) reject(outcome.rejected, run)
    // Offline, or never heard of? The database is being asked; the window bounds what waits for its answer.
    else {
      // The run is ours during this call only; who watches by then is told of it.
      const kept = new Uint8Array(run)
      void route.lookup.then(() => reject(route.absence ?? 'OFFLINE', kept))
    }
  }

  private route(route: Route, run: Uint8Array, frames: number, names: string[] | undefined): Outcome {
    const { limits, presence, time } = this.parts
    const sender = route.sender
    if (
      route.usedBytes + run.length > limits.routeWindowBytes + limits.maxFrameBytes ||
      route.usedFrames + frames > 2 * limits.routeWindowFrames
    ) {
      return { rejected: 'BUSY' }
    }
    const { address } = route
    if (route.isNewWork && !this.isAnswer(route)) return { rejected: 'DRAINING' }
    if (address.type === 'group') return this.fanOut(route, run, frames, names)
    if (address.type === 'any' && route.absence === 'FORBIDDEN') return { rejected: 'FORBIDDEN' }
    const target =
      address.type === 'node' ? presence.get(address.name) : presence.pick(address.group, run.length, sender)
    if (!target) {
      if (address.type === 'any' && presence.hasGroup(address.group)) return { rejected: 'BUSY' }
      return { rejected: this.absenceOf(route) }
    }
    if (route.allowedTarget !== target) {
      if (!this.parts.policy(sender, route, target)) return { rejected: 'FORBIDDEN' }
      route.allowedTarget = target
      route.absence = undefined
    }
    // After its token expired a link may still answer those who have sent to it.
    if (time() >= sender.member!.identity.expiresAt && !sender.hearsFrom(target)) {
      return { rejected: 'TOKEN_EXPIRED' }
    }
    if (!target.outbox.hasRoom(run.length, frames)) return { rejected: 'BUSY' }
    this.announce(route, target)
    route.accept(run.length, frames)
    target.outbox.push(run, frames, route)
    this.parts.count('DELIVERED', frames, run.length)
    this.watcher?.handed(route, target, run, frames)
    names?.push(target.member!.name)
    return { accepted: 1 }
  }

  /** A route to a node that has sent to this one. */
  private isAnswer({ address, sender }: Route): boolean {
    const target = address.type === 'node' ? this.parts.presence.get(address.name) : undefined
    return target !== undefined && sender.hearsFrom(target)
  }

  private fanOut(route: Route, run: Uint8Array, frames: number, names: string[] | undefined): Outcome {
    const { presence, count, limits, time } = this.parts
    const { address, sender } = route
    if (address.type !== 'group') return { rejected: 'INTERNAL' }
    if (route.absence === 'FORBIDDEN') return { rejected: 'FORBIDDEN' }
    if (time() >= sender.member!.identity.expiresAt) return { rejected: 'TOKEN_EXPIRED' }
    if (this.parts.shedsBroadcasts()) return { rejected: 'OVERLOADED' }
    if (!presence.hasGroup(address.group)) return { rejected: this.absenceOf(route) }
    route.absence = undefined
    const prompt: Session[] = []
    const late: Session[] = []
    for (const session of presence.members(address.group)) {
      if (session === sender) continue
      const { outbox } = session
      const lagging = outbox.lagging
      // One that does not read holds no credit of others, and at most a quarter of its queue for them.
      if (!outbox.hasRoom(run.length, frames, true) || (lagging && outbox.bytes > limits.outboxBytes / 4)) {
        count('BUSY', frames, run.length)
        this.watcher?.refused(route, session, 'BUSY', run, frames)
      } else {
        ;(lagging ? late : prompt).push(session)
      }
    }
    route.accept(run.length, frames)
    if (prompt.length === 0) route.release(run.length, frames)
    const owner = prompt.length === 1 ? route : new SharedRelease(route, prompt.length)
    const isShared = run.length >= sharedFromBytes && prompt.length + late.length > 1
    const shared = isShared ? this.parts.blocks.copy(run) : undefined
    let reached = 0
    for (const target of prompt) if (this.handOn(route, target, run, shared, frames, owner, names)) reached++
    for (const target of late) if (this.handOn(route, target, run, shared, frames, undefined, names)) reached++
    shared?.release()
    count('DELIVERED', frames * reached, run.length * reached)
    return { accepted: reached }
  }

  /** One broadcast to one member. What those before it were given counts: a large group must not pass the budget. */
  private handOn(
    route: Route,
    target: Session,
    run: Uint8Array,
    shared: Block | undefined,
    frames: number,
    owner: Releasable | undefined,
    names: string[] | undefined,
  ): boolean {
    if (!target.outbox.hasRoom(run.length, frames, true)) {
      owner?.release(run.length, frames)
      this.parts.count('BUSY', frames, run.length)
      this.watcher?.refused(route, target, 'BUSY', run, frames)
      return false
    }
    this.announce(route, target)
    if (shared) target.outbox.pushShared(shared, frames, owner)
    else target.outbox.push(run, frames, owner)
    this.watcher?.handed(route, target, run, frames)
    names?.push(target.member!.name)
    return true
  }

  private announce(route: Route, target: Session): void {
    if (route.announcedTo.has(target)) return
    route.announcedTo.add(target)
    target.known.add(route)
    target.outbox.push(encodeAnnounce(route.id, route.sender.member!.name, route.to, route.scope), 0)
  }

  /** A route is given up by its sender, or its sender is gone: its receivers forget it. */
  retire(route: Route): void {
    route.close()
    if (route.address.type === 'node') this.parts.presence.unwatch(route.address.name, route)
    for (const target of route.announcedTo) {
      target.known.delete(route)
      target.control(encodeFrame(FrameType.retire, route.id))
    }
    route.announcedTo.clear()
  }

  joined(session: Session): void {
    const { presence } = this.parts
    presence.join(session)
    for (const route of presence.routesToNode(session.member!.name)) {
      route.sender.control(statusOf(route.number, session))
    }
  }

  /** @returns false where another session holds the name by now */
  left(session: Session): boolean {
    const { presence } = this.parts
    const held = presence.leave(session)
    for (const route of session.routes.values()) this.retire(route)
    session.routes.clear()
    for (const route of session.known) route.announcedTo.delete(session)
    session.known.clear()
    if (held) {
      for (const route of presence.routesToNode(session.member!.name)) {
        route.absence = 'OFFLINE'
        route.allowedTarget = undefined
        route.sender.control(statusOf(route.number, undefined))
      }
    }
    return held
  }
}

const statusOf = (number: number, target: Session | undefined): Uint8Array =>
  encodeStatus(number, target !== undefined, target ? incarnationOf(target.member!.instance) : 0)
