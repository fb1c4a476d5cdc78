import { isDeepStrictEqual } from 'node:util'
import type { SealwayError } from '@sealway/protocol'
import type { BroadcastReport, Receipt } from '../../client-lib/src/index.js'
import type { End, History, HistoryEvent, Invoke, Ran, Run } from '../../client-lib/src/testing/history.js'

/** What the simulation knows of one message beyond its history. */
export interface Plan {
  /** How long its sender waits at most, ms. */
  readonly timeoutMs: number
  /** It may be sent more than once. */
  readonly resent?: boolean
  /** It has the same id as that one, so that only one of the two is handled. */
  readonly sameAs?: number
  /** It asks for so many answers. */
  readonly need?: number
  /** Its receivers answer, so that it is handled beside others, not after them. */
  readonly answered?: boolean
  /** A receipt for having been opened is enough. */
  readonly early?: boolean
}

export interface Checked {
  readonly history: History
  /** By the number in each body: `{ op: <number> }`. */
  readonly plans: ReadonlyMap<number, Plan>
  /** What a handler that answers must have answered. */
  readonly answerOf: (op: number, process: string) => unknown
  /** Refusals may be laid at another's door: somebody on the way relabels frames. */
  readonly hostile: boolean
}

/** Beyond a deadline, ms (RELIABILITY.md, R21). */
const deadlineSlackMs = 50

interface Seen<T> {
  readonly event: T
  /** Its place in the history. */
  readonly place: number
}

interface Message {
  readonly op: number
  readonly invoke: Seen<Invoke>
  readonly end: Seen<End> | undefined
  readonly runs: Seen<Run>[]
  readonly plan: Plan
}

/** Holds a history against the promises of SEMANTICS.md. @returns what was broken, one line each */
export function check(checked: Checked): string[] {
  return new Check(checked).all()
}

class Check {
  private readonly found: string[] = []
  private readonly messages = new Map<number, Message>()
  private readonly ran = new Map<number, Seen<Ran>>()
  private readonly events: readonly HistoryEvent[]

  constructor(private readonly checked: Checked) {
    this.events = checked.history.events
    this.index()
  }

  all(): string[] {
    for (const message of this.messages.values()) {
      this.ended(message)
      this.handledAsOften(message)
      this.neverWhereItFailed(message)
      this.okWasTrue(message)
      this.errorWasTrue(message)
    }
    for (const flow of this.flows()) {
      this.inOrder(flow)
      this.lossesWereReported(flow)
    }
    return this.found
  }

  private say(message: Message, what: string): void {
    const { verb, process, to, action } = message.invoke.event
    this.found.push(`op ${message.op} (${verb} ${action} from ${process} to ${to}) ${what}`)
  }

  private index(): void {
    const ends = new Map<number, Seen<End>>()
    const operations: Seen<Invoke>[] = []
    this.events.forEach((event, place) => {
      if (event.type === 'invoke') operations.push({ event, place })
      else if (event.type === 'ok' || event.type === 'fail' || event.type === 'unknown') {
        if (ends.has(event.id)) this.found.push(`operation ${event.id} ended twice`)
        ends.set(event.id, { event, place })
      } else if (event.type === 'ran' && event.run !== undefined) this.ran.set(event.run, { event, place })
    })
    for (const invoke of operations) {
      const op = opOf(invoke.event.body)
      if (op === undefined) continue
      const plan = this.checked.plans.get(op)!
      this.messages.set(op, { op, invoke, end: ends.get(invoke.event.id), runs: [], plan })
    }
    this.events.forEach((event, place) => {
      if (event.type === 'run' && !event.action.startsWith('$')) this.expected(event, place)
    })
  }

  /** Nothing is handled that nobody sent, and all of it is as it was sent. */
  private expected(run: Run, place: number): void {
    const op = opOf(run.body)
    const message = op === undefined ? undefined : this.messages.get(op)
    if (!message) {
      this.found.push(`${run.process} handled ${run.action} ${JSON.stringify(run.body)}, which nobody sent`)
      return
    }
    const { node, action, body, to, verb } = message.invoke.event
    const many = ['broadcast', 'gather', 'publish'].includes(verb)
    // An event goes to its own publisher, too.
    const address = many && !(verb === 'publish' && run.to === node) ? `group:${to}` : run.to === node ? node : to
    if (run.from !== node) this.say(message, `was handled by ${run.process} as from ${run.from}`)
    if (run.action !== action) this.say(message, `was handled by ${run.process} as ${run.action}`)
    if (run.to !== address) this.say(message, `was handled by ${run.process} as sent to ${run.to}`)
    if (!address.includes(':') && run.node !== address) this.say(message, `was handled by ${run.process}`)
    if (!isDeepStrictEqual(run.body, body)) this.say(message, `was handled with another body`)
    message.runs.push({ event: run, place })
  }

  /** Every wait ends, and not much after its deadline. */
  private ended(message: Message): void {
    const { end, plan } = message
    if (!end) this.say(message, 'never ended')
    else if (end.event.afterMs > plan.timeoutMs + deadlineSlackMs) {
      this.say(message, `ended after ${end.event.afterMs} ms, where it had ${plan.timeoutMs}`)
    }
  }

  private handledAsOften(message: Message): void {
    const { plan } = message
    // What is sent again may reach a later process of its receiver; everything else is sent once.
    const each = new Map<string, number>()
    for (const { event } of this.withTwins(message).flatMap(({ runs }) => runs)) {
      // A hostile mediator can hand what is for any member to each of them: all hold its key.
      const apart = isMany(message) || (this.checked.hostile && event.to.startsWith('any:'))
      const who = plan.resent ? event.process : apart ? event.node : 'any'
      each.set(who, (each.get(who) ?? 0) + 1)
    }
    for (const [who, times] of each) if (times > 1) this.say(message, `was handled ${times} times by ${who}`)
  }

  private neverWhereItFailed(message: Message): void {
    const { end, runs } = message
    if (end?.event.type !== 'fail' || runs.length === 0) return
    const { code } = end.event.error
    this.say(message, `was said to be not delivered (${code}), and was handled by ${runs[0]!.event.process}`)
  }

  private okWasTrue(message: Message): void {
    const { end, invoke } = message
    if (end?.event.type !== 'ok') return
    const { result } = end.event
    switch (invoke.event.verb) {
      case 'sendAcked':
        this.receiptWasTrue(message, result as Receipt, end.place)
        return
      case 'call':
        this.answerWasTrue(message, result, end.place)
        return
      case 'broadcast':
      case 'publish':
        this.reportWasTrue(message, result as BroadcastReport, end.place)
        return
      case 'gather': {
        const answers = result as readonly { from: string; body: unknown }[]
        if (answers.length < message.plan.need!) this.say(message, `gave ${answers.length} answers`)
        for (const { from, body } of answers) this.answerCameFrom(message, from, body, end.place)
      }
    }
  }

  private receiptWasTrue(message: Message, receipt: Receipt, place: number): void {
    const { to } = message.invoke.event
    if (receipt.by !== to) this.say(message, `has a receipt by ${receipt.by}`)
    if (message.plan.early) return
    const done = this.withTwins(message).some((one) => this.answered(one, to, place))
    if (!done) this.say(message, 'has a receipt, and no handler had done it')
  }

  private answerWasTrue(message: Message, result: unknown, place: number): void {
    const by = message.runs.filter(({ event }) => this.doneBefore(event, place)?.outcome === 'answered')
    if (by.length === 0) this.say(message, 'has an answer, and no handler had given one')
    else if (!by.some(({ event }) => isDeepStrictEqual(result, this.checked.answerOf(message.op, event.process)))) {
      this.say(message, `got ${JSON.stringify(result)}, the answer to something else`)
    }
  }

  private reportWasTrue(message: Message, report: BroadcastReport, place: number): void {
    const { targets, ok, failed, missing, replies } = report
    const heard = [...ok, ...failed.map(({ name }) => name)]
    if (new Set(targets).size !== targets.length) this.say(message, 'names a target twice')
    const { node, verb } = message.invoke.event
    if (verb !== 'publish' && targets.includes(node)) this.say(message, 'names its sender as a target')
    for (const name of heard) if (!targets.includes(name)) this.say(message, `was answered by ${name}, no target`)
    for (const name of missing) if (heard.includes(name)) this.say(message, `misses ${name}, which answered`)
    for (const { event } of message.runs) {
      if (!targets.includes(event.node)) this.say(message, `was handled by ${event.process}, which is no target`)
    }
    for (const name of ok) {
      if (!this.answered(message, name, place)) this.say(message, `was not handled by ${name}, which is said to be ok`)
    }
    for (const [name, body] of replies) this.answerCameFrom(message, name, body, place)
  }

  private answerCameFrom(message: Message, from: string, body: unknown, place: number): void {
    const run = message.runs.find(({ event }) => event.node === from && this.doneBefore(event, place))
    if (!run) this.say(message, `has an answer of ${from}, which gave none`)
    else if (!isDeepStrictEqual(body, this.checked.answerOf(message.op, run.event.process))) {
      this.say(message, `got ${JSON.stringify(body)} of ${from}, the answer to something else`)
    }
  }

  /** An error that says what a handler did is true. */
  private errorWasTrue(message: Message): void {
    const { end } = message
    const error = end?.event.type === 'unknown' ? (end.event.error as SealwayError | undefined) : undefined
    const outcome = error?.code === 'APPLICATION_ERROR' ? 'failed' : error?.code === 'EXCEPTION' ? 'crashed' : undefined
    if (!outcome) return
    const did = this.withTwins(message).some(({ runs }) =>
      runs.some(({ event }) => this.doneBefore(event, end!.place)?.outcome === outcome),
    )
    if (!did) this.say(message, `ended with ${error!.code}, and no handler had ${outcome}`)
  }

  /** Those with the same id: one of them is handled, for all. */
  private withTwins({ op, plan }: Message): Message[] {
    const of = plan.sameAs ?? op
    return [...this.messages.values()].filter((other) => other.op === of || other.plan.sameAs === of)
  }

  private answered(message: Message, name: string, place: number): boolean {
    return message.runs.some(
      ({ event }) => event.node === name && this.doneBefore(event, place)?.outcome === 'answered',
    )
  }

  private doneBefore(run: Run, place: number): Ran | undefined {
    const ran = this.ran.get(run.run)
    return ran && ran.place < place ? ran.event : undefined
  }

  // ---- order

  /** What one process sent to one address as one kind, and nobody waits for: in the order of sending. */
  private *flows(): Generator<readonly Message[]> {
    const flows = new Map<string, Message[]>()
    for (const message of this.messages.values()) {
      const { verb, process, to } = message.invoke.event
      if ((verb !== 'send' && verb !== 'broadcast') || to.startsWith('any:')) continue
      // Those that wait for answers are handled beside each other.
      const key = `${process} ${verb} ${to} ${message.plan.answered === true}`
      flows.set(key, [...(flows.get(key) ?? []), message])
    }
    yield* flows.values()
  }

  private inOrder(flow: readonly Message[]): void {
    const last = new Map<string, { readonly op: number; readonly place: number }>()
    for (const message of flow) {
      for (const { event, place } of message.runs) {
        const before = last.get(event.process)
        if (before && place < before.place) this.say(message, `was handled by ${event.process} before op ${before.op}`)
        else last.set(event.process, { op: message.op, place })
      }
    }
  }

  /**
   * A receiver that got something later than what it did not get has heard that something is missing; or its sender
   * was told that it did not arrive.
   */
  private lossesWereReported(flow: readonly Message[]): void {
    const processes = new Set(flow.flatMap(({ runs }) => runs.map(({ event }) => event.process)))
    for (const process of processes) {
      const isHere = ({ event }: Seen<Run>): boolean => event.process === process
      let next: Seen<Run> | undefined
      for (const message of [...flow].reverse()) {
        const here = message.runs.find(isHere)
        if (here) next = here
        else if (next && message.end?.event.type === 'ok') this.lossWasReported(message, process, next, flow)
      }
    }
  }

  private lossWasReported(message: Message, process: string, next: Seen<Run>, flow: readonly Message[]): void {
    const { invoke } = message
    const many = isMany(message)
    // A process that came later has missed nothing.
    const wasThere = this.events.findIndex((event) => event.type === 'connected' && event.process === process)
    if (wasThere < 0 || wasThere > invoke.place) return
    // A member of a group may have come later than the flow, which shows in its first frame.
    const begun = flow.some(({ runs }) =>
      runs.some(({ event, place }) => event.process === process && place < invoke.place),
    )
    if (many && !begun) return
    const told = this.events.slice(invoke.place, next.place).some((event) => {
      if (event.type === 'gap' || event.type === 'refused') {
        return event.process === process && (event.from === invoke.event.node || this.checked.hostile)
      }
      if (event.type === 'ran') return event.process === process && event.outcome === 'refused'
      return event.type === 'dropped' && event.process === invoke.event.process
    })
    if (!told) this.say(message, `was lost before ${process} handled a later one, and nobody was told`)
  }
}

const isMany = ({ invoke }: Message): boolean => ['broadcast', 'gather', 'publish'].includes(invoke.event.verb)

const opOf = (body: unknown): number | undefined => {
  const op = (body as { op?: unknown } | null | undefined)?.op
  return typeof op === 'number' ? op : undefined
}
