import type { Context } from '../../client-lib/src/index.js'
import type { Seeded } from '../../client-lib/src/testing/seeded.js'
import type { TestNode } from '../../client-lib/src/testing/test-node.js'

/** Actions that every node serves, but for `nobody`, which none does; more often those that answer. */
export const actions = ['now', 'now', 'now', 'later', 'later', 'refuse', 'crash', 'never', 'nobody'] as const
/** Items of a stream: `{ op, items }` asks for so many. */
export const countAction = 'count'
/** Takes a stream of items, and answers how many came. */
export const sumAction = 'sum'
export const eventPattern = 'orders.*'
export const event = 'orders.created'
/** Two names, so that each event has two consumers. */
const consumers = ['billing', 'audit'] as const

export interface Body {
  readonly op: number
  readonly items?: number
  readonly pad?: string
}

/** What a handler that answers answers; it shows which process has handled what. */
export const answerOf = (op: number, process: string) => ({ answered: op, by: process })

/** The same service in every node. */
export class Service {
  /** Who took an event as whom. */
  private readonly taken = new Map<string, string[]>()
  private readonly found: string[] = []

  constructor(private readonly chances: Seeded) {}

  serve(node: TestNode, process: string): void {
    const chances = this.chances.fork(process)
    const answer = (body: Body): unknown => answerOf(body.op, process)
    node
      .on<Body>('now', ({ body }) => answer(body))
      .on<Body>('later', async ({ body }) => {
        await node.sleep(chances.between(0, 300))
        return answer(body)
      })
      .on<Body>('refuse', ({ body }, context) => {
        throw context.fail('REFUSED', answer(body))
      })
      .on('crash', async () => {
        throw new Error('crashed on purpose')
      })
      .on('never', (_, context) => waitForEver(context))
      .on<Body>(countAction, async function* ({ body }) {
        for (let i = 0; i < body.items!; i++) {
          if (chances.chance(0.3)) await node.sleep(chances.between(0, 100))
          yield { op: body.op, i }
        }
      })
      .on<Body>(sumAction, async ({ body }, context) => {
        let items = 0
        for await (const item of context.input as AsyncIterable<{ op: number; i: number }>) {
          if (item.op !== body.op || item.i !== items) {
            this.found.push(`op ${body.op}: item ${items} of its stream is ${JSON.stringify(item)}`)
          }
          items++
          if (chances.chance(0.3)) await node.sleep(chances.between(0, 100))
        }
        return { ...answerOf(body.op, process), items }
      })
    const consumer = chances.pick([undefined, ...consumers])
    node.subscribe<Body>(
      eventPattern,
      ({ body }) => this.took(body.op, process, consumer),
      consumer === undefined ? {} : { consumer },
    )
  }

  violations(): string[] {
    const found = [...this.found]
    for (const [what, processes] of this.taken) {
      if (processes.length > 1) found.push(`${what} was taken by ${processes.join(' and ')}`)
    }
    return found
  }

  /** One of each consumer name takes an event, and each process that has none takes it once. */
  private took(op: number, process: string, consumer: string | undefined): void {
    const what = `event ${op} as ${consumer ?? process}`
    this.taken.set(what, [...(this.taken.get(what) ?? []), process])
  }
}

/** Ends when nobody waits any more: a handler that does not hear of that is left over. */
function waitForEver({ signal, deadline }: Context): Promise<void> {
  if (deadline === undefined) return Promise.resolve()
  return new Promise((_, reject) => {
    const end = (): void => reject(signal.reason)
    if (signal.aborted) end()
    else signal.addEventListener('abort', end)
  })
}
