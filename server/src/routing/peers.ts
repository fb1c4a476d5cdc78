import { encodeJson, FrameType, type PeerChange, parseGroup, quote, SealwayError } from '@sealway/protocol'
import type { Session } from '../session/session.js'
import type { Presence } from './presence.js'

export interface PeersParts {
  readonly presence: Presence
  /** May this link see who is in that group? */
  readonly maySee: (session: Session, group: string) => boolean
}

/** Groups that one link may watch at once. */
const maxWatches = 1_024

/** Answers who is in a group, and tells watchers when that changes. */
export class Peers {
  private readonly parts: PeersParts
  private readonly watchers = new Map<string, Set<Session>>()
  private readonly watching = new Map<Session, Set<string>>()

  constructor(parts: PeersParts) {
    this.parts = parts
  }

  /** @throws SealwayError `MALFORMED`, `INVALID_NAME`: a broken question ends the link, a refused one is answered */
  answer(session: Session, id: number, question: unknown): void {
    const { type, group: text } = (question ?? {}) as { type?: unknown; group?: unknown }
    const group = parseGroup(text)
    if (!this.parts.maySee(session, group)) {
      const message = `${session.member!.name} is not in ${group} and its token does not allow seeing it`
      session.control(encodeJson(FrameType.answer, { error: { code: 'FORBIDDEN', message } }, id))
      return
    }
    switch (type) {
      case 'watch':
        this.watch(session, group)
        break
      case 'unwatch':
        this.unwatch(session, group)
        break
      case 'peers':
        break
      default:
        throw new SealwayError('MALFORMED', { message: `query type ${quote(type)} is unknown` })
    }
    const peers = Array.from(this.parts.presence.members(group), (session) => session.member!.peer)
    session.control(encodeJson(FrameType.answer, { peers }, id))
  }

  private watch(session: Session, group: string): void {
    const mine = this.watching.get(session) ?? new Set()
    if (mine.size >= maxWatches) {
      throw new SealwayError('TOO_MANY_REQUESTS', { message: `one link watches at most ${maxWatches} groups` })
    }
    this.watching.set(session, mine.add(group))
    const watchers = this.watchers.get(group) ?? new Set()
    this.watchers.set(group, watchers.add(session))
  }

  private unwatch(session: Session, group: string): void {
    this.watching.get(session)?.delete(group)
    const watchers = this.watchers.get(group)
    if (watchers?.delete(session) && watchers.size === 0) this.watchers.delete(group)
  }

  changed(session: Session, type: PeerChange['type']): void {
    const member = session.member!
    for (const group of member.groups) {
      const watchers = this.watchers.get(group)
      if (!watchers) continue
      const change: PeerChange = { group, type, peer: { ...member.peer, online: type === 'joined' } }
      const frame = encodeJson(FrameType.peers, change)
      for (const watcher of watchers) if (watcher !== session) watcher.control(frame)
    }
  }

  left(session: Session, reported: boolean): void {
    for (const group of this.watching.get(session) ?? []) this.unwatch(session, group)
    this.watching.delete(session)
    if (!reported) this.changed(session, 'left')
  }
}
