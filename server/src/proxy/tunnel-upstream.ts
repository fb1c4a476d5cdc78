import type { Duplex } from 'node:stream'
import { SealwayError } from '@sealway/protocol'
import type { AnswerReader } from './exchange.js'
import { Passage } from './passage.js'
import type { Tunnels } from './tunnel.js'
import type { Asked, Destination, Upstream } from './upstream.js'
import type { Visit } from './visit.js'

/** Of a body that is all there, what goes with its head, bytes. */
const firstBytes = 48 * 1024

/** Over the node's own link: it needs no port of its own, and no address that anybody can reach. */
export class TunnelUpstream implements Upstream {
  readonly reachesAbsent = false

  constructor(private readonly tunnels: Tunnels) {}

  serves({ session }: Destination): boolean {
    return session?.member?.http !== undefined
  }

  load({ session }: Destination): number {
    return this.tunnels.of(session!).inFlight
  }

  free({ session }: Destination): boolean {
    return this.tunnels.of(session!).free
  }

  forward(visit: Visit, { session }: Destination): void {
    new Passage(visit, this.tunnels.of(session!)).start()
  }

  upgrade(visit: Visit, { session }: Destination, socket: Duplex, head: Buffer): void {
    new Passage(visit, this.tunnels.of(session!), socket, head).start()
  }

  ask(visit: Visit, { session }: Destination, body: Buffer, reader: AnswerReader): Asked | SealwayError {
    const whole = body.length <= firstBytes
    const first = whole ? body : body.subarray(0, firstBytes)
    const begun = this.tunnels.of(session!).begin(visit.head!, first, whole, reader)
    if (begun instanceof SealwayError || whole) return begun
    // What does not go at once is held, and the end behind it.
    begun.send(body.subarray(firstBytes))
    begun.end()
    return begun
  }
}
