import type { Code, SealwayError } from '@sealway/protocol'
import type { BreakerRule } from './policy.js'

export type CircuitState = 'closed' | 'open' | 'half-open'

/** What says that the target itself is in trouble. That nobody is there is known at once, and needs no circuit. */
const failureCodes: ReadonlySet<Code> = new Set<Code>(['TIMEOUT', 'PEER_GONE', 'BUSY', 'EXCEPTION', 'STREAM_LOST'])
/** The target answered, if only that it will not do it. */
const answerCodes: ReadonlySet<Code> = new Set<Code>(['APPLICATION_ERROR', 'NO_HANDLER'])

/** What an attempt says about its target: nothing, where it was given up or never got there. */
export function verdictOn(error: SealwayError | undefined): 'ok' | 'failed' | 'nothing' {
  if (!error || answerCodes.has(error.code)) return 'ok'
  const here = error.hop === 'client'
  // A deadline that passed before the call left says as little as a queue of our own that is full.
  if (here && (error.code === 'BUSY' || (error.code === 'TIMEOUT' && error.outcome === 'not-delivered')))
    return 'nothing'
  return failureCodes.has(error.code) ? 'failed' : 'nothing'
}

/** Circuits that are kept at once. Only a target that has failed takes a place. */
const maxCircuits = 10_000

export interface BreakersParts {
  /** ms, never set back. */
  readonly now: () => number
  readonly changed: (key: string, state: CircuitState) => void
}

/** One who was let through; says once how it went. */
export type Pass = (verdict: 'ok' | 'failed' | 'nothing') => void

/** A circuit breaker for each target, or target and action. */
export class Breakers {
  private readonly circuits = new Map<string, Circuit>()

  constructor(private readonly parts: BreakersParts) {}

  /** Whether one more would be let through now. */
  allows(key: string, rule: BreakerRule): boolean {
    return this.circuits.get(key)?.allows(rule, this.parts.now()) ?? true
  }

  /** @returns undefined where the circuit is open */
  enter(key: string, rule: BreakerRule): Pass | undefined {
    const entered = this.circuits.get(key)
    if (entered && !entered.allows(rule, this.parts.now())) return undefined
    const probed = entered?.enter() ? entered : undefined
    let over = false
    return (verdict) => {
      if (over) return
      over = true
      const circuit = probed ?? this.circuits.get(key) ?? (verdict === 'failed' ? this.add(key) : undefined)
      circuit?.leave(verdict, probed !== undefined, rule, this.parts.now())
      if (circuit?.idle && this.circuits.get(key) === circuit) this.circuits.delete(key)
    }
  }

  /** When the circuit lets somebody try again, ms from now. */
  opensInMs(key: string): number {
    return Math.max(0, (this.circuits.get(key)?.openUntil ?? 0) - this.parts.now())
  }

  private add(key: string): Circuit {
    // The one that failed longest ago is forgotten: its next failures count from one again.
    if (this.circuits.size >= maxCircuits) this.circuits.delete(this.circuits.keys().next().value!)
    const circuit = new Circuit((state) => this.parts.changed(key, state))
    this.circuits.set(key, circuit)
    return circuit
  }
}

class Circuit {
  state: CircuitState = 'closed'
  openUntil = 0
  /** When it failed, in a row; oldest first. */
  private failures: number[] = []
  private probes = 0

  constructor(private readonly changed: (state: CircuitState) => void) {}

  get idle(): boolean {
    return this.state === 'closed' && this.failures.length === 0
  }

  allows(rule: BreakerRule, now: number): boolean {
    if (this.state === 'closed') return true
    return now >= this.openUntil && this.probes < rule.halfOpen
  }

  /** @returns whether this one tries out a target that has failed */
  enter(): boolean {
    if (this.state === 'closed') return false
    if (this.state === 'open') this.become('half-open')
    this.probes++
    return true
  }

  leave(verdict: 'ok' | 'failed' | 'nothing', probe: boolean, rule: BreakerRule, now: number): void {
    if (probe) this.probes--
    if (this.state === 'closed') {
      if (verdict === 'ok') this.failures = []
      if (verdict === 'failed') this.failed(rule, now)
    } else if (probe && this.state === 'half-open') {
      // Those who were let through before it opened say nothing new.
      if (verdict === 'ok') this.close()
      if (verdict === 'failed') this.open(rule, now)
    }
  }

  private failed(rule: BreakerRule, now: number): void {
    this.failures.push(now)
    if (this.failures.length > rule.failures) this.failures = this.failures.slice(-rule.failures)
    if (this.failures.length === rule.failures && now - this.failures[0]! <= rule.windowMs) this.open(rule, now)
  }

  private open(rule: BreakerRule, now: number): void {
    this.failures = []
    this.openUntil = now + rule.openMs
    this.become('open')
  }

  private close(): void {
    this.failures = []
    this.become('closed')
  }

  private become(state: CircuitState): void {
    this.state = state
    this.changed(state)
  }
}
