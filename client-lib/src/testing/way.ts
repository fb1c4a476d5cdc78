import { type Connection, SealwayError } from '@sealway/protocol'
import type { VirtualClock } from './clock.js'
import { type Faults, noFaults, type Rates, readFaults } from './faults.js'
import type { Seeded } from './seeded.js'
import { type Direction, Wire } from './wire.js'

/** What becomes of a whole frame before any fault: what it returns arrives in its place. */
export type Interceptor = (frame: Uint8Array, direction: Direction, node: string) => readonly Uint8Array[]

/** All links of a net, and what is wrong with them. */
export class Way {
  interceptor: Interceptor | undefined
  private readonly wires = new Set<Wire>()
  /** Nodes that read slowly, bytes a second. */
  private readonly paces = new Map<string, number>()
  private rates: Rates = noFaults
  private pairs: (readonly [string, string])[] = []
  /** Nodes that are cut off from the mediator, and those that wait to dial it. */
  private readonly apart = new Map<string, (() => void)[]>()

  constructor(
    private readonly clock: VirtualClock,
    private readonly chances: Seeded,
  ) {}

  /** Some link is there, or not yet given up by both of its ends. */
  get used(): boolean {
    return this.wires.size > 0
  }

  /** A new link. @returns the node's end. @throws SealwayError `NOT_CONNECTED` where it was given up before the way was open */
  async dial(
    node: string,
    accept: (mediatorEnd: Connection) => void,
    signal: AbortSignal | undefined,
  ): Promise<Connection> {
    await this.reachable(node, signal)
    const wire = new Wire(
      {
        clock: this.clock,
        chances: this.chances,
        rates: () => this.rates,
        parted: (from, to) => this.pairs.some(([a, b]) => (a === from && b === to) || (a === to && b === from)),
        intercept: (frame, direction, name) => this.interceptor?.(frame, direction, name) ?? [frame],
      },
      node,
      (over) => this.wires.delete(over),
    )
    accept(wire.mediatorEnd)
    this.wires.add(wire)
    const pace = this.paces.get(node)
    if (pace !== undefined) wire.pace(pace)
    return wire.nodeEnd
  }

  /** Until the way to the mediator is open. */
  private async reachable(node: string, signal: AbortSignal | undefined): Promise<void> {
    const waiting = this.apart.get(node)
    if (!waiting) return
    await new Promise<void>((resolve, reject) => {
      waiting.push(resolve)
      signal?.addEventListener('abort', () => reject(notConnected('the mediator cannot be reached')), { once: true })
    })
  }

  /** @throws SealwayError `INVALID_ARGUMENT` */
  faults(faults: Faults): void {
    this.rates = readFaults(faults)
  }

  /** Nothing passes between two nodes. */
  part(a: string, b: string): void {
    this.pairs.push([a, b])
  }

  /** Nothing passes between a node and the mediator. */
  cutOff(node: string): void {
    if (!this.apart.has(node)) this.apart.set(node, [])
    for (const wire of this.of(node)) wire.hold()
  }

  isCutOff(node: string): boolean {
    return this.apart.has(node)
  }

  slow(node: string, bytesPerSecond: number): void {
    this.paces.set(node, bytesPerSecond)
    for (const wire of this.of(node)) wire.pace(bytesPerSecond)
  }

  heal(): void {
    this.pairs = []
    this.paces.clear()
    for (const waiting of this.apart.values()) for (const go of waiting) go()
    this.apart.clear()
    for (const wire of this.wires) wire.heal()
  }

  /** Breaks the links of a node. */
  breakLinks(node: string): void {
    for (const wire of this.of(node)) wire.cut()
  }

  breakAll(): void {
    for (const wire of this.wires) wire.cut()
    this.wires.clear()
  }

  private of(node: string): Wire[] {
    return [...this.wires].filter((wire) => wire.node === node)
  }
}

export const notConnected = (message: string) =>
  new SealwayError('NOT_CONNECTED', { message, outcome: 'not-delivered', hop: 'client' })
