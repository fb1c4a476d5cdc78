import {
  chooseVersion,
  type Hello,
  type Limits,
  type NodeName,
  type Peer,
  parseHello,
  SealwayError,
  type Welcome,
} from '@sealway/protocol'
import type { Authenticator, Identity } from '../auth/authenticator.js'
import type { Log } from '../observe/log.js'
import type { Registry } from '../registry/registry.js'
import type { Member, Session } from './session.js'

/** Takeovers of one name within a minute that look like two processes fighting for it. */
const fightTakeovers = 5
const fightWindowMs = 60_000
const fightPauseMs = 30_000

export interface AdmissionParts {
  readonly registry: Registry
  /** Before it the registry is not to be asked for names. */
  readonly cleared: Promise<void>
  readonly authenticator: Authenticator
  readonly limits: Limits
  readonly version: string
  readonly log: Log
  /** ms since 1970. */
  readonly clock: () => number
  /** ms, never set back. */
  readonly monotonic: () => number
  /** May this identity take this name in these groups? */
  readonly mayRegister: (identity: Identity, hello: Hello) => boolean
  readonly incumbent: (name: string) => Session | undefined
  readonly draining: () => boolean
}

/** From a hello to a member: the steps of the handshake, in order. */
export class Admission {
  private readonly parts: AdmissionParts
  /** Hellos for one name are handled one after the other. */
  private readonly busy = new Map<string, Promise<unknown>>()
  private readonly takeovers = new Map<string, number[]>()

  constructor(parts: AdmissionParts) {
    this.parts = parts
  }

  /**
   * @param welcome takes the member in, in the same turn as its claim: the next hello for its name must find it there
   * @throws SealwayError with the code that the node is told
   */
  async admit(session: Session, body: unknown, welcome: (member: Member, welcome: Welcome) => void): Promise<void> {
    const { parts } = this
    const hello = parseHello(body)
    const version = chooseVersion(hello.versions)
    if (parts.draining()) throw new SealwayError('DRAINING', { message: 'this mediator is shutting down' })
    const identity = parts.authenticator.verify(hello.token)
    if (!parts.mayRegister(identity, hello)) {
      throw new SealwayError('FORBIDDEN', {
        message: `the token of ${identity.subject} does not allow registering as ${hello.name ?? 'an unnamed node'}${placesOf(hello)}`,
      })
    }
    const claimAndWelcome = async (): Promise<void> => {
      const claimed = await this.claim(session, hello)
      welcome(...this.asMember(session, hello, identity, version, claimed))
    }
    if (!hello.name) return claimAndWelcome()
    await this.oneAtATime(hello.name, async (name) => {
      await this.displaceIncumbent(name, hello, session)
      await claimAndWelcome()
    })
  }

  private asMember(
    session: Session,
    hello: Hello,
    identity: Identity,
    version: number,
    { name, epoch }: { readonly name: NodeName; readonly epoch: number },
  ): [Member, Welcome] {
    const { clock, limits, version: mediator } = this.parts
    const { groups, reaches, instance, endpoints, meta } = hello
    const peer: Peer = {
      name,
      groups,
      online: true,
      transport: session.transport,
      since: clock(),
      endpoints,
      ...(meta ? { meta } : {}),
    }
    return [
      {
        ...{ name, groups, epoch, instance, identity, peer, http: hello.http, client: hello.client },
        within: [...new Set([...groups, ...reaches])],
      },
      {
        version,
        name,
        groups,
        epoch,
        mediator,
        now: clock(),
        tokenExpiresAt: identity.expiresAt,
        limits: {
          maxFrameBytes: limits.maxFrameBytes,
          routeWindowBytes: limits.routeWindowBytes,
          routeWindowFrames: limits.routeWindowFrames,
          pingEveryMs: limits.pingEveryMs,
          deadAfterMs: limits.deadAfterMs,
        },
      },
    ]
  }

  private async claim(session: Session, hello: Hello): Promise<{ name: NodeName; epoch: number }> {
    await this.parts.cleared
    return this.parts.registry.claim({
      ...(hello.name ? { name: hello.name } : {}),
      groups: hello.groups,
      reaches: hello.reaches,
      instance: hello.instance,
      endpoints: hello.endpoints,
      ...(hello.meta ? { meta: hello.meta } : {}),
      transport: session.transport,
      address: session.remoteAddress,
      ...(hello.client ? { client: hello.client } : {}),
    })
  }

  /** The same process takes over at once; another one only if the incumbent does not answer a ping. */
  private async displaceIncumbent(name: string, hello: Hello, newcomer: Session): Promise<void> {
    const incumbent = this.parts.incumbent(name)
    if (!incumbent) return
    if (incumbent.member!.instance === hello.instance) {
      this.countTakeover(name)
      incumbent.close('SUPERSEDED', `${name} connected again from ${newcomer.remoteAddress}`)
      return
    }
    if (await this.answersProbe(incumbent)) {
      throw new SealwayError('NAME_IN_USE', {
        message: `${name} is held by another live process, connected from ${incumbent.remoteAddress}`,
        target: name,
        outcome: 'not-delivered',
      })
    }
    this.countTakeover(name)
    incumbent.close('HEARTBEAT_LOST', `${name} did not answer and was claimed by another process`)
  }

  private answersProbe(incumbent: Session): Promise<boolean> {
    return new Promise((resolve) => {
      incumbent.probe(this.parts.limits.probeMs, resolve)
    })
  }

  private countTakeover(name: string): void {
    const now = this.parts.monotonic()
    const recent = (this.takeovers.get(name) ?? []).filter((at) => now - at < fightWindowMs)
    const last = recent.at(-1)
    if (recent.length >= fightTakeovers && last !== undefined && now - last < fightPauseMs) {
      this.parts.log.warn({ node: name, takeovers: recent.length }, 'two processes fight for one name')
      throw new SealwayError('NAME_IN_USE', {
        message: `${name} changed hands ${recent.length} times within a minute; try again in ${fightPauseMs / 1_000} s`,
      })
    }
    recent.push(now)
    this.takeovers.set(name, recent)
    if (this.takeovers.size > 10_000) {
      for (const [other, times] of this.takeovers) {
        if (now - times.at(-1)! > fightWindowMs) this.takeovers.delete(other)
      }
    }
  }

  private async oneAtATime(name: NodeName, work: (name: NodeName) => Promise<void>): Promise<void> {
    const before = this.busy.get(name) ?? Promise.resolve()
    const mine = before.then(
      () => work(name),
      () => work(name),
    )
    this.busy.set(name, mine)
    try {
      await mine
    } finally {
      if (this.busy.get(name) === mine) this.busy.delete(name)
    }
  }
}

const placesOf = ({ groups, reaches }: Hello): string =>
  (groups.length > 0 ? ` in ${groups.join(', ')}` : '') +
  (reaches.length > 0 ? `${groups.length > 0 ? ' and' : ''} reaching ${reaches.join(', ')}` : '')
