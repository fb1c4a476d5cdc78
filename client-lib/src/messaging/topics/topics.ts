import { type PeerChange, parseGroup, SealwayError } from '@sealway/protocol'
import type { Logger } from '../../session/log.js'
import type { Command, Context } from '../delivery.js'
import type { Handler } from '../middleware.js'
import type { BroadcastReport } from '../report.js'
import { Consumers } from './consumers.js'
import { EventReader, type ReceivedEvent } from './event-reader.js'
import { checkEvent } from './pattern.js'
import { type SubscribeOptions, Subscriptions } from './subscriptions.js'

export interface PublishOptions {
  /** The group in which it happens; the node's first one unless given. */
  readonly in?: string
  /** `report` (default): who was reached. `acks`: who had subscribed and has handled it. */
  readonly want?: 'report' | 'acks'
  readonly timeout?: number
  readonly signal?: AbortSignal
  readonly meta?: { readonly [name: string]: unknown }
}

/** Actions of the library itself; `on` refuses names that begin like these. */
export const subscriptionsAction = '$subscriptions'
export const subscribedAction = '$subscribed'

/** What events need of a node. */
export interface TopicsParts {
  readonly name: string
  readonly groups: readonly string[]
  /** Where events go unless the publisher names another group. */
  readonly usualGroup: string
  readonly logger: Logger
  /** ms, never set back. */
  readonly monotonic: () => number
  /** To every other member of the group; with `acks` the report's replies say whether it was taken. */
  broadcastEvent(group: string, event: string, body: unknown, options: PublishOptions): Promise<BroadcastReport>
  /** Waits in the time and under the signal of a publish. @returns its options with what is left of the time */
  within(wait: Promise<void>, options: PublishOptions): Promise<PublishOptions | undefined>
  /** To this node itself, by way of the mediator. @returns whether it was taken */
  callEvent(to: string, event: string, body: unknown, options: PublishOptions): Promise<unknown>
  ask(node: string, group: string): Promise<unknown>
  tell(group: string, list: unknown): Promise<unknown>
  members(group: string): Promise<readonly { readonly name: string }[]>
  watch(group: string): AsyncIterable<PeerChange>
}

interface Directory {
  readonly consumers: Consumers
  ready: Promise<void>
  /** When the members were asked last, ms. */
  askedAt: number
}

/**
 * How long a publisher that is no member of the group relies on what the members said, ms. Members tell each other of a new
 * subscription by broadcast, which a node that only reaches the group does not get.
 */
const believedMs = 2_000

/** Publish and subscribe over broadcasts: the mediator sees a frame to a group, and no event's name. */
export class Topics {
  private readonly subscriptions: Subscriptions
  private readonly directories = new Map<string, Directory>()
  private readonly parts: TopicsParts

  constructor(parts: TopicsParts) {
    this.parts = parts
    this.subscriptions = new Subscriptions(parts.name, parts.groups, (group) => this.changed(group))
  }

  subscribe(pattern: string, handler: Handler, options?: SubscribeOptions): () => void {
    return this.subscriptions.add(pattern, handler, options)
  }

  events<Body>(pattern: string, options?: SubscribeOptions): AsyncIterableIterator<ReceivedEvent<Body>> {
    const reader = new EventReader<Body>()
    return reader.attach(this.subscriptions.add(pattern, reader.take as Handler, options))
  }

  async publish(event: string, body: unknown, given: PublishOptions = {}): Promise<BroadcastReport> {
    checkEvent(event)
    const { name, groups, usualGroup } = this.parts
    const group = parseGroup(given.in ?? usualGroup)
    const { consumers, ready } = this.directory(group)
    const options = (await this.parts.within(ready, given)) ?? given
    const chosen = consumers.choose(event)
    const meta = { ...options.meta, ...(chosen.size > 0 ? { $to: Object.fromEntries(chosen) } : {}) }
    const sealed = { ...options, ...(Object.keys(meta).length > 0 ? { meta } : {}) }
    const mine =
      groups.includes(group) && (this.subscriptions.takes(group, event) || [...chosen.values()].includes(name))
    const own = mine ? this.publishToSelf(group, event, body, sealed) : undefined
    try {
      const report = await this.parts.broadcastEvent(group, event, body, sealed)
      return merged(report, options.want === 'acks', name, await own)
    } catch (error) {
      throw own ? mayHaveBeenTaken(error) : error
    }
  }

  /** This node drains: publishers choose others for their events. */
  leave(): void {
    this.subscriptions.leave()
  }

  /** A broadcast leaves its sender out; an event that this node subscribed to, or was chosen for, does not. */
  private async publishToSelf(group: string, event: string, body: unknown, options: PublishOptions) {
    const meta = { ...options.meta, $in: group }
    try {
      return { taken: (await this.parts.callEvent(this.parts.name, event, body, { ...options, meta })) === true }
    } catch (error) {
      return { error: error as SealwayError }
    }
  }

  /** What arrived as an event. @returns whether anything here took it */
  readonly deliver = (command: Command, context: Context): Promise<boolean> => {
    const { meta } = command
    const group = context.to.startsWith('group:') ? context.to.slice(6) : String(meta.$in)
    const chosen = new Map(Object.entries((meta.$to ?? {}) as { [consumer: string]: string }))
    return this.subscriptions.deliver(group, command, context, chosen)
  }

  /** Another node asks what this one consumes. */
  readonly answer = (command: Command): unknown => {
    const { group } = (command.body ?? {}) as { group?: unknown }
    return typeof group === 'string' ? this.subscriptions.consumersIn(group) : []
  }

  /** Another node says what it consumes now. */
  readonly told = (command: Command, { from }: Context): void => {
    const { group, list } = (command.body ?? {}) as { group?: unknown; list?: unknown }
    if (typeof group === 'string') this.directories.get(group)?.consumers.told(from, list)
  }

  private changed(group: string): void {
    const list = this.subscriptions.consumersIn(group)
    this.directories.get(group)?.consumers.told(this.parts.name, list)
    this.parts.tell(group, { group, list }).catch((error: unknown) => {
      this.parts.logger.debug({ group, err: error }, 'publishers will ask for the new subscriptions')
    })
  }

  /** The consumers of a group: made with the first publish there, and kept current from then on. */
  private directory(group: string): Directory {
    const now = this.parts.monotonic()
    const known = this.directories.get(group)
    if (known && this.isCurrent(group, known, now)) return known
    if (known) {
      known.askedAt = now
      known.ready = this.fill(group, known.consumers)
      return known
    }
    const consumers = new Consumers()
    consumers.told(this.parts.name, this.subscriptions.consumersIn(group))
    const directory = { consumers, ready: this.fill(group, consumers), askedAt: now }
    this.directories.set(group, directory)
    void this.follow(group, consumers)
    return directory
  }

  /** Members are told of each change; a publisher that is no member asks again now and then. */
  private isCurrent(group: string, { askedAt }: Directory, now: number): boolean {
    return this.parts.groups.includes(group) || now - askedAt < believedMs
  }

  private async fill(group: string, consumers: Consumers): Promise<void> {
    try {
      const members = await this.parts.members(group)
      await Promise.all(members.map((member) => this.learn(group, member.name, consumers)))
    } catch (error) {
      this.parts.logger.debug({ group, err: error }, 'who consumes events here is not known yet')
    }
  }

  private async follow(group: string, consumers: Consumers): Promise<void> {
    try {
      for await (const { type, peer } of this.parts.watch(group)) {
        if (type === 'left') consumers.left(peer.name)
        else void this.learn(group, peer.name, consumers)
      }
    } catch (error) {
      // The next publish asks anew.
      this.parts.logger.debug({ group, err: error }, 'consumers are not followed any more')
    }
    this.directories.delete(group)
  }

  private async learn(group: string, node: string, consumers: Consumers): Promise<void> {
    if (node === this.parts.name) return
    try {
      const answered = consumers.ask(node)
      answered(await this.parts.ask(node, group))
    } catch (error) {
      this.parts.logger.debug({ node, err: error }, 'a member does not say what it consumes')
    }
  }
}

/** The group did not get it, but this node itself may have: to publish it again could do harm. */
function mayHaveBeenTaken(error: unknown): unknown {
  if (!(error instanceof SealwayError) || error.outcome === 'unknown') return error
  const { code, message, target, hop, afterMs, data } = error
  return new SealwayError(code, {
    message,
    outcome: 'unknown',
    cause: error,
    ...(target === undefined ? {} : { target }),
    ...(hop === undefined ? {} : { hop }),
    ...(afterMs === undefined ? {} : { afterMs }),
    ...(data === undefined ? {} : { data }),
  })
}

function merged(
  report: BroadcastReport,
  wantsAcks: boolean,
  name: string,
  own: { readonly taken: boolean } | { readonly error: SealwayError } | undefined,
): BroadcastReport {
  const took = wantsAcks ? report.ok.filter((node) => report.replies.get(node) === true) : report.ok
  const all = { ...report, ok: [...took], failed: [...report.failed], targets: [...report.targets], replies: new Map() }
  if (own === undefined) return all
  all.targets.push(name)
  if ('error' in own) all.failed.push({ name, error: own.error })
  else if (wantsAcks && own.taken) all.ok.push(name)
  return all
}
