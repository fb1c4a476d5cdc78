import { SealwayError } from '@sealway/protocol'
import type { TestNet } from '../../client-lib/src/testing/net.js'
import type { Seeded } from '../../client-lib/src/testing/seeded.js'
import type { TestNode } from '../../client-lib/src/testing/test-node.js'
import type { Plan } from './checker.js'
import { actions, type Body, countAction, event, sumAction } from './service.js'

export interface TrafficParts {
  readonly net: TestNet
  readonly chances: Seeded
  readonly names: readonly string[]
  readonly groups: number
}

const verbs = [
  'send',
  'row',
  'acked',
  'twice',
  'call',
  'any',
  'broadcast',
  'gather',
  'publish',
  'stream',
  'upload',
] as const
type Verb = (typeof verbs)[number]
/** How often each is chosen. */
const weights: { readonly [verb in Verb]: number } = {
  send: 6,
  row: 2,
  acked: 4,
  twice: 1,
  call: 4,
  any: 2,
  broadcast: 2,
  gather: 1,
  publish: 1,
  stream: 1,
  upload: 1,
}
const urn = verbs.flatMap((verb) => Array.from({ length: weights[verb] }, () => verb))

const longestBody = 20_000
/** Silence after which a stream is given up, ms: a lost end without anything after it shows in nothing else. */
const idleMs = 2_000

/** What the nodes send one another, by the throw of a die. */
export class Traffic {
  /** By the number in each body. */
  readonly plans = new Map<number, Plan>()
  readonly violations: string[] = []
  private lastOp = 0
  private readonly open = new Map<TestNode, number>()

  constructor(private readonly parts: TrafficParts) {}

  /** Whether a verb of this node has not ended. */
  waitsFor(node: TestNode): boolean {
    return (this.open.get(node) ?? 0) > 0
  }

  /** One message, or a burst: order shows only among several. */
  some(node: TestNode): void {
    const { chances, names, groups } = this.parts
    const others = names.filter((name) => name !== node.name)
    const to = chances.chance(0.03) ? 'nowhere' : chances.pick(others)
    const group = `g${chances.between(0, groups - 1)}`
    const verb = chances.pick(urn)
    const times = verb !== 'row' && chances.chance(0.3) ? chances.between(2, 6) : 1
    for (let i = 0; i < times; i++) this.one(node, verb, to, group)
  }

  private one(node: TestNode, verb: Verb, to: string, group: string): void {
    const { chances } = this.parts
    const action = chances.pick(actions)
    const timeout = chances.between(100, 8_000)
    const options = { timeout, ...this.signal(timeout) }
    switch (verb) {
      case 'send':
        this.await(node, node.send(to, action, this.body(timeout), options))
        return
      case 'row':
        // Each in a frame of its own, so that one can overtake another.
        for (let i = 0; i < 6; i++)
          void node.sleep(i * chances.between(1, 10)).then(() => this.one(node, 'send', to, group))
        return
      case 'acked': {
        const early = chances.chance(0.2)
        const body = this.body(timeout, { resent: true, early })
        this.await(node, node.sendAcked(to, action, body, { ...options, ...(early ? { until: 'delivered' } : {}) }))
        return
      }
      case 'twice': {
        const body = this.body(timeout, { resent: true })
        const same = this.body(timeout, { resent: true, sameAs: body.op })
        const named = { ...options, id: `message ${body.op}` }
        this.await(node, node.sendAcked(to, action, body, named))
        this.await(node, node.sendAcked(to, action, same, named))
        return
      }
      case 'call': {
        const idempotent = chances.chance(0.4)
        this.await(node, node.call(to, action, this.body(timeout, { resent: idempotent }), { ...options, idempotent }))
        return
      }
      case 'any':
        this.await(node, node.call(`any:${group}`, action, this.body(timeout), options))
        return
      case 'broadcast': {
        const want = chances.pick(['report', 'acks', 'replies'] as const)
        const body = this.body(timeout, { answered: want !== 'report' })
        this.await(node, node.broadcast(group, action, body, { ...options, want }))
        return
      }
      case 'gather': {
        const need = chances.between(1, this.parts.names.length)
        const body = this.body(timeout, { answered: true, need })
        this.await(node, node.gather(group, action, body, { ...options, need }))
        return
      }
      case 'publish': {
        const want = chances.pick(['report', 'acks'] as const)
        this.await(node, node.publish(event, this.body(timeout), { ...options, want }))
        return
      }
      case 'stream':
        this.await(node, this.download(node, to))
        return
      case 'upload':
        this.await(node, this.upload(node, to))
    }
  }

  private body(timeoutMs: number, plan: Omit<Plan, 'timeoutMs'> = {}): Body {
    const { chances } = this.parts
    const op = ++this.lastOp
    this.plans.set(op, { timeoutMs, ...plan })
    return chances.chance(0.2) ? { op, pad: 'x'.repeat(chances.between(0, longestBody)) } : { op }
  }

  private async download(node: TestNode, to: string): Promise<void> {
    const { chances } = this.parts
    const items = chances.between(0, 30)
    const enough = chances.chance(0.2) ? chances.between(0, items) : Number.POSITIVE_INFINITY
    const { op } = this.body(Number.POSITIVE_INFINITY)
    let got = 0
    try {
      for await (const item of node.stream<{ op: number; i: number }>(
        to,
        countAction,
        { op, items },
        { idleTimeout: idleMs },
      )) {
        if (item.op !== op || item.i !== got) this.say(op, `item ${got} of its stream is ${JSON.stringify(item)}`)
        if (++got >= enough) break
        if (chances.chance(0.2)) await node.sleep(chances.between(0, 100))
      }
      if (got !== Math.min(items, Math.max(enough, 1))) this.say(op, `${got} of ${items} items came, and then its end`)
    } catch (error) {
      this.brokeAt(op, error, got)
      throw error
    }
  }

  private async upload(node: TestNode, to: string): Promise<void> {
    const { chances } = this.parts
    const items = chances.between(0, 30)
    const { op } = this.body(Number.POSITIVE_INFINITY)
    async function* input() {
      for (let i = 0; i < items; i++) {
        if (chances.chance(0.2)) await node.sleep(chances.between(0, 100))
        yield { op, i }
      }
    }
    const stream = node.stream<{ answered: number; items: number }>(
      to,
      sumAction,
      { op },
      { idleTimeout: idleMs, input: input() },
    )
    const result = await stream.result()
    if (result?.answered !== op || result.items !== items) {
      this.say(op, `its stream of ${items} items was answered with ${JSON.stringify(result)}`)
    }
  }

  private brokeAt(op: number, error: unknown, got: number): void {
    if (!(error instanceof SealwayError) || error.code !== 'STREAM_LOST') return
    const { offset } = error.data as { offset?: unknown }
    if (offset !== got) this.say(op, `its stream is said to be lost at ${String(offset)}, where ${got} items had come`)
  }

  private say(op: number, what: string): void {
    this.violations.push(`op ${op}: ${what}`)
  }

  /** A few give up early. */
  private signal(timeout: number): { signal?: AbortSignal } {
    const { chances, net } = this.parts
    if (!chances.chance(0.1)) return {}
    const controller = new AbortController()
    net.clock.set(() => controller.abort(), chances.between(0, timeout))
    return { signal: controller.signal }
  }

  /** Counts what has not ended; how it ended is in the history. */
  private await(node: TestNode, promise: Promise<unknown>): void {
    this.open.set(node, (this.open.get(node) ?? 0) + 1)
    const end = (): void => void this.open.set(node, this.open.get(node)! - 1)
    promise.then(end, end)
  }
}
