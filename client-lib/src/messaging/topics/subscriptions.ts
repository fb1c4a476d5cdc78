import { parseName, SealwayError } from '@sealway/protocol'
import type { Command, Context } from '../delivery.js'
import type { Handler } from '../middleware.js'
import { compilePattern, type Matcher } from './pattern.js'

export interface SubscribeOptions {
  /** The group whose events are meant; the node's first one unless given. */
  readonly in?: string
  /** Nodes that subscribe under the same consumer name share the events: each event goes to one of them. */
  readonly consumer?: string
  /** Ends the subscription after one event. */
  readonly once?: boolean
  /** Only events for which this returns true. */
  readonly filter?: (command: Command, context: Context) => boolean
}

/** What a node tells others of its subscriptions: only what they must know to choose one consumer. */
export interface Subscribed {
  readonly pattern: string
  readonly consumer: string
}

interface Subscription {
  readonly pattern: string
  readonly matches: Matcher
  readonly group: string
  readonly consumer: string | undefined
  readonly once: boolean
  readonly filter: SubscribeOptions['filter']
  readonly handler: Handler
}

/** More than this in one node is a mistake, not a design. */
const maxSubscriptions = 10_000

/** What this node subscribed to. */
export class Subscriptions {
  private readonly subscriptions = new Set<Subscription>()
  private leaving = false

  constructor(
    private readonly name: string,
    private readonly groups: readonly string[],
    /** Something that others must know has changed in this group. */
    private readonly changed: (group: string) => void,
  ) {}

  /** @returns a function that ends it. @throws SealwayError `INVALID_ARGUMENT`, `INVALID_NAME` */
  add(pattern: string, handler: Handler, options: SubscribeOptions = {}): () => void {
    const group = options.in ?? this.groups[0]!
    if (this.groups.length === 0) throw invalid(`${this.name} is a member of no group, and only members get events`)
    if (!this.groups.includes(group)) {
      throw invalid(`${this.name} is not in ${group}; it can subscribe to the events of ${this.groups.join(', ')}`)
    }
    if (typeof handler !== 'function') throw invalid(`the handler of ${pattern} must be a function`)
    if (this.subscriptions.size >= maxSubscriptions) throw invalid(`${maxSubscriptions} subscriptions exist already`)
    const subscription: Subscription = {
      pattern,
      matches: compilePattern(pattern),
      group,
      consumer: options.consumer === undefined ? undefined : parseName(options.consumer, 'consumer'),
      once: options.once ?? false,
      filter: options.filter,
      handler,
    }
    this.subscriptions.add(subscription)
    if (subscription.consumer !== undefined) this.changed(group)
    return () => {
      if (this.subscriptions.delete(subscription) && subscription.consumer !== undefined) this.changed(group)
    }
  }

  /** From now on this node is not to be chosen for events. */
  leave(): void {
    this.leaving = true
    for (const group of this.groups) {
      if ([...this.subscriptions].some((one) => one.group === group && one.consumer !== undefined)) this.changed(group)
    }
  }

  /** Those with a consumer name, for whoever publishes in this group. */
  consumersIn(group: string): Subscribed[] {
    const list: Subscribed[] = []
    if (this.leaving) return list
    for (const { group: its, pattern, consumer } of this.subscriptions) {
      if (its === group && consumer !== undefined) list.push({ pattern, consumer })
    }
    return list
  }

  /** Whether anything here takes this event without being chosen for it. */
  takes(group: string, event: string): boolean {
    for (const one of this.subscriptions) {
      if (one.group === group && one.consumer === undefined && one.matches(event)) return true
    }
    return false
  }

  /**
   * Hands an event to all that subscribed to it.
   * @param chosen the node of each consumer name that is to take it
   * @returns whether anything here took it. @throws whatever a handler threw, after all have run
   */
  async deliver(
    group: string,
    command: Command,
    context: Context,
    chosen: ReadonlyMap<string, string>,
  ): Promise<boolean> {
    const taken = [...this.subscriptions].filter(
      (one) =>
        one.group === group &&
        (one.consumer === undefined || chosen.get(one.consumer) === this.name) &&
        one.matches(command.action) &&
        (one.filter?.(command, context) ?? true),
    )
    // One per consumer name: a node may have subscribed twice under it.
    const consumers = new Set<string>()
    const due = taken.filter(
      ({ consumer }) => consumer === undefined || (!consumers.has(consumer) && consumers.add(consumer)),
    )
    for (const one of due) if (one.once) this.subscriptions.delete(one)
    const results = await Promise.allSettled(due.map(async (one) => one.handler(command, context)))
    const failure = results.find((result) => result.status === 'rejected')
    if (failure) throw failure.reason
    return due.length > 0
  }
}

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
