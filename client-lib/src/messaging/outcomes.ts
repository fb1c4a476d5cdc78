/** The bytes of an answer, as they travel. */
export interface EncodedAnswer {
  readonly encoding: number
  /** undefined: none. */
  readonly bytes: Uint8Array | undefined
}

/** What a handler answered to a message that may come again. */
export class Outcome implements EncodedAnswer {
  /** undefined while the handler runs. */
  status: number | undefined
  encoding = 0
  bytes: Uint8Array | undefined
  /** There was an answer, which is not kept any more. */
  isGone = false
  /** Own clock, ms since 1970. */
  keptUntil = 0
  /** The frame it came in. */
  frame: FrameOutcomes | undefined

  constructor(
    readonly from: string,
    readonly scope: string,
    readonly corr: number,
  ) {}

  /** Of the answer, bytes. */
  get size(): number {
    return this.bytes?.length ?? 0
  }

  /** The handler is done. */
  answered(status: number, { encoding, bytes }: EncodedAnswer, isGone = false): void {
    this.status = status
    this.encoding = encoding
    this.bytes = bytes
    this.isGone = isGone
  }

  /** Keeps that it was handled, and no answer. */
  giveUp(): void {
    if (this.bytes) this.isGone = true
    this.bytes = undefined
  }
}

/** Frames of one flow whose outcomes are kept: as many as its replay window tells apart. */
const maxFrames = 4_096

/** Outcomes of the messages in one frame. */
export class FrameOutcomes {
  readonly outcomes: Outcome[] = []
  private forgotten = 0

  constructor(
    private readonly frames: Map<number, FrameOutcomes>,
    private readonly counter: number,
  ) {}

  /** One of them is not kept any more; the frame goes with its last. */
  forget(): void {
    if (++this.forgotten === this.outcomes.length && this.frames.get(this.counter) === this) {
      this.frames.delete(this.counter)
    }
  }
}

/** Outcomes of one flow, by the frame they came in, so that a duplicate is answered again and not handled again. */
export class FlowOutcomes {
  private readonly frames = new Map<number, FrameOutcomes>()

  add(counter: number, outcome: Outcome): void {
    let frame = this.frames.get(counter)
    if (!frame) {
      if (this.frames.size >= maxFrames) this.frames.delete(this.frames.keys().next().value!)
      frame = new FrameOutcomes(this.frames, counter)
      this.frames.set(counter, frame)
    }
    frame.outcomes.push(outcome)
    outcome.frame = frame
  }

  of(counter: number): readonly Outcome[] {
    return this.frames.get(counter)?.outcomes ?? none
  }

  /** Frames with outcomes that are kept. */
  get size(): number {
    return this.frames.size
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
