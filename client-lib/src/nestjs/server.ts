import { type BaseRpcContext, type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices'
import { SealwayError } from '@sealway/protocol'
import { isObservable, lastValueFrom } from 'rxjs'
import { HeldNode, type NodeOptions } from '../held-node.js'
import { type Command, type Context, Delivery } from '../messaging/delivery.js'
import { isStream, type StreamSource, sourceOf } from '../messaging/streams/source.js'
import type { Node } from '../node.js'
import { SealwayContext } from './context.js'
import { thrownToNode } from './failure.js'
import { fieldsOf } from './fields.js'
import { ObservedItems, oneValue } from './items.js'
import { Listeners, type NodeListeners, type NodeStatus } from './listeners.js'

/** For `@MessagePattern(pattern, sealwayTransport)` in an app with several transports. */
export const sealwayTransport = Symbol('sealway')

/** What `@EventPattern(pattern, { in, consumer })` may say of one pattern; of all of them, `events` of the server. */
export interface EventOptions {
  /** The group whose events are meant; the node's first one unless given. */
  readonly in?: string
  /** Services that subscribe under the same consumer name share the events: each event goes to one of them. */
  readonly consumer?: string
}

export type SealwayServerOptions = NodeOptions & { readonly events?: EventOptions }

/**
 * Nest's transport: `app.connectMicroservice({ strategy: new SealwayServer({ name, groups }) })`. Message patterns are the
 * node's actions, for every verb; event patterns are subscriptions, `*` and `>` included.
 */
export class SealwayServer extends Server<NodeListeners, NodeStatus> implements CustomTransportStrategy {
  override readonly transportId = sealwayTransport
  private readonly held: HeldNode
  private readonly events: EventOptions
  private readonly listeners = new Listeners()
  private readonly handled: (() => void)[] = []

  constructor({ events = {}, ...options }: SealwayServerOptions) {
    super()
    this.held = new HeldNode(options)
    this.events = events
  }

  listen(callback: (error?: unknown) => void): void {
    this.begin().then(
      () => callback(),
      (error: unknown) => callback(error),
    )
  }

  /** Handlers that run come to their end; a shared node goes on without them. */
  async close(): Promise<void> {
    // A node of its own refuses by itself while it drains, and says why.
    if (this.held.shared) this.unhandle()
    await this.held.release()
    this.unhandle()
    this.listeners.detach()
    this._status$.next('disconnected')
  }

  /** The node. @throws SealwayError `NOT_CONNECTED` before `listen` */
  unwrap<T = Node>(): T {
    return connectedNode(this.held) as T
  }

  /** The node, also for a client in the same process: `new SealwayClient({ node: () => server.node, to })`. */
  get node(): Promise<Node> {
    return this.held.get()
  }

  override on<
    Name extends keyof NodeListeners = keyof NodeListeners,
    Listener extends NodeListeners[Name] = NodeListeners[Name],
  >(event: Name, callback: Listener): void {
    this.listeners.on(event, callback)
  }

  private async begin(): Promise<void> {
    const node = await this.held.get()
    this.listeners.attach(node, (status) => this._status$.next(status))
    try {
      for (const [pattern, handler] of this.messageHandlers) this.handled.push(this.handle(node, pattern, handler))
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** @returns what takes it off again. @throws SealwayError `INVALID_ARGUMENT` */
  private handle(node: Node, pattern: string, handler: MessageHandler): () => void {
    if (handler.isEventHandler) {
      const told = (command: Command, context: Context) => this.tell(handler, command, context)
      // Other transports of the app may have extras of their own.
      const own = { ...this.events, ...(handler.extras as EventOptions | undefined) }
      return node.subscribe(pattern, told, {
        ...(own.in === undefined ? {} : { in: own.in }),
        ...(own.consumer === undefined ? {} : { consumer: own.consumer }),
      })
    }
    const answer = (command: Command, context: Context) => this.answer(handler, command, context)
    node.on(pattern, answer)
    return () => void node.off(pattern, answer)
  }

  private unhandle(): void {
    for (const off of this.handled.splice(0)) off()
  }

  private answer(handler: MessageHandler, command: Command, context: Context): Promise<unknown> {
    return this.process(handler, command, context, async (result) => {
      if (isObservable(result)) {
        // What opened a stream reads the values as they come.
        if (isStreamed(context)) return translated(new ObservedItems(result))
        return fieldsUnlessStream(await oneValue(result, context.signal))
      }
      return isStream(result) ? translated(result) : fieldsOf(result)
    })
  }

  private tell(handler: MessageHandler, command: Command, context: Context): Promise<void> {
    return this.process(handler, command, context, async (result) => {
      // Events are handled when all their handlers have come to an end.
      if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined })
    })
  }

  /** Runs a handler between Nest's hooks. */
  private process<T>(
    handler: MessageHandler,
    command: Command,
    context: Context,
    end: (result: unknown) => Promise<T>,
  ): Promise<T> {
    const { transportId } = this
    const rpc: BaseRpcContext = new SealwayContext([command, context])
    const run = async (): Promise<T> => {
      try {
        return await end((await handler(command.body, rpc)) as unknown)
      } catch (error) {
        throw thrownToNode(error)
      } finally {
        this.onProcessingEndHook?.(transportId, rpc)
      }
    }
    return new Promise((resolve, reject) => {
      this.onProcessingStartHook(transportId, rpc, () => run().then(resolve, reject))
    })
  }
}

/** @throws SealwayError `NOT_CONNECTED` */
export function connectedNode({ node }: HeldNode): Node {
  if (node) return node
  throw new SealwayError('NOT_CONNECTED', {
    message: 'there is no node before listen() or connect()',
    outcome: 'not-delivered',
    hop: 'client',
  })
}

const fieldsUnlessStream = (value: unknown): unknown => (isStream(value) ? value : fieldsOf(value))

const isStreamed = (context: Context): boolean => context instanceof Delivery && context.stream !== undefined

/** A stream is read after Nest's filters ran; what it throws is told like what a handler throws. */
function translated(items: StreamSource): AsyncIterableIterator<unknown> {
  const source = sourceOf(items)
  return {
    next: async () => {
      try {
        const { done, value } = await source.next()
        return done ? { done, value: undefined } : { done: false, value: fieldsOf(value) }
      } catch (error) {
        throw thrownToNode(error)
      }
    },
    // Not a generator, which could not be told while it waits for the next item.
    return: async () => {
      source.close(undefined)
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
