import type { LiveNode, NodesTold } from './events.js'

/**
 * The nodes that a watcher was told, put together. Where all are told anew, those from before stay until the last of the
 * new ones has come: a list of ten thousand does not shrink to its first thousand meanwhile.
 */
export class KnownNodes {
  /** By name. Before all were told for the first time: those that were. */
  nodes: ReadonlyMap<string, LiveNode> = new Map()
  /** All were told; before, that one is not among them says nothing. */
  isWhole = false
  private newest = new Map<string, LiveNode>()

  take({ all, more, nodes, removed }: NodesTold): void {
    if (all) this.newest = new Map()
    for (const node of nodes) this.newest.set(node.name, node)
    for (const name of removed) this.newest.delete(name)
    this.isWhole ||= !more
    if (!more || !this.isWhole) this.nodes = this.newest
  }
}
