import {
  chooseVersion,
  type Hello,
  type Limits,
  nameOfProcess,
  type Peer,
  parseHello,
  SealwayError,
} from '@sealway/protocol'
import type { LinkEnd } from './link-end.js'
import type { Records } from './records.js'

export interface AdmissionParts {
  readonly limits: Limits
  readonly records: Records
  readonly clock: () => number
  /** Whom a token stands for. @throws SealwayError */
  readonly identify: (token: string, name: string) => { readonly expiresAt: number }
  /** Who holds a name now. */
  readonly incumbent: (name: string) => LinkEnd | undefined
  readonly draining: () => boolean
  /** It was welcomed. */
  readonly joined: (link: LinkEnd) => void
}

/** From a hello to a member. */
export class Admission {
  /** Hellos for one name are taken one after the other. */
  private readonly busy = new Map<string, Promise<void>>()

  constructor(private readonly parts: AdmissionParts) {}

  /** @throws SealwayError with the code that the node is told */
  async admit(link: LinkEnd, body: unknown): Promise<void> {
    const hello = parseHello(body)
    const version = chooseVersion(hello.versions)
    if (this.parts.draining()) throw new SealwayError('DRAINING', { message: 'this mediator is shutting down' })
    const name = hello.name ?? nameOfProcess((hello.groups[0] ?? hello.reaches[0])!, hello.instance)
    const { expiresAt } = this.parts.identify(hello.token, name)
    const mine = (this.busy.get(name) ?? Promise.resolve())
      .catch(() => {})
      .then(async () => {
        await this.displace(name, hello, link)
        this.welcome(link, { ...hello, name }, version, expiresAt)
      })
    this.busy.set(name, mine)
    try {
      await mine
    } finally {
      if (this.busy.get(name) === mine) this.busy.delete(name)
    }
  }

  /** The same process takes over at once; another one only if the incumbent does not answer a ping. */
  private async displace(name: string, hello: Hello, newcomer: LinkEnd): Promise<void> {
    const incumbent = this.parts.incumbent(name)
    if (!incumbent) return
    if (incumbent.member!.instance === hello.instance) {
      incumbent.close('SUPERSEDED', `${name} connected again from ${newcomer.remoteAddress}`)
    } else if (await incumbent.probe(this.parts.limits.probeMs)) {
      const message = `${name} is held by another live process, connected from ${incumbent.remoteAddress}`
      throw new SealwayError('NAME_IN_USE', { message, target: name, outcome: 'not-delivered' })
    } else incumbent.close('HEARTBEAT_LOST', `${name} did not answer and was claimed by another process`)
  }

  private welcome(link: LinkEnd, hello: Hello & { name: string }, version: number, expiresAt: number): void {
    const { limits, records, clock, joined } = this.parts
    const { name, groups, reaches, instance, endpoints, meta } = hello
    const peer: Peer = {
      name,
      groups,
      online: true,
      transport: link.transport,
      since: clock(),
      endpoints,
      ...(meta ? { meta } : {}),
    }
    const { maxFrameBytes, routeWindowBytes, routeWindowFrames, pingEveryMs, deadAfterMs } = limits
    const welcome = {
      version,
      name,
      groups,
      epoch: records.claim(hello),
      mediator: 'in-memory',
      now: clock(),
      tokenExpiresAt: expiresAt,
      limits: { maxFrameBytes, routeWindowBytes, routeWindowFrames, pingEveryMs, deadAfterMs },
    }
    const sender = { ...peer, groups: [...groups, ...reaches] }
    if (link.admit({ name, groups, instance, expiresAt, peer, sender }, welcome)) joined(link)
  }
}
