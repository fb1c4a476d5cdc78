import type { Policies } from '../messaging/policy/policy.js'
import type { Link } from '../session/link.js'
import type { Logger } from '../session/log.js'
import { signalAfter, type Timers } from '../session/timers.js'
import type { Members } from './peers.js'

/** How long a node that has connected waits for the mediator's policies, ms. */
const waitMs = 1_000

export interface CentralPoliciesParts {
  readonly policies: Policies
  readonly members: Members
  readonly timers: Timers
  readonly logger: Logger
}

/** Asks to be told of the mediator's policies. Resolves when this node knows them, or a second later. */
export async function followPolicies(link: Link, parts: CentralPoliciesParts): Promise<void> {
  const { policies, members, timers, logger } = parts
  const { signal, done } = signalAfter(timers, waitMs)
  try {
    await link.query({ type: 'policies' }, signal)
    // So that the first call by name follows the policy of its group, too.
    await orAborted(members.learn(policies.named), signal)
  } catch (error) {
    logger.warn({ err: error }, "the mediator's policies are not known yet")
  } finally {
    done()
  }
}

/** Waits no longer than the signal allows. */
const orAborted = (wait: Promise<void>, signal: AbortSignal): Promise<void> =>
  Promise.race([
    wait,
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
  ])
