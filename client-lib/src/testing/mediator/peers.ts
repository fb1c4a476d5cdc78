import { encodeJson, FrameType, type Peer, type PeerChange, parseGroup, quote, SealwayError } from '@sealway/protocol'
import { type LinkEnd, malformed } from './link-end.js'
import type { Presence } from './presence.js'

/** Groups that one link may watch at once. */
const maxWatches = 1_024

/** Answers who is in a group, and tells those who watch it when that changes. */
export class Peers {
  private readonly watches = new Map<LinkEnd, Set<string>>()

  constructor(
    private readonly presence: Presence,
    private readonly maySee: (peer: Peer, group: string) => boolean,
  ) {}

  /** @throws SealwayError a question that is broken ends the link; one that is refused is answered */
  answer(link: LinkEnd, id: number, question: unknown): void {
    const { type, group: text } = (question ?? {}) as { type?: unknown; group?: unknown }
    const group = parseGroup(text)
    const { sender } = link.member!
    if (!this.maySee(sender, group)) {
      const message = `${sender.name} is not in ${group} and its token does not allow seeing it`
      link.say(encodeJson(FrameType.answer, { error: { code: 'FORBIDDEN', message } }, id))
      return
    }
    const watched = this.watches.get(link) ?? new Set()
    if (type === 'watch') {
      if (watched.size >= maxWatches) {
        throw new SealwayError('TOO_MANY_REQUESTS', { message: `one link watches at most ${maxWatches} groups` })
      }
      this.watches.set(link, watched.add(group))
    } else if (type === 'unwatch') watched.delete(group)
    else if (type !== 'peers') throw malformed(`query type ${quote(type)} is unknown`)
    const peers = this.presence.members(group).map((other) => other.member!.peer)
    link.say(encodeJson(FrameType.answer, { peers }, id))
  }

  changed(link: LinkEnd, type: PeerChange['type']): void {
    const { groups, peer } = link.member!
    for (const group of groups) {
      const change: PeerChange = { group, type, peer: { ...peer, online: type === 'joined' } }
      for (const [watcher, watched] of this.watches) {
        if (watcher !== link && watched.has(group)) watcher.say(encodeJson(FrameType.peers, change))
      }
    }
  }

  forget(link: LinkEnd): void {
    this.watches.delete(link)
  }
}
