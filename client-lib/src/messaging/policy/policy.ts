import {
  type Balance,
  type BreakerPolicy,
  maxPolicies,
  type PolicyChange,
  type PolicyName,
  parseBalance,
  parseBreaker,
  parsePolicy,
  parseRetries,
  type RetryPolicy,
  SealwayError,
  type TrafficPolicy,
} from '@sealway/protocol'
import type { Logger } from '../../session/log.js'

/** What one call may decide for itself. */
export interface PolicyOptions {
  /** How often, or how, what is safe to repeat is tried again: not delivered, or `idempotent`. */
  readonly retries?: number | RetryPolicy
  readonly breaker?: BreakerPolicy | false
  readonly balance?: Balance
  /** What `sticky` goes by, instead of a field of the body. */
  readonly stickyKey?: string
}

export type Retries = Required<RetryPolicy>
export interface BreakerRule extends Required<BreakerPolicy> {
  /** Decided for this action: others to the same target have a circuit of their own. */
  readonly perAction: boolean
}

/** What is in force for one target and action. */
export interface Resolved {
  readonly timeoutMs: number | undefined
  readonly retries: Retries | undefined
  readonly breaker: BreakerRule | undefined
  /** Absent: the member with the fewest calls in flight. */
  readonly balance: Balance | undefined
}

const defaultRetries: Retries = {
  max: 3,
  firstMs: 100,
  factor: 2,
  maxMs: 5_000,
  jitter: 0.2,
  attemptMs: Number.POSITIVE_INFINITY,
  whenNoPeer: false,
}
const defaultBreaker: Required<BreakerPolicy> = { failures: 5, windowMs: 10_000, openMs: 5_000, halfOpen: 1 }

/** What was resolved is kept, for so many targets and actions. */
const maxResolved = 10_000

type Layer = Omit<TrafficPolicy, 'target'>

export interface PoliciesParts {
  /** Whether a node is in a group, as far as that is known here. */
  readonly isMember: (group: string, name: string) => boolean
  readonly logger: Logger
}

/**
 * The policies of this node and those of the mediator. The most specific wins, field by field: what a call says, then
 * what this node was given, then what the mediator says; and within each, target with action, target, group with action,
 * group, all with action, all.
 */
export class Policies {
  private readonly parts: PoliciesParts
  private own = new Map<string, TrafficPolicy>()
  private central = new Map<string, TrafficPolicy>()
  /** A list that is still coming. */
  private incoming: Map<string, TrafficPolicy> | undefined
  /** Groups that a policy names, in order. */
  private groups: readonly string[] = []
  private readonly resolved = new Map<string, Resolved>()

  constructor(parts: PoliciesParts) {
    this.parts = parts
  }

  get list(): { readonly own: readonly TrafficPolicy[]; readonly central: readonly TrafficPolicy[] } {
    return { own: [...this.own.values()], central: [...this.central.values()] }
  }

  /** Groups whose members a policy speaks of: who they are must be known for a call to one of them by name. */
  get named(): readonly string[] {
    return this.groups.map((group) => group.slice('group:'.length))
  }

  /** What this node was given. */
  update(policies: readonly TrafficPolicy[]): void {
    this.own = new Map(policies.map((policy) => [keyOf(policy), policy]))
    this.changed()
  }

  /** What the mediator says. @returns whether something is different now */
  told(change: PolicyChange): boolean {
    switch (change.type) {
      case 'list': {
        this.incoming ??= new Map()
        for (const policy of change.policies ?? []) this.keep(this.incoming, policy)
        if (change.more) return false
        this.central = this.incoming
        this.incoming = undefined
        break
      }
      case 'set':
        this.keep(this.central, change.policy)
        break
      case 'removed':
        this.central.delete(keyOf(change))
        break
      default:
        return false
    }
    this.changed()
    return true
  }

  /** A list that was coming over a link that is gone. */
  unlinked(): void {
    this.incoming = undefined
  }

  private keep(policies: Map<string, TrafficPolicy>, value: unknown): void {
    try {
      const policy = parsePolicy(value, { unknownFields: 'ignore' })
      const key = keyOf(policy)
      if (policies.size < maxPolicies || policies.has(key)) policies.set(key, policy)
    } catch (error) {
      this.parts.logger.warn({ err: error }, 'a policy of the mediator cannot be read, and is ignored')
    }
  }

  private changed(): void {
    const targets = new Set([...this.own.values(), ...this.central.values()].map(({ target }) => target))
    this.groups = [...targets].filter((target) => target.startsWith('group:')).sort()
    this.forget()
  }

  /** Who is in which group has changed. */
  forget(): void {
    this.resolved.clear()
  }

  /** @param to canonical. @returns undefined where nothing is decided. @throws SealwayError `INVALID_ARGUMENT` */
  for(to: string, action: string, options?: PolicyOptions): Resolved | undefined {
    const ofCall = layerOf(options)
    if (this.own.size + this.central.size === 0 && !ofCall) return undefined
    // What the library asks by itself has its own times.
    if (action.startsWith('$')) return undefined
    if (ofCall) return merged([ofCall, ...this.layers(to, action)])
    const key = `${to} ${action}`
    const known = this.resolved.get(key)
    if (known) return known
    const resolved = merged(this.layers(to, action))
    if (this.resolved.size >= maxResolved) this.resolved.clear()
    this.resolved.set(key, resolved)
    return resolved
  }

  /** Most specific first. */
  private layers(to: string, action: string): Layer[] {
    const targets = [...new Set([to, ...this.groupsOf(to), '*'])]
    const layers: Layer[] = []
    for (const source of [this.own, this.central]) {
      for (const target of targets) {
        for (const name of [{ target, action }, { target }]) {
          const policy = source.get(keyOf(name))
          if (policy) layers.push(policy)
        }
      }
    }
    return layers
  }

  private groupsOf(to: string): string[] {
    const colon = to.indexOf(':')
    if (colon >= 0) return [`group:${to.slice(colon + 1)}`]
    return this.groups.filter((group) => this.parts.isMember(group.slice('group:'.length), to))
  }
}

function layerOf(options: PolicyOptions | undefined): Layer | undefined {
  if (!options) return undefined
  const { retries, breaker, balance } = options
  if (retries === undefined && breaker === undefined && balance === undefined) return undefined
  return argument(() => ({
    // Decided for this call, so not for this action.
    ...(retries === undefined ? {} : { retries: parseRetries(retries) }),
    ...(breaker === undefined ? {} : { breaker: parseBreaker(breaker) }),
    ...(balance === undefined ? {} : { balance: parseBalance(balance) }),
  }))
}

function merged(layers: readonly Layer[]): Resolved {
  const balance = layers.find((layer) => layer.balance !== undefined)?.balance
  return {
    timeoutMs: layers.find((layer) => layer.timeout !== undefined)?.timeout,
    retries: mergedRetries(layers),
    breaker: mergedBreaker(layers),
    balance,
  }
}

function mergedRetries(layers: readonly Layer[]): Retries | undefined {
  const decided = layers.flatMap(({ retries }) => retries ?? [])
  if (decided.length === 0) return undefined
  const retries = Object.assign({}, defaultRetries, ...decided.toReversed()) as Retries
  return retries.max === 0 && !retries.whenNoPeer ? undefined : retries
}

function mergedBreaker(layers: readonly Layer[]): BreakerRule | undefined {
  const decided = layers.filter(({ breaker }) => breaker !== undefined)
  const off = decided.findIndex(({ breaker }) => breaker === false)
  const on = off < 0 ? decided : decided.slice(0, off)
  if (on.length === 0) return undefined
  const rules = on.map(({ breaker }) => breaker).toReversed()
  return {
    ...(Object.assign({}, defaultBreaker, ...rules) as Required<BreakerPolicy>),
    perAction: on[0]!.action !== undefined,
  }
}

/** Policies as a user gives them. @throws SealwayError `INVALID_ARGUMENT`, `INVALID_NAME` */
export function readPolicies(value: unknown): TrafficPolicy[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw invalid('policies must be a list')
  if (value.length > maxPolicies) throw invalid(`there are ${value.length} policies; at most ${maxPolicies} are kept`)
  const policies = value.map((one, i) => argument(() => parsePolicy(one), `policies[${i}]: `))
  const keys = new Set(policies.map(keyOf))
  if (keys.size !== policies.length) throw invalid('two policies have the same target and action')
  return policies
}

/** What the protocol calls malformed is here a wrong argument. */
function argument<T>(parse: () => T, where = ''): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof SealwayError && error.code === 'MALFORMED') throw invalid(where + error.message)
    throw error
  }
}

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })

/** No target holds a space. */
const keyOf = ({ target, action }: PolicyName): string => (action === undefined ? target : `${target} ${action}`)
