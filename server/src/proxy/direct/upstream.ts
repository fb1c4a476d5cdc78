import { type AgentOptions, Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { Duplex } from 'node:stream'
import { type Endpoint, SealwayError } from '@sealway/protocol'
import { createProxyServer } from 'http-proxy'
import type { AnswerReader } from '../exchange.js'
import type { Asked, Destination, Upstream } from '../upstream.js'
import type { Held, Visit } from '../visit.js'
import { AskedDirect } from './asked.js'
import type { Direct, DirectParts } from './direct.js'
import { type Pinned, pin } from './pin.js'
import { Relayed } from './relayed.js'
import { Switched } from './switched.js'
import { RelayedWhole } from './whole.js'

/** Requests that one node has under way over direct connections. */
const maxInFlight = 1_024
/** Connections to one address, and to all. */
const maxSockets = 256
const maxTotalSockets = 1_024
/** Node keeps an idle connection for 5 s: ours goes first, before one is used that is just being closed. */
const idleMs = 4_000

/** To an address that the node registered, where an operator has allowed it: off unless set. */
export class DirectUpstream implements Upstream {
  readonly reachesAbsent: boolean
  private readonly inFlight = new Map<string, number>()
  private readonly direct: Direct

  constructor(parts: DirectParts) {
    this.reachesAbsent = parts.mode !== 'off'
    // As many may be idle as may be busy: with fewer, a burst closes what the next one opens again.
    const kept: AgentOptions = {
      ...{ keepAlive: true, maxSockets, maxTotalSockets, maxFreeSockets: maxSockets },
      timeout: idleMs,
    }
    this.direct = {
      parts,
      agents: { http: new HttpAgent(kept), https: new HttpsAgent(kept) },
      proxy: createProxyServer(),
    }
    Relayed.listen(this.direct.proxy)
  }

  serves(node: Destination): boolean {
    return this.direct.parts.mode !== 'off' && endpointOf(node) !== undefined
  }

  load({ name }: Destination): number {
    return this.inFlight.get(name) ?? 0
  }

  free(node: Destination): boolean {
    return this.load(node) < maxInFlight
  }

  forward(visit: Visit, node: Destination): void {
    const { whole } = visit
    if (whole) {
      // The address is looked up.
      visit.keepBody()
      this.go(visit, node, whole.response, (pinned) => new RelayedWhole(visit, node.name, pinned, this.direct).start())
      return
    }
    this.go(visit, node, visit.streams.response, (pinned) => new Relayed(visit, node.name, pinned, this.direct).start())
  }

  upgrade(visit: Visit, node: Destination, socket: Duplex, head: Buffer): void {
    // Its response is given up with the switch: the socket ends when all is over.
    this.go(visit, node, socket, (pinned) => new Switched(visit, node.name, pinned, this.direct, socket, head).start())
  }

  ask(visit: Visit, node: Destination, body: Buffer, reader: AnswerReader): Asked {
    const asked = new AskedDirect(visit, node.name, this.direct, body, reader, this.begun(node.name))
    pin(endpointOf(node)!, this.direct.parts).then(
      (pinned) => asked.send(pinned),
      (error: unknown) => {
        const { code, message } = asSealwayError(error)
        asked.failed(code, `${node.name} ${message}`)
      },
    )
    return asked
  }

  private go(visit: Visit, node: Destination, held: Held, then: (pinned: Pinned) => void): void {
    visit.handedAt = visit.monotonic()
    held.on('close', this.begun(node.name))
    // While the name is looked up there is nothing to break off.
    visit.current = { abort() {} }
    pin(endpointOf(node)!, this.direct.parts).then(
      (pinned) => {
        if (!visit.over) then(pinned)
      },
      (error: unknown) => {
        const { code, message } = asSealwayError(error)
        visit.failed(code, `${node.name} ${message}`)
      },
    )
  }

  /** @returns to be called once, when it is over */
  private begun(name: string): () => void {
    this.inFlight.set(name, (this.inFlight.get(name) ?? 0) + 1)
    return () => {
      const left = this.inFlight.get(name)! - 1
      if (left === 0) this.inFlight.delete(name)
      else this.inFlight.set(name, left)
    }
  }

  /** Ends the connections that are kept for later. */
  close(): void {
    this.direct.agents.http.destroy()
    this.direct.agents.https.destroy()
  }
}

const asSealwayError = (error: unknown): SealwayError =>
  error instanceof SealwayError ? error : new SealwayError('INTERNAL', { cause: error })

/** The first that speaks HTTP. */
const endpointOf = ({ endpoints }: Destination): Endpoint | undefined =>
  endpoints.find(({ protocol }) => protocol === 'http' || protocol === 'https')
