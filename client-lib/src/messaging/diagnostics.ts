import { type Channel, channel } from 'node:diagnostics_channel'

/** What `sealway.client.sent` tells: a verb was called. */
export interface SentEvent {
  readonly node: string
  readonly verb: Verb
  readonly to: string
  readonly action: string
}

/** What `sealway.client.settled` tells: that verb has ended. */
export interface SettledEvent extends SentEvent {
  readonly durationMs: number
  /** A code of docs/errors.md; undefined where it succeeded. */
  readonly code: string | undefined
}

/** What `sealway.client.received` tells: a message was opened, and goes to its handler. */
export interface ReceivedMessage {
  readonly node: string
  readonly from: string
  readonly to: string
  readonly action: string
  /** As `command.key`: the same in both events of one message. */
  readonly key: string
  /** Of the body, as sent. */
  readonly bytes: number
}

/** What `sealway.client.handled` tells: what became of it. */
export interface HandledMessage extends ReceivedMessage {
  readonly type: 'answered' | 'failed' | 'crashed' | 'refused'
  /** Of the handler, ms; 0 where none ran. */
  readonly durationMs: number
}

export type Verb = 'send' | 'sendAcked' | 'call' | 'gather' | 'broadcast' | 'publish' | 'stream'

/**
 * Channels of node:diagnostics_channel, for tools that were not written for this library. Whoever subscribes sees all
 * nodes of the process; while nobody does, each costs one check. Never a body.
 */
export const diagnostics = {
  sent: channel('sealway.client.sent'),
  settled: channel('sealway.client.settled'),
  received: channel('sealway.client.received'),
  handled: channel('sealway.client.handled'),
} as const satisfies { readonly [name: string]: Channel }
