/** What a name stands for in the registry. */
export type NameKind = 'node' | 'group'

export interface KnownNamesParts {
  /** Which of these names the registry has, in one query. */
  readonly read: (kind: NameKind, names: readonly string[]) => Promise<ReadonlySet<string>>
  /** ms, never set back. */
  readonly now: () => number
  /** Runs at the end of this turn of the event loop. */
  readonly defer: (work: () => void) => void
}

/** How long an answer of the database is used, ms. A node that registers in between is found by its link. */
const keptMs = 1_000
const maxKept = 16_384
/** Names in one query. */
const maxBatch = 500

interface Asked {
  readonly name: string
  readonly resolve: (known: boolean) => void
  readonly reject: (error: unknown) => void
}

/**
 * Asks the registry whether names exist: many in one query, one query at a time, and not twice within a second. Senders
 * choose these names, so without it each new one would be a query of its own.
 */
export class KnownNames {
  private readonly answers = new Map<string, { readonly known: boolean; readonly at: number }>()
  private readonly underWay = new Map<string, Promise<boolean>>()
  private readonly waiting: { readonly [kind in NameKind]: Asked[] } = { node: [], group: [] }
  private running = false

  constructor(private readonly parts: KnownNamesParts) {}

  /** Rejects with what the registry throws. Callers bound how many names they ask for: each waits on a route. */
  known(kind: NameKind, name: string): Promise<boolean> {
    const key = `${kind}:${name}`
    const answer = this.answers.get(key)
    if (answer && this.parts.now() - answer.at < keptMs) return Promise.resolve(answer.known)
    const asked = this.underWay.get(key)
    if (asked) return asked
    const promise = new Promise<boolean>((resolve, reject) => this.waiting[kind].push({ name, resolve, reject }))
    this.underWay.set(key, promise)
    const forget = (): void => void this.underWay.delete(key)
    promise.then(forget, forget)
    if (!this.running) {
      this.running = true
      // After this turn: what one link or many ask for in it goes into one query.
      this.parts.defer(() => void this.run())
    }
    return promise
  }

  private async run(): Promise<void> {
    for (;;) {
      const kind = this.waiting.node.length > 0 ? 'node' : 'group'
      const batch = this.waiting[kind].splice(0, maxBatch)
      if (batch.length === 0) break
      await this.ask(kind, batch)
    }
    this.running = false
  }

  private async ask(kind: NameKind, batch: readonly Asked[]): Promise<void> {
    try {
      const existing = await this.parts.read(
        kind,
        batch.map(({ name }) => name),
      )
      for (const { name, resolve } of batch) {
        const known = existing.has(name)
        this.keep(`${kind}:${name}`, known)
        resolve(known)
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  private keep(key: string, known: boolean): void {
    // Written anew, so that the first of the map is the oldest.
    this.answers.delete(key)
    this.answers.set(key, { known, at: this.parts.now() })
    if (this.answers.size > maxKept) {
      const [oldest] = this.answers.keys()
      this.answers.delete(oldest!)
    }
  }
}
