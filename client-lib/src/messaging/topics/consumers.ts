import { compilePattern, type Matcher } from './pattern.js'
import type { Subscribed } from './subscriptions.js'

interface Known {
  readonly consumer: string
  readonly matches: Matcher
}

/** Of one node; more is not taken. */
const maxPerNode = 10_000

/** Who consumes what in one group, as far as this node has been told: needed to choose one node per consumer name. */
export class Consumers {
  private readonly byNode = new Map<string, readonly Known[]>()
  /** Questions that are under way, by node, oldest first. */
  private readonly asked = new Map<string, Set<object>>()
  private turn = 0

  /**
   * A node is about to be asked. What it says by itself may overtake its answer, which is older then, and ignored. To be
   * asked again meanwhile is no reason to ignore the first answer: somebody may wait for that one.
   */
  ask(node: string): (list: unknown) => void {
    const question = {}
    const questions = this.asked.get(node) ?? new Set()
    this.asked.set(node, questions.add(question))
    return (list) => {
      if (this.asked.get(node) !== questions || !questions.has(question)) return
      this.know(node, list)
      // Answers to older questions are older themselves.
      for (const older of questions) {
        questions.delete(older)
        if (older === question) break
      }
      if (questions.size === 0) this.asked.delete(node)
    }
  }

  /** @param list as it came from that node: what is not a subscription is left out */
  told(node: string, list: unknown): void {
    this.asked.delete(node)
    this.know(node, list)
  }

  private know(node: string, list: unknown): void {
    const known: Known[] = []
    for (const entry of Array.isArray(list) ? list.slice(0, maxPerNode) : []) {
      const { pattern, consumer } = (entry ?? {}) as Partial<Subscribed>
      try {
        if (typeof consumer === 'string') known.push({ consumer, matches: compilePattern(pattern) })
      } catch {
        // Another version's idea of a pattern; it cannot be chosen for.
      }
    }
    if (known.length > 0) this.byNode.set(node, known)
    else this.byNode.delete(node)
  }

  left(node: string): void {
    this.asked.delete(node)
    this.byNode.delete(node)
  }

  /** One node for each consumer name that takes this event, in turn. */
  choose(event: string): Map<string, string> {
    const candidates = new Map<string, string[]>()
    for (const [node, list] of this.byNode) {
      for (const { consumer, matches } of list) {
        if (!matches(event)) continue
        const nodes = candidates.get(consumer) ?? []
        if (nodes.at(-1) !== node) nodes.push(node)
        candidates.set(consumer, nodes)
      }
    }
    if (candidates.size > 0) this.turn++
    return new Map([...candidates].map(([consumer, nodes]) => [consumer, nodes[this.turn % nodes.length]!]))
  }
}
