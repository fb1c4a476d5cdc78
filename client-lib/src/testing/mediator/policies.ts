import { encodeJson, FrameType, type TrafficPolicy } from '@sealway/protocol'
import type { LinkEnd } from './link-end.js'

/** Policies in one frame of a list. */
const policiesPerFrame = 50

/** The policies for traffic, told to each node that has asked, and again where they change. */
export class Policies {
  private readonly told = new Set<LinkEnd>()

  constructor(private list: readonly TrafficPolicy[]) {}

  answer(link: LinkEnd, id: number): void {
    this.told.add(link)
    this.tell(link)
    link.say(encodeJson(FrameType.answer, { policies: this.list.length }, id))
  }

  update(list: readonly TrafficPolicy[]): void {
    this.list = list
    for (const link of [...this.told]) this.tell(link)
  }

  forget(link: LinkEnd): void {
    this.told.delete(link)
  }

  private tell(link: LinkEnd): void {
    for (let at = 0; at === 0 || at < this.list.length; at += policiesPerFrame) {
      const policies = this.list.slice(at, at + policiesPerFrame)
      const more = at + policiesPerFrame < this.list.length
      link.say(encodeJson(FrameType.policies, { type: 'list', policies, ...(more ? { more } : {}) }))
    }
  }
}
