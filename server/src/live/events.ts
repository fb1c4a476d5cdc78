/**
 * What the operators' port tells live, over socket.io (websocket only), to whoever is logged in there. The dashboard and
 * `sealway top` read this file too. Times are ms since 1970 of the mediator's clock unless a name says otherwise; rates
 * are of the last second.
 */

/** Under /api, because the session cookie has that path: under another the browser would not send it. */
export const livePath = '/api/live'

/** What a client asks for, as often as it likes; the last one holds. Nothing is gathered that nobody watches. */
export interface Watch {
  readonly topics: readonly Topic[]
  /** Of frames: only those that match all that is given. */
  readonly filter?: FrameFilter
}

export type Topic = 'nodes' | 'edges' | 'frames' | 'health'

export interface FrameFilter {
  /** Names of nodes, or the beginning of one and `*`. */
  readonly from?: string
  readonly to?: string
  readonly group?: string
  /** A code, or `DELIVERED`. */
  readonly outcome?: string
}

export type NodeState = 'online' | 'draining' | 'slow' | 'offline'

export interface LiveNode {
  readonly name: string
  readonly groups: readonly string[]
  readonly state: NodeState
  readonly transport: string | null
  readonly since: number | null
  readonly client: string | null
  /** Serves HTTP over its link. */
  readonly http: boolean
  /** Written to this node, and sent by it. */
  readonly framesInPerSecond: number
  readonly framesOutPerSecond: number
  /** Frames sent by this node that were not delivered. */
  readonly errorsPerSecond: number
  /** Waiting in the mediator for this node. */
  readonly queueBytes: number
  readonly queueFrames: number
  /** First 8 hex digits of the key ids seen in frames from this node, newest first, at most 4. */
  readonly keyIds: readonly string[]
  /** Of frames from this node, newest first, at most 8. */
  readonly lastErrors: readonly { readonly at: number; readonly to: string; readonly code: string }[]
}

/**
 * Traffic seen from one node to another. `to` is a node's name, even where a group was addressed; it is the address,
 * `any:<group>` or `group:<group>`, of frames that no member of that group took.
 */
export interface LiveEdge {
  readonly from: string
  readonly to: string
  readonly framesPerSecond: number
  readonly bytesPerSecond: number
  readonly errorsPerSecond: number
  /** From read to written by the mediator, ms, over the last ten seconds; null where nothing was measured. */
  readonly p50Ms: number | null
  readonly p95Ms: number | null
}

/** One frame, of which the mediator knows no more than this. */
export interface LiveFrame {
  readonly at: number
  readonly from: string
  /** As addressed: a name, `any:<group>` or `group:<group>`. */
  readonly to: string
  /** Whom it was handed to, where that is one node. */
  readonly taker: string | null
  readonly bytes: number
  /** `DELIVERED`, or why not. */
  readonly outcome: string
  /** In the mediator, ms; null where it is not known yet. */
  readonly ms: number | null
  /** What the mediator has, hex: the 80 bytes of the sealed header, and the first 48 of the ciphertext. */
  readonly sealed: string
}

export interface LiveHealth {
  readonly now: number
  readonly startedAt: number
  readonly version: string
  readonly draining: boolean
  readonly database: 'up' | 'down'
  readonly links: { readonly [transport: string]: number }
  /** 0: not known. */
  readonly rssBytes: number
  readonly heapBytes: number
  /** Delay of the event loop within the last second, ms. */
  readonly lagP50Ms: number
  readonly lagMaxMs: number
  readonly overload: string
  readonly queuedBytes: number
  readonly budgetBytes: number
  readonly framesPerSecond: number
  readonly bytesPerSecond: number
  readonly errorsPerSecond: number
  readonly httpPerSecond: number
}

/** The last hour, in steps of 10 s: columns of the same length, oldest first. */
export interface History {
  readonly stepMs: number
  readonly at: readonly number[]
  readonly frames: readonly number[]
  readonly bytes: readonly number[]
  readonly errors: readonly number[]
  readonly links: readonly number[]
  readonly lagMaxMs: readonly number[]
  readonly rssBytes: readonly number[]
  readonly queuedBytes: readonly number[]
}

export interface ClientEvents {
  /** `answer` gives the history of the last hour, at once. */
  watch: (watch: Watch, answer: (history: History) => void) => void
}

export interface NodesTold {
  /** The first of all nodes, which replace what was known. */
  readonly all: boolean
  /** There are nodes that have not been told since. */
  readonly more: boolean
  readonly nodes: readonly LiveNode[]
  readonly removed: readonly string[]
}

export interface ServerEvents {
  /**
   * All nodes, when one begins to watch them: the first thousand with `all`, the others after it, a thousand at once.
   * Then once a second those that changed, and names that were removed. `KnownNodes` puts them together.
   */
  nodes: (told: NodesTold) => void
  /** Once a second: every edge with traffic in the last ten seconds, at most 2,000, the busiest first. */
  edges: (edges: readonly LiveEdge[]) => void
  /** Four times a second, at most 200 at once; `skipped` is how many more matched. */
  frames: (batch: { readonly frames: readonly LiveFrame[]; readonly skipped: number }) => void
  /** Once a second. */
  health: (health: LiveHealth) => void
  /** This watcher did not take what it was sent: so many rounds were left out. All nodes are told anew after it. */
  missed: (missed: { readonly rounds: number }) => void
}
