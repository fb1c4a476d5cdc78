import { encodeJson, FrameType, type PolicyChange, type PolicyName, type TrafficPolicy } from '@sealway/protocol'
import type { Session } from '../session/session.js'

/** Policies in one frame of a list: of at most 1 KiB each, where a frame may be limited to 64 KiB. */
const policiesPerFrame = 50

/** The policies for traffic as nodes are told of them: all when they ask, then each change. None is applied here. */
export class Policies {
  private byName = new Map<string, { readonly policy: TrafficPolicy; readonly json: string }>()
  /** The list as frames, kept while it does not change: after a restart every node asks for it. */
  private frames: readonly Uint8Array[] | undefined
  private readonly told = new Set<Session>()

  get count(): number {
    return this.byName.size
  }

  answer(session: Session, id: number): void {
    this.told.add(session)
    this.frames ??= listFrames([...this.byName.values()].map(({ policy }) => policy))
    for (const frame of this.frames) session.control(frame)
    session.control(encodeJson(FrameType.answer, { policies: this.count }, id))
  }

  left(session: Session): void {
    this.told.delete(session)
  }

  /** The whole list, as it is in the registry now. Nodes are told what is different from before. */
  update(policies: readonly TrafficPolicy[]): void {
    const before = this.byName
    this.byName = new Map(policies.map((policy) => [keyOf(policy), { policy, json: JSON.stringify(policy) }]))
    const changes: PolicyChange[] = []
    for (const [key, { policy, json }] of this.byName) {
      if (before.get(key)?.json !== json) changes.push({ type: 'set', policy })
    }
    for (const [key, { policy }] of before) {
      if (!this.byName.has(key)) changes.push({ type: 'removed', ...nameOf(policy) })
    }
    if (changes.length === 0) return
    this.frames = undefined
    for (const change of changes) {
      const frame = encodeJson(FrameType.policies, change)
      // A copy: a link that is full is closed, and leaves.
      for (const session of [...this.told]) session.control(frame)
    }
  }
}

const nameOf = ({ target, action }: PolicyName): PolicyName => (action === undefined ? { target } : { target, action })

/** No target holds a space. */
const keyOf = ({ target, action }: PolicyName): string => (action === undefined ? target : `${target} ${action}`)

function listFrames(policies: readonly TrafficPolicy[]): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let at = 0; at === 0 || at < policies.length; at += policiesPerFrame) {
    const some = policies.slice(at, at + policiesPerFrame)
    const more = at + policiesPerFrame < policies.length
    frames.push(encodeJson(FrameType.policies, { type: 'list', policies: some, ...(more ? { more } : {}) }))
  }
  return frames
}
