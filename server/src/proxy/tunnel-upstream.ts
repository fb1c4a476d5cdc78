import type { Duplex } from 'node:stream'
import { Passage } from './passage.js'
import type { Tunnels } from './tunnel.js'
import type { Destination, Upstream } from './upstream.js'
import type { Visit } from './visit.js'

/** Over the node's own link: it needs no port of its own, and no address that anybody can reach. */
export class TunnelUpstream implements Upstream {
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
}
