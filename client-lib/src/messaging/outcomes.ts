/** What a handler answered to a message that may come again. */
export class Outcome {
  /** undefined while the handler runs. */
  status: number | undefined
  body: unknown

  constructor(
    readonly from: string,
    readonly scope: string,
    readonly corr: number,
  ) {}
}

/** Frames of one flow whose outcomes are kept: as many as its replay window tells apart. */
const maxFrames = 4_096

/** Outcomes of one flow, by the frame they came in, so that a duplicate is answered again and not handled again. */
export class FlowOutcomes {
  private readonly byCounter = new Map<number, Outcome[]>()

  add(counter: number, outcome: Outcome): void {
    const outcomes = this.byCounter.get(counter)
    if (outcomes) {
      outcomes.push(outcome)
      return
    }
    if (this.byCounter.size >= maxFrames) this.byCounter.delete(this.byCounter.keys().next().value!)
    this.byCounter.set(counter, [outcome])
  }

  of(counter: number): readonly Outcome[] {
    return this.byCounter.get(counter) ?? none
  }
}

const none: readonly Outcome[] = []

/** Messages with an id of the user's, over all flows: the same one sent by a later process is not handled again either. */
const maxIds = 65_536

interface Known {
  readonly first: Outcome
  /** The same id again, while the first was being handled. */
  readonly others: Outcome[]
}

/** What became of messages with an id, by sender and id. */
export class KnownIds {
  private readonly known = new Map<string, Known>()

  /**
   * @returns undefined where this id is new and must be handled; otherwise the outcome of the first one, which has no
   * status while it is being handled: then `outcome` is among those that `done` returns
   */
  seen(id: string, outcome: Outcome): Outcome | undefined {
    const known = this.known.get(id)
    if (known) {
      if (known.first.status === undefined) known.others.push(outcome)
      return known.first
    }
    if (this.known.size >= maxIds) this.known.delete(this.known.keys().next().value!)
    this.known.set(id, { first: outcome, others: [] })
    return undefined
  }

  /** The first one is done. @returns those that came meanwhile and wait for the same answer */
  done(id: string): readonly Outcome[] {
    return this.known.get(id)?.others.splice(0) ?? none
  }

  /** It was refused, so it was not handled: the next one with this id may be. */
  forget(id: string): void {
    this.known.delete(id)
  }
}
