/*:: import type { Command, Context, Handled, Node, Peer } from '@sealway/client' */

/** What is kept; older entries are forgotten. */
const keptEntries = 200
/** What is kept of one body, characters. */
const shownChars = 2_000

/*::
export interface Status {
  name: string
  groups: string[]
  reaches: string[]
  mediator: string
  connected: boolean
  problem?: string | undefined
}

export interface Entry {
  at: number
  type: 'arrived' | 'sent'
  who: string
  to: string
  what: string
  body: string
  ok: boolean
  outcome: string
}

export interface News {
  status?: Status
  peers?: Peer[]
  entry?: Entry
}
*/

/** What a page shows: how the link is, who is there, what arrived and what was sent. */
export class Journal {
  status /*: Status */
  entries /*: Entry[] */ = []
  peers /*: Peer[] */ = []
  listeners /*: Set<(news: News) => void> */ = new Set()

  constructor(status /*: Omit<Status, 'connected'> */) {
    this.status = { ...status, connected: false }
  }

  link(connected /*: boolean */, problem /*: string | undefined */ = undefined) {
    this.status = { ...this.status, connected, problem }
    this.tell({ status: this.status })
  }

  present(peers /*: Peer[] */) {
    this.peers = peers
    this.tell({ peers })
  }

  add(entry /*: Omit<Entry, 'at'> */) {
    const dated = { at: Date.now(), ...entry }
    this.entries.push(dated)
    if (this.entries.length > keptEntries) this.entries.shift()
    this.tell({ entry: dated })
  }

  /** Returns a function that ends it. */
  listen(listener /*: (news: News) => void */) {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  tell(news /*: News */) {
    for (const listener of this.listeners) listener(news)
  }

  /** Writes down what this node hears from now on: messages with their outcomes, peers, the state of the link. */
  follow(node /*: Node */) {
    node.after((command, context, handled) => this.add(arrived(command, context, handled)))
    node.events.on('connected', () => this.link(true))
    node.events.on('disconnected', ({ error }) => this.link(false, error.message))
    const known = new Map() /*:: as Map<string, Peer> */
    for (const group of [...node.groups, ...node.reaches]) void this.watch(node, group, known)
    this.link(node.connected)
  }

  async watch(node /*: Node */, group /*: string */, known /*: Map<string, Peer> */) {
    try {
      for await (const { type, peer } of node.watchPeers(group)) {
        const key = `${group} ${peer.name}`
        if (type === 'joined') known.set(key, peer)
        else known.delete(key)
        const others = new Map([...known.values()].map((one) => [one.name, one]))
        others.delete(node.name)
        this.present([...others.values()].sort((a, b) => (a.name < b.name ? -1 : 1)))
      }
    } catch (error) {
      this.link(node.connected, `who is in ${group} cannot be watched: ${String(error)}`)
    }
  }
}

function arrived({ action, body } /*: Command */, { from, to, deadline } /*: Context */, handled /*: Handled */) {
  const waits = deadline !== undefined
  const entry = { type: 'arrived' /*:: as const */, who: from, to, what: action, body: shown(body) }
  switch (handled.type) {
    case 'answered':
      return { ...entry, ok: true, outcome: waits ? `answered ${shown(handled.result)}` : 'taken' }
    case 'failed':
      return { ...entry, ok: false, outcome: `answered with the error ${handled.error.code}` }
    case 'crashed':
      return { ...entry, ok: false, outcome: `crashed: ${String(handled.error)}` }
    default:
      return { ...entry, ok: false, outcome: `not handled: ${handled.error.code}` }
  }
}

/** A body as text: JSON, shortened; of bytes, how many. */
export function shown(body /*: unknown */) {
  if (body instanceof Uint8Array) return `${body.length} bytes`
  const text = JSON.stringify(body) ?? 'nothing'
  return text.length > shownChars ? `${text.slice(0, shownChars)}... (${text.length} characters)` : text
}
