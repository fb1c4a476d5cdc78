import type { Faults } from '../../client-lib/src/testing/faults.js'
import type { History } from '../../client-lib/src/testing/history.js'
import { type TestNet, testNet, testNetWith } from '../../client-lib/src/testing/net.js'
import { type Seeded, seeded } from '../../client-lib/src/testing/seeded.js'
import type { TestNode } from '../../client-lib/src/testing/test-node.js'
import { relayBoard } from './board.js'
import { check } from './checker.js'
import { Hostile } from './hostile.js'
import { answerOf, Service } from './service.js'
import { Traffic } from './traffic.js'
import { WireRules } from './wire-rules.js'

/** What one seed has played, and what was wrong with it. */
export interface Simulated {
  readonly seed: number
  /** Empty where every promise was kept. */
  readonly violations: readonly string[]
  readonly history: History
  readonly script: Script
}

/** What a seed stands for. */
export interface Script {
  /** The real mediator's heart, or the test kit's. */
  readonly board: 'relay' | 'kit'
  readonly nodes: number
  readonly groups: number
  readonly operations: number
  /** In which they begin, ms. */
  readonly lengthMs: number
  readonly faults: Faults
  /** Links that break, processes that crash, ways that are cut, mediators that restart. */
  readonly incidents: number
  /** Somebody on the way relabels, replays and changes frames. */
  readonly hostile: boolean
  /** Windows and queues are small. */
  readonly tight: boolean
}

/** How long what is under way may take to end, ms. */
const patienceMs = 60_000
/** Afterwards nothing more may happen, ms. */
const quietMs = 1_000

function scriptOf(chances: Seeded): Script {
  const kind = chances.pick(['calm', 'lossy', 'broken', 'hostile', 'tight', 'everything'] as const)
  const lossy = kind === 'lossy' || kind === 'everything'
  const broken = kind === 'broken' || kind === 'everything'
  const some = (most: number): number => Math.floor(chances.next() * most * 100) / 100
  return {
    board: chances.pick(['relay', 'kit'] as const),
    nodes: chances.between(2, 5),
    groups: chances.between(1, 2),
    operations: chances.between(5, 25),
    lengthMs: chances.between(1, 3_000),
    faults: {
      ...(lossy ? { drop: some(0.2), duplicate: some(0.2), reorder: some(0.3), spread: chances.between(1, 100) } : {}),
      ...(broken ? { disconnect: some(0.05) } : {}),
      ...(chances.chance(0.5) ? { delay: [chances.between(0, 5), chances.between(5, 40)] as const } : {}),
    },
    incidents: broken ? chances.between(1, 6) : 0,
    hostile: kind === 'hostile',
    tight: kind === 'tight' || (kind === 'everything' && chances.chance(0.5)),
  }
}

/** Plays one seed to its end, in virtual time, and holds what happened against SEMANTICS.md. */
export async function simulate(seed: number): Promise<Simulated> {
  const chances = seeded(seed).fork('scenario')
  const script = scriptOf(chances)
  const limits = script.tight
    ? {
        routeWindowBytes: chances.between(2_000, 60_000),
        routeWindowFrames: chances.between(1, 8),
        outletBytes: chances.between(20_000, 100_000),
        maxRunningHandlers: chances.between(1, 4),
      }
    : {}
  const options = { seed, limits }
  const net = script.board === 'relay' ? testNetWith(options, relayBoard()) : testNet(options)
  const violations = await new Play(net, script, chances).all()
  return { seed, violations, history: net.history, script }
}

class Play {
  private readonly nodes = new Map<string, TestNode>()
  private readonly service: Service
  private readonly traffic: Traffic
  private readonly rules = new WireRules()
  private readonly hostile: Hostile | undefined
  private readonly names: readonly string[]
  private readonly processes = new Map<string, number>()

  constructor(
    private readonly net: TestNet,
    private readonly script: Script,
    private readonly chances: Seeded,
  ) {
    const { nodes, groups } = script
    this.names = Array.from({ length: nodes }, (_, i) => `n${i}`)
    this.service = new Service(chances.fork('service'))
    this.hostile = script.hostile ? new Hostile(chances.fork('hostile'), this.names) : undefined
    this.traffic = new Traffic({ net, chances, names: this.names, groups })
  }

  async all(): Promise<string[]> {
    const { net, script, chances } = this
    this.watchTheWay()
    for (const name of this.names) this.start(name)
    await net.advance(100)
    net.faults(script.faults)
    const start = net.clock.now()
    for (const { at, work } of this.timeline()) {
      await net.advance(Math.max(0, start + at - net.clock.now()))
      work()
      // What is begun in one turn shares a frame.
      if (chances.chance(0.3)) await net.settle()
    }
    await net.advance(chances.between(0, 500))
    net.faults({})
    net.heal()
    this.hostile?.rest()
    await this.comeToRest()
    const violations = [
      ...check({ history: net.history, plans: this.traffic.plans, answerOf, hostile: script.hostile }),
      ...this.traffic.violations,
      ...this.service.violations(),
      ...this.rules.violations,
      ...this.leftovers(),
    ]
    await net.close()
    return violations
  }

  private watchTheWay(): void {
    this.net.intercept((frame, direction, node) => {
      const frames = this.hostile?.twist(frame, direction, node) ?? [frame]
      // What a node says and hears counts, not what became of it on the way.
      for (const one of direction === 'up' ? [frame] : frames) this.rules.look(one, node)
      return frames
    })
  }

  private timeline(): { readonly at: number; readonly work: () => void }[] {
    const { chances, script } = this
    const times = (count: number, work: () => void) =>
      Array.from({ length: count }, () => ({ at: chances.between(0, script.lengthMs), work }))
    const sent = times(script.operations, () => {
      const alive = [...this.nodes.values()]
      if (alive.length > 0) this.traffic.some(chances.pick(alive))
    })
    return [...sent, ...times(script.incidents, () => this.incident())].sort((a, b) => a.at - b.at)
  }

  private start(name: string): void {
    const nth = (this.processes.get(name) ?? 0) + 1
    this.processes.set(name, nth)
    const node = this.net.begin(name, {
      groups: Array.from({ length: this.script.groups }, (_, i) => `g${i}`),
      timeout: Number.POSITIVE_INFINITY,
      limits: { reconnectMinMs: 10, reconnectMaxMs: 500 },
    })
    this.nodes.set(name, node)
    node.ready().catch(() => {})
    this.service.serve(node, `${name}#${nth}`)
  }

  private incident(): void {
    const { net, chances } = this
    const name = chances.pick(this.names)
    const node = this.nodes.get(name)
    const healLater = (): void => void net.clock.set(() => net.heal(), chances.between(10, 3_000))
    switch (chances.pick(['disconnect', 'crash', 'part', 'cut off', 'slow', 'kill', 'restart'] as const)) {
      case 'disconnect':
        if (node) net.disconnect(name)
        return
      case 'crash':
        if (!node) return
        net.crash(name)
        this.nodes.delete(name)
        net.clock.set(() => this.start(name), chances.between(0, 2_000))
        return
      case 'part':
        net.partition(name, chances.pick(this.names))
        return healLater()
      case 'cut off':
        net.partition(name)
        return healLater()
      case 'slow':
        if (node) net.slow(name, chances.pick([0, 1_000, 20_000]))
        return healLater()
      case 'kill':
        return net.restartMediator({ downMs: chances.between(0, 1_000) })
      case 'restart':
        return net.restartMediator({ graceful: true })
    }
  }

  /**
   * Deadlines are short; but a mediator that drains waits 25 s for a link whose node is gone without a word, and a copy
   * that arrives late brings along the whole time that its sender had.
   */
  private async comeToRest(): Promise<void> {
    const isBusy = (): boolean =>
      [...this.nodes.values()].some((node) => this.traffic.waitsFor(node)) || this.leftovers().length > 0
    for (let ms = 0; ms < patienceMs && isBusy(); ms += 500) await this.net.advance(500)
    await this.net.advance(quietMs)
  }

  /** When all is over, nothing is kept for what is over. */
  private leftovers(): string[] {
    const found: string[] = []
    for (const [name, node] of this.nodes) {
      const { calls, handlers, waiting } = (node as unknown as Inside).messenger
      if (calls.count > 0) found.push(`${name} still has ${calls.count} calls in flight`)
      if (handlers.running > 0) found.push(`${name} still has ${handlers.running} handlers at work`)
      if (waiting.count > 0) found.push(`${name} still has ${waiting.count} messages that wait for room`)
    }
    for (const name of this.names) if (!this.nodes.get(name)?.connected) found.push(`${name} did not come back`)
    return found
  }
}

/** What a node does not show, and a test of leaks must see. */
interface Inside {
  readonly messenger: {
    readonly calls: { readonly count: number }
    readonly handlers: { readonly running: number }
    readonly waiting: { readonly count: number }
  }
}
