import type { Code, SealwayError } from '@sealway/protocol'

/** What is common to all: when, and which process of which node. */
interface Entry {
  /** Virtual time, ms since 1970. */
  readonly at: number
  readonly node: string
  /** `orders-1#2`: the second process of that name. */
  readonly process: string
}

/** A verb was called. */
export interface Invoke extends Entry {
  readonly type: 'invoke'
  /** Counts up over the whole net. */
  readonly id: number
  readonly verb: string
  readonly to: string
  readonly action: string
  readonly body: unknown
}

/** How that ended; `fail`: it was not delivered. `unknown`: it may or may not have been. */
export type End = Entry & { readonly id: number; readonly afterMs: number } & (
    | { readonly type: 'ok'; readonly result: unknown }
    | { readonly type: 'fail'; readonly error: SealwayError }
    /** Without an error: its process crashed before it knew. */
    | { readonly type: 'unknown'; readonly error: SealwayError | undefined }
  )

/** A handler began. */
export interface Run extends Entry {
  readonly type: 'run'
  /** Counts up over the whole net. */
  readonly run: number
  readonly from: string
  readonly to: string
  readonly action: string
  readonly body: unknown
  readonly key: string
}

/** A handler ended, or did not begin (`refused`; then there is no run). */
export interface Ran extends Entry {
  readonly type: 'ran'
  readonly run: number | undefined
  readonly from: string
  readonly action: string
  readonly outcome: 'answered' | 'failed' | 'crashed' | 'refused' | 'broken'
  /** What it answered, or threw. */
  readonly result: unknown
}

/** What a node noticed about the way (its events), and what was done to the net. */
export type Incident = Entry &
  (
    | { readonly type: 'connected' | 'crashed' | 'broken' }
    | { readonly type: 'disconnected'; readonly code: Code }
    | { readonly type: 'gap'; readonly from: string; readonly to: string; readonly missing: number }
    | { readonly type: 'refused'; readonly from: string; readonly code: string }
    | { readonly type: 'dropped'; readonly to: string; readonly code: Code }
  )

export type HistoryEvent = Invoke | End | Run | Ran | Incident

/** One call of a verb and its end. */
export interface Operation extends Invoke {
  readonly end: End | undefined
}

/** All that happened in a net, in its order. */
export class History {
  readonly events: HistoryEvent[] = []
  private lastOperation = 0
  private lastRun = 0

  nextOperation(): number {
    return ++this.lastOperation
  }

  nextRun(): number {
    return ++this.lastRun
  }

  add(event: HistoryEvent): void {
    this.events.push(event)
  }

  /** Verbs that were called, each with its end. */
  operations(where: { readonly node?: string; readonly verb?: string; readonly action?: string } = {}): Operation[] {
    const ends = new Map<number, End>()
    for (const event of this.events) if ('id' in event && event.type !== 'invoke') ends.set(event.id, event)
    return this.events
      .filter((event): event is Invoke => event.type === 'invoke' && matches(event, where))
      .map((event) => ({ ...event, end: ends.get(event.id) }))
  }

  /** Handlers that ran. */
  runs(where: { readonly node?: string; readonly from?: string; readonly action?: string } = {}): Run[] {
    return this.events.filter((event): event is Run => event.type === 'run' && matches(event, where))
  }

  /** One line per event, for people, and to be compared. */
  toString(): string {
    const start = this.events[0]?.at ?? 0
    return this.events.map((event) => line(event, start)).join('\n')
  }
}

const matches = (event: object, where: object): boolean =>
  Object.entries(where).every(
    ([field, value]) => value === undefined || (event as { readonly [field: string]: unknown })[field] === value,
  )

function line(event: HistoryEvent, start: number): string {
  const { type, at, node, process, ...rest } = event
  const fields = Object.entries(rest).map(([name, value]) => `${name}=${show(value)}`)
  return `${String(at - start).padStart(6)} ${process.padEnd(12)} ${type.padEnd(12)} ${fields.join(' ')}`
}

function show(value: unknown): string {
  if (value instanceof Error) {
    const { code, outcome } = value as Partial<SealwayError>
    return `${code ?? value.name}${outcome ? ` (${outcome})` : ''}`
  }
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (value instanceof Map) return show([...value])
  try {
    return JSON.stringify(value, (_, inner: unknown) => (inner instanceof Error ? show(inner) : inner)) ?? 'undefined'
  } catch {
    return String(value)
  }
}
