import { SealwayError } from '@sealway/protocol'
import { connect, type Node } from './node.js'
import type { ConnectOptions } from './options.js'
import { follow } from './session/timers.js'

/** A node that somebody else connects, and drains. */
export interface SharedNode {
  /** The node, or how to come by it when it is needed first. */
  readonly node: Node | (() => Node | PromiseLike<Node>)
}

/** Either a node of its own, connected when it is needed first and drained by who holds it, or one that is shared. */
export type NodeOptions = ConnectOptions | SharedNode

const isShared = (options: NodeOptions): options is SharedNode => 'node' in options

/** What a part of a framework has of a node: it gets it when it starts, and lets it go when it ends. */
export class HeldNode {
  private pending: Promise<Node> | undefined
  private connected: Node | undefined
  /** Ends the attempt to connect that is under way. */
  private giveUp: (() => void) | undefined

  constructor(private readonly options: NodeOptions) {
    if (typeof options === 'object' && options !== null) return
    throw new SealwayError('INVALID_ARGUMENT', {
      message: 'options must be { groups: [...] } or { reaches: [...] } as of connect, or { node }',
      outcome: 'not-delivered',
      hop: 'client',
    })
  }

  /** Somebody else drains it. */
  get shared(): boolean {
    return isShared(this.options)
  }

  /** Undefined before it is there, and after it was let go. */
  get node(): Node | undefined {
    return this.connected
  }

  /** Connects with the first call; one that failed is tried anew with the next. @throws as `connect` */
  get(): Promise<Node> {
    this.pending ??= this.obtain().catch((error: unknown) => {
      this.pending = undefined
      throw error
    })
    return this.pending
  }

  /** Drains a node of its own, or stops connecting; a shared one stays. */
  async release(): Promise<void> {
    const { pending } = this
    this.giveUp?.()
    const node = await pending?.catch(() => undefined)
    this.pending = undefined
    this.connected = undefined
    if (!this.shared) await node?.drain()
  }

  private async obtain(): Promise<Node> {
    this.connected = isShared(this.options) ? await ofOthers(this.options.node) : await this.own(this.options)
    return this.connected
  }

  private async own(options: ConnectOptions): Promise<Node> {
    const leaving = new AbortController()
    this.giveUp = () => leaving.abort()
    const unfollow = options.signal && follow(leaving, options.signal)
    try {
      const node = await connect({ ...options, signal: leaving.signal })
      if (unfollow) void node.closed.then(unfollow)
      return node
    } catch (error) {
      unfollow?.()
      throw error
    } finally {
      // From now on the signal would close it, where it is to be drained.
      this.giveUp = undefined
    }
  }
}

const ofOthers = (node: SharedNode['node']): Node | PromiseLike<Node> => (typeof node === 'function' ? node() : node)
