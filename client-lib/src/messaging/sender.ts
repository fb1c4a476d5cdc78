import { SealwayError, type TransportName } from '@sealway/protocol'

/**
 * What handlers keep about one sender, as long as its link lives: the user who logged in, a session. It is emptied when
 * the sender disconnects, and when this node's own link breaks, since it then cannot know.
 */
export class LinkContext extends Map<PropertyKey, unknown> {
  private over = false

  /** @param from the sender's name */
  constructor(readonly from: string) {
    super()
  }

  /** The link is gone. What is put here from now on nobody sees. */
  get ended(): boolean {
    return this.over
  }

  /** @internal */
  end(): void {
    this.over = true
    this.clear()
  }
}

/** Asks a node, sealed in that scope, which groups it is in. */
export type AskGroups = (name: string, scope: string) => Promise<readonly string[]>

/** One node whose messages arrive here, from the first route that is announced to the last that is retired. */
export class Sender {
  /** Delivery routes that come from it. */
  routes = 0
  private context: LinkContext | undefined
  private asked: Promise<readonly string[]> | undefined

  constructor(
    readonly name: string,
    private readonly askGroups: AskGroups,
  ) {}

  /** Made when it is first asked for: most senders need none. */
  get link(): LinkContext {
    this.context ??= new LinkContext(this.name)
    return this.context
  }

  /**
   * Asked once while its link lives: a process does not change its groups (docs/decisions/0012).
   * @throws SealwayError `PEER_GONE` where it is not there any more; else as a call
   */
  groups(scope: string): Promise<readonly string[]> {
    this.asked ??= this.ask(scope)
    return this.asked
  }

  private async ask(scope: string): Promise<readonly string[]> {
    try {
      const groups = this.link.ended ? [] : await this.askGroups(this.name, scope)
      // Whoever has this name by now may be another process, in other groups.
      if (!this.link.ended) return groups
    } catch (error) {
      this.asked = undefined
      throw error
    }
    const message = `${this.name} left before it said which groups it is in`
    throw new SealwayError('PEER_GONE', { message, outcome: 'not-delivered', hop: 'client', target: this.name })
  }

  end(): void {
    this.link.end()
  }
}

/** Numbers for messages that have none of their own, given when one is first asked for: most are never looked at. */
export class Serials {
  private last = 0

  next(): number {
    return ++this.last
  }
}

/** One frame that arrived: what all its messages have in common. */
export interface Arrival {
  readonly from: string
  readonly to: string
  readonly scope: string
  /** The 8 bytes that name its flow; the same object for all frames of the flow. */
  readonly flow: Uint8Array
  /** When it was sealed, by the sender's clock; ms since 1970. */
  readonly sentAt: number
  /** When it was opened, by this node's clock; ms since 1970. */
  readonly receivedAt: number
  /** Of this node's link. */
  readonly transport: TransportName | undefined
  readonly sender: Sender
  readonly serials: Serials
  readonly clock: () => number
}
