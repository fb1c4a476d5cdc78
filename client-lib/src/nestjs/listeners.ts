import type { NodeEvents } from '../messaging/events.js'
import type { Node } from '../node.js'

/** What `server.on` and `client.on` take: the events of the node. */
export type NodeListeners = { [Name in keyof NodeEvents]: (event: NodeEvents[Name]) => void }
export type NodeStatus = 'connected' | 'disconnected'

/** Listeners that were set before there is a node to listen to. */
export class Listeners {
  private readonly early: ((node: Node) => void)[] = []
  private readonly attached: (() => void)[] = []
  private node: Node | undefined

  on<Name extends keyof NodeListeners>(event: Name, listener: NodeListeners[Name]): void {
    const attach = (node: Node): void => void this.attached.push(node.events.on(event, listener))
    this.early.push(attach)
    if (this.node) attach(this.node)
  }

  /** @param status told of how the link is now, and from then on */
  attach(node: Node, status: (status: NodeStatus) => void): void {
    this.node = node
    for (const attach of this.early) attach(node)
    this.attached.push(
      node.events.on('connected', () => status('connected')),
      node.events.on('disconnected', () => status('disconnected')),
    )
    status(node.connected ? 'connected' : 'disconnected')
  }

  detach(): void {
    this.node = undefined
    for (const off of this.attached.splice(0)) off()
  }
}
