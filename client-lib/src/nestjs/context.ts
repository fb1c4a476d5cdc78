import { BaseRpcContext, RpcException } from '@nestjs/microservices'
import type { TransportName } from '@sealway/protocol'
import type { Command, Context } from '../messaging/delivery.js'
import type { LinkContext } from '../messaging/sender.js'
import type { Items } from '../messaging/streams/items.js'

/** What a handler gets by `@Ctx()`: who sent the message, how long that one waits, and what came beside the body. */
export class SealwayContext extends BaseRpcContext<[command: Command, context: Context]> {
  /** The action, or the event's name where a pattern with `*` took it. */
  get action(): string {
    return this.args[0].action
  }

  /** Verified by the seal: the name of the node that sent it. */
  get from(): string {
    return this.args[1].from
  }

  /** As it was addressed: this node's name, `any:<group>` or `group:<group>`. */
  get to(): string {
    return this.args[1].to
  }

  /** No two messages that this process receives have the same. */
  get key(): string {
    return this.args[1].key
  }

  /** Fires when the caller gave up, its deadline passed, or it disconnected. */
  get signal(): AbortSignal {
    return this.args[1].signal
  }

  /** When the caller stops waiting, ms since 1970; undefined where nobody waits. */
  get deadline(): number | undefined {
    return this.args[1].deadline
  }

  /** How long the caller still waits, ms; undefined where nobody waits. */
  get remaining(): number | undefined {
    return this.args[1].remaining
  }

  /** What the sender put beside the body. */
  get meta(): { readonly [name: string]: unknown } {
    return this.args[0].meta
  }

  /** The caller's span, as W3C Trace Context says. */
  get traceparent(): string | undefined {
    return this.args[1].traceparent
  }

  /** Kept for this sender as long as its link lives. */
  get link(): LinkContext {
    return this.args[1].link
  }

  /** What carries this node's link. */
  get transport(): TransportName | undefined {
    return this.args[1].transport
  }

  /** What the caller sends on a stream; empty where it is no stream. */
  get input(): Items {
    return this.args[1].input
  }

  /** The groups that the sender is in. @throws SealwayError `PEER_GONE`; else as a call */
  senderGroups(): Promise<readonly string[]> {
    return this.args[1].senderGroups()
  }

  /** `throw context.fail(code, data)`: an expected error, which the caller gets as such. */
  fail(code: string, data?: unknown): RpcException {
    return new RpcException(data === undefined ? { code } : { code, data })
  }
}
