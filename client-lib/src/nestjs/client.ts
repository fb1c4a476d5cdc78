import { ClientProxy, type MsPattern, type ReadPacket, type WritePacket } from '@nestjs/microservices'
import { formatAddress, parseAddress } from '@sealway/protocol'
import { defer, mergeMap, Observable } from 'rxjs'
import { HeldNode, type NodeOptions } from '../held-node.js'
import type { BroadcastReport } from '../messaging/report.js'
import type { Node } from '../node.js'
import { follow } from '../session/timers.js'
import { thrownToObserver } from './failure.js'
import { Listeners, type NodeListeners, type NodeStatus } from './listeners.js'
import { recordOf } from './record.js'
import { connectedNode } from './server.js'

export type SealwayClientOptions = NodeOptions & {
  /** Where `send` and `stream` go: `any:orders`, `orders-1`. */
  readonly to: string
  /** The group in which what is emitted happens. Default: that of `to`, else the node's first one. */
  readonly in?: string
}

/**
 * Nest's client: `send` is a call with one answer, `stream` reads all values of a handler, `emit` publishes an event.
 * Expected errors arrive as ExpectedRpcException, all others as SealwayError with their code and outcome. Who unsubscribes
 * cancels: the handler's signal fires.
 */
export class SealwayClient extends ClientProxy<NodeListeners, NodeStatus> {
  private readonly held: HeldNode
  private readonly listeners = new Listeners()
  private readonly to: string
  private readonly group: string | undefined
  private connecting: Promise<Node> | undefined

  /** @throws SealwayError `INVALID_ARGUMENT`, `INVALID_NAME` */
  constructor({ to, in: group, ...options }: SealwayClientOptions) {
    super()
    const address = parseAddress(to)
    this.held = new HeldNode(options)
    this.to = formatAddress(address)
    this.group = group ?? (address.type === 'node' ? undefined : address.group)
  }

  /** With the first message, or before it. @throws as `connect` of the library */
  connect(): Promise<Node> {
    this.connecting ??= this.held.get().then(
      (node) => {
        this.listeners.attach(node, (status) => this._status$.next(status))
        return node
      },
      (error: unknown) => {
        this.connecting = undefined
        throw error
      },
    )
    return this.connecting
  }

  /** Drains a node of its own: what is under way comes to its end. */
  async close(): Promise<void> {
    await this.held.release()
    this.connecting = undefined
    this.listeners.detach()
    this._status$.next('disconnected')
  }

  /** The node, with all its verbs. @throws SealwayError `NOT_CONNECTED` before `connect` */
  unwrap<T = Node>(): T {
    return connectedNode(this.held) as T
  }

  override on<
    Name extends keyof NodeListeners = keyof NodeListeners,
    Listener extends NodeListeners[Name] = NodeListeners[Name],
  >(event: Name, callback: Listener): void {
    this.listeners.on(event, callback)
  }

  /** All values of a handler that returns an observable, a generator or a stream; they are read as they are taken. */
  stream<Item = unknown, Data = unknown>(pattern: MsPattern, data?: Data): Observable<Item> {
    const { data: body, options } = recordOf(data)
    const { to = this.to, in: _, ...rest } = options
    return defer(() => this.connect()).pipe(
      mergeMap(
        (node) =>
          new Observable<Item>((observer) => {
            const items = node.stream<Item>(to, this.normalizePattern(pattern), body, rest)
            const read = async (): Promise<void> => {
              for await (const item of items) observer.next(item)
            }
            read().then(
              () => observer.complete(),
              (error: unknown) => observer.error(thrownToObserver(error)),
            )
            return () => items.cancel()
          }),
      ),
    )
  }

  protected publish({ pattern, data }: ReadPacket, callback: (packet: WritePacket) => void): () => void {
    const { data: body, options } = recordOf(data)
    const { to = this.to, in: _, input: __, signal, ...rest } = options
    const gone = new AbortController()
    const unfollow = signal && follow(gone, signal)
    connectedNode(this.held)
      .call(to, this.normalizePattern(pattern as MsPattern), body, {
        ...rest,
        signal: gone.signal,
      })
      .then(
        (response) => callback({ response, isDisposed: true }),
        (error: unknown) => callback({ err: thrownToObserver(error) }),
      )
      .finally(unfollow)
    return () => gone.abort()
  }

  /** @returns the report: who was reached, and with `want: 'acks'` who has handled it */
  protected async dispatchEvent<T = BroadcastReport>({ pattern, data }: ReadPacket): Promise<T> {
    const { data: body, options } = recordOf(data)
    const { to: _, input: __, in: group = this.group, ...rest } = options
    const event = this.normalizePattern(pattern as MsPattern)
    const node = connectedNode(this.held)
    return (await node.publish(event, body, { ...rest, ...(group === undefined ? {} : { in: group }) })) as T
  }
}
