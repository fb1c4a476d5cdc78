import type { TransportName } from '@sealway/protocol'

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

/** One node whose messages arrive here, from the first route that is announced to the last that is retired. */
export class Sender {
  /** Delivery routes that come from it. */
  routes = 0
  private context: LinkContext | undefined

  constructor(readonly name: string) {}

  /** Made when it is first asked for: most senders need none. */
  get link(): LinkContext {
    this.context ??= new LinkContext(this.name)
    return this.context
  }

  end(): void {
    this.link.end()
  }
}

/** One frame that arrived: what all its messages have in common. */
export interface Arrival {
  readonly from: string
  readonly to: string
  readonly scope: string
  /** When it was sealed, by the sender's clock; ms since 1970. */
  readonly sentAt: number
  /** When it was opened, by this node's clock; ms since 1970. */
  readonly receivedAt: number
  /** Of this node's link. */
  readonly transport: TransportName | undefined
  readonly sender: Sender
  readonly clock: () => number
}
